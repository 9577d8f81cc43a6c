"""The words all rooms share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.core.clock import VirtualClock, parse_duration
from loopwright.core.codec import from_json, to_json
from loopwright.core.decision import Reason, decide
from loopwright.core.digest import digest_record
from loopwright.core.ids import NAME, derived_id, new_id


@dataclass(frozen=True, kw_only=True)
class Thing:
    name: str
    sizes: dict[str, float]
    at: datetime


@given(st.text(), st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)))
def test_records_survive_json_and_keep_their_digest(name: str, sizes: dict[str, float]) -> None:
    thing = Thing(name=name, sizes=sizes, at=datetime(2026, 1, 1, tzinfo=UTC))
    shuffled = Thing(name=name, sizes=dict(reversed(sizes.items())), at=thing.at)
    assert from_json(to_json(thing), Thing) == thing
    assert digest_record(shuffled) == digest_record(thing)


def test_ids_sort_by_time_and_fit_a_path() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    assert new_id("run", early) < new_id("run", late)
    assert NAME.fullmatch(new_id("run", early))


def test_derived_ids_follow_from_their_parts_alone() -> None:
    assert derived_id("version", "a", "bc") == derived_id("version", "a", "bc")
    assert derived_id("version", "a", "bc") != derived_id("version", "ab", "c")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1.5d", 129600), ("2w", 1209600), ("250ms", 0.25)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "d", "-1d", "1 fortnight"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["36526d", "9999999d", "99999999999999w", "9" * 400 + "s"])
def test_nothing_is_longer_than_a_century_so_that_now_and_a_duration_make_a_date(text: str) -> None:
    with pytest.raises(ValueError, match="longer than a century"):
        parse_duration(text)


def test_a_virtual_clock_moves_only_when_told() -> None:
    clock = VirtualClock()
    before = clock.now()
    clock.sleep(60)
    assert clock.now() - before == timedelta(minutes=1)


def test_a_decision_fails_with_any_failed_reason_and_says_only_those() -> None:
    good, bad, odd = (
        Reason(rule=name, finding=name, text=name)  # type: ignore[arg-type]
        for name in ("pass", "fail", "warn")
    )
    assert decide([good, odd]).passed
    assert not decide([good, bad]).passed
    assert decide([good, bad]).because() == "fail"
