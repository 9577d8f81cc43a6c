"""What may go and what must stay, case by case and by properties."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.ids import derived_id
from loopwright.retention.rules import CHAMPIONS, REVISIONS, judge, unit_of
from tests.retention.conftest import ago, holdings, keys_of, revision, run, version


def test_the_newest_versions_stay_and_older_ones_go_whole() -> None:
    jobs = "jobs/run-3-train-1/result.json"  # what a kept version's run has printed is past its days all the same
    assert sorted(judge(holdings([1, 2, 3, 4])).remove) == sorted([*keys_of(1), *keys_of(2), jobs])


def test_a_champion_stays_however_old_with_what_it_was_made_of() -> None:
    held = holdings([1, 2, 3, 4], chains=((revision(1, 1),),))
    gone = judge(held).remove
    jobs = {"jobs/run-1-train-1/result.json"}
    assert set(keys_of(1)) & set(gone) == jobs
    assert set(keys_of(2)) <= set(gone)


def test_the_anchor_of_what_is_kept_stays() -> None:
    held = holdings([1, 2, 3, 4, 5])
    anchored = replace(
        held, versions=tuple(replace(one, anchor=2 if one.number == 5 else None) for one in held.versions)
    )
    gone = set(judge(anchored).remove)
    assert version(2).folder + "/bundle.json" not in gone
    assert version(1).folder + "/bundle.json" in gone


def test_challengers_and_versions_on_their_way_stay() -> None:
    held = holdings([1, 2, 3, 4, 5], chains=((revision(1, 5, 1),),), rolling=frozenset({("demand", 2)}))
    gone = set(judge(held).remove)
    assert version(1).folder + "/bundle.json" not in gone
    assert version(2).folder + "/bundle.json" not in gone
    assert version(3).folder + "/bundle.json" in gone


def test_champions_enough_to_go_back_to_stay_after_many_revisions() -> None:
    chain = tuple(revision(place + 1, one) for place, one in enumerate([1, 2, 3, 4] + [5] * (REVISIONS + 5)))
    gone = set(judge(holdings([1, 2, 3, 4, 5, 6, 7], chains=(chain,))).remove)
    kept = [one for one in range(1, 8) if version(one).folder + "/bundle.json" not in gone]
    assert kept == [6 - CHAMPIONS, 4, 5, 6, 7]


def test_all_of_a_run_stays_while_it_goes_on_and_for_the_days_kept() -> None:
    runs = (run("run-1", ended=None), run("run-2", ended=29), run("run-3", ended=31), run("run-4", ended=1))
    held = holdings([1, 2, 3, 4], versions=(), runs=runs)
    gone = set(judge(held).remove)
    assert not gone & {*keys_of(1), *keys_of(2), *keys_of(4)}
    assert "jobs/run-3-train-1/result.json" in gone


def test_no_data_of_a_model_goes_while_a_run_of_it_is_under_way() -> None:
    held = holdings([1, 2, 3, 4])
    held = replace(held, runs=(*held.runs, run("run-9", ended=None)))
    assert not [key for key in judge(held).remove if key.startswith("datasets/")]


def test_a_models_newest_run_stays_for_ever() -> None:
    held = holdings([1, 2], versions=())
    assert set(judge(held).remove) == set(keys_of(1))


def test_parts_stay_while_any_kept_version_of_the_data_holds_them() -> None:
    shared = {f"datasets/demand/versions/run-{one}.json": ("datasets/demand/parts/part-1.parquet",) for one in (1, 4)}
    gone = judge(holdings([1, 2, 3, 4], parts=shared)).remove
    assert "datasets/demand/versions/run-1.json" in gone
    assert not [key for key in gone if "part-1." in key]


def test_captures_and_summaries_go_by_their_day() -> None:
    old, young = f"{ago(31):%Y-%m-%d}", f"{ago(30):%Y-%m-%d}"
    keys = tuple(f"{kind}/demand/{day}/1.x" for kind in ("predictions", "summaries") for day in (old, young))
    assert set(judge(holdings([], keys=keys)).remove) == {key for key in keys if old in key}
    assert judge(holdings([], keys=("predictions/demand/strange", "summaries/x"))).remove == ()


def test_what_no_record_knows_has_a_day_of_grace() -> None:
    keys = ("bundles/unknown/model.onnx", "datasets/demand/versions/unknown.json", "jobs/unknown-train-1/result.json")
    first = judge(holdings([], keys=keys))
    assert first.remove == ()
    assert set(first.unneeded_since) == {unit_of(key) for key in keys}
    later = holdings([], keys=keys, now=ago(-1), unneeded_since=first.unneeded_since)
    assert set(judge(later).remove) == set(keys)
    assert judge(later).unneeded_since == {}


def test_what_it_does_not_know_of_is_never_removed() -> None:
    keys = (
        "endpoints/demand/00000001.json",
        "outcomes/demand/2020-01-01/a.jsonl",
        "status/server.json",
        "datasets/demand/seen.json",
        "declared.json",
        "retention.json",
        "notes/by-hand.txt",
    )
    long_ago = dict.fromkeys(keys, ago(1000))
    assert judge(holdings([], keys=keys, unneeded_since=long_ago)).remove == ()


def test_what_vouches_for_others_goes_first() -> None:
    gone = judge(holdings([1, 2, 3])).remove
    vouching = [place for place, key in enumerate(gone) if key.endswith("/bundle.json") or "/versions/" in key]
    rest = [place for place, key in enumerate(gone) if key.endswith((".onnx", ".parquet"))]
    assert max(vouching) < min(rest)


NUMBERS = st.lists(st.integers(1, 12), unique=True, min_size=1, max_size=12)
CHAIN = st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=2, unique=True), max_size=30)


@settings(max_examples=60, deadline=None)
@given(NUMBERS, CHAIN, st.integers(2, 5), st.integers(1, 300), st.sets(st.integers(1, 12)))
def test_whatever_is_held_nothing_that_serves_or_may_serve_again_goes(
    numbers: list[int], served: list[list[int]], keep_versions: int, keep_days: int, rolling: set[int]
) -> None:
    chain = tuple(revision(place + 1, *champions) for place, champions in enumerate(served))
    held = holdings(
        sorted(numbers),
        chains=(chain,) if chain else (),
        keep_versions=keep_versions,
        keep_days=float(keep_days),
        rolling=frozenset(("demand", one) for one in rolling),
    )
    verdict = judge(held)
    gone = {unit_of(key) for key in verdict.remove}
    newest = {f"bundles/{derived_id('candidate', f'run-{one}')}" for one in sorted(numbers)[-keep_versions:]}
    named = {variant.bundle for one in chain[-REVISIONS:] for variant in one.variants}
    on_the_way = {version(one).folder for one in rolling}
    assert not gone & (newest | named | on_the_way)
    kept = [one for one in held.versions if one.folder not in gone]
    for one in kept:
        assert one.evaluated not in gone
        assert f"datasets/demand/versions/{one.dataset}.json" not in gone
        assert f"datasets/demand/parts/part-{one.number}" not in gone
    assert set(verdict.remove) <= set(held.keys)
    again = judge(replace(held, keys=tuple(key for key in held.keys if key not in set(verdict.remove))))
    assert again.remove == ()


@settings(max_examples=40, deadline=None)
@given(NUMBERS, st.integers(1, 100), st.integers(0, 200), st.integers(2, 4), st.integers(0, 4))
def test_keeping_longer_or_more_never_removes_more(
    numbers: list[int], days: int, more_days: int, versions: int, more_versions: int
) -> None:
    held = holdings(sorted(numbers), keep_days=float(days), keep_versions=versions)
    longer = replace(held, keep_days=float(days + more_days), keep_versions=versions + more_versions)
    assert set(judge(longer).remove) <= set(judge(held).remove)
