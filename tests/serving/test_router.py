"""Variants by weight, and always the same one for the same key."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.serving.router import bounds, pick, place

keys = st.text(max_size=20)
percent = st.integers(0, 100)


def chosen(weights: tuple[int, ...], key: str) -> int:
    return pick(bounds(weights), place("demand", key))


@given(keys)
def test_a_key_has_one_place_for_ever(key: str) -> None:
    assert 0 <= place("demand", key) < 100
    assert place("demand", key) == place("demand", key)


def test_places_do_not_move_between_releases() -> None:
    # printf 'demand\x1f0' | b2sum -l 56
    assert [round(place("demand", str(key)), 6) for key in range(3)] == [73.323637, 84.03628, 28.903285]


@given(keys, percent, percent)
def test_raising_a_weight_moves_only_the_new_share(key: str, before: int, after: int) -> None:
    low, high = sorted((before, after))
    old, new = chosen((100 - low, low), key), chosen((100 - high, high), key)
    assert (old, new) in {(0, 0), (1, 1), (0, 1)}
    assert (old != new) == (100 - high <= place("demand", key) < 100 - low)


@given(keys, st.lists(percent, min_size=3, max_size=6).filter(lambda weights: sum(weights) > 0), st.data())
def test_weight_that_moves_between_neighbours_moves_no_other_key(
    key: str, weights: list[int], data: st.DataObject
) -> None:
    giver = data.draw(st.integers(0, len(weights) - 2))
    given_away = data.draw(st.integers(0, weights[giver]))
    changed = list(weights)
    changed[giver] -= given_away
    changed[giver + 1] += given_away
    old, new = chosen(tuple(weights), key), chosen(tuple(changed), key)
    assert old == new or (old, new) == (giver, giver + 1)


@settings(max_examples=25)
@given(st.lists(percent, min_size=1, max_size=4).filter(lambda weights: sum(weights) > 0))
def test_shares_follow_the_weights(weights: list[int]) -> None:
    count = 2000
    found = [0] * len(weights)
    for key in range(count):
        found[chosen(tuple(weights), f"user-{key}")] += 1
    for share, weight in zip(found, weights, strict=True):
        expected = weight / sum(weights)
        assert abs(share / count - expected) <= 5 * (max(expected * (1 - expected), 1e-9) / count) ** 0.5 + 1e-3


def test_where_no_variant_has_weight_the_first_answers() -> None:
    assert {chosen((0, 0), str(key)) for key in range(50)} == {0}
