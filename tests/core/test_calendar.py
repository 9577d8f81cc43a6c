"""Freezes: what they mean by the clocks on the wall, and how they are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.calendar import frozen_until, never_ends, parse_freeze, parse_zone

ZULU = parse_zone("UTC")
BERLIN = parse_zone("Europe/Berlin")
WEEKEND = parse_freeze("fri 16:00-mon 08:00")
HOLIDAYS = parse_freeze("2026-12-20/2027-01-02")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-01-02T15:59:59", None),  # a Friday
        ("2026-01-02T16:00:00", "2026-01-05T08:00"),
        ("2026-01-04T23:59:59.999999", "2026-01-05T08:00"),
        ("2026-01-05T07:59:59", "2026-01-05T08:00"),
        ("2026-01-05T08:00:00", None),
    ],
)
def test_a_weekly_freeze_is_half_open_and_goes_on_over_the_weekend(now, until):
    assert frozen_until([WEEKEND], ZULU, at(now)) == (at(until) if until else None)


def test_days_are_both_included():
    assert frozen_until([HOLIDAYS], ZULU, at("2026-12-19T23:59:59")) is None
    assert frozen_until([HOLIDAYS], ZULU, at("2026-12-20T00:00:00")) == at("2027-01-03T00:00")
    assert frozen_until([HOLIDAYS], ZULU, at("2027-01-02T23:59:59")) == at("2027-01-03T00:00")
    assert frozen_until([HOLIDAYS], ZULU, at("2027-01-03T00:00:00")) is None


def test_freezes_that_follow_on_at_once_are_one():
    following = [parse_freeze("2026-01-03/2026-01-04"), WEEKEND, parse_freeze("2026-01-05T08:00/2026-01-06T12:00")]
    assert frozen_until(following, ZULU, at("2026-01-03T12:00")) == at("2026-01-06T12:00")


def test_hours_are_the_zones_own_in_summer_and_winter():
    night = [parse_freeze("sun 01:00-sun 05:00")]
    assert frozen_until(night, BERLIN, at("2026-01-04T00:30")) == at("2026-01-04T04:00")
    assert frozen_until(night, BERLIN, at("2026-07-05T00:30")) == at("2026-07-05T03:00")


def test_a_night_of_which_clocks_show_an_hour_twice_or_not_at_all_ends_once():
    night = [parse_freeze("sun 01:00-sun 02:30")]
    assert frozen_until(night, BERLIN, at("2026-10-25T00:15")) == at("2026-10-25T00:30")
    assert frozen_until(night, BERLIN, at("2026-10-25T01:15")) == at("2026-10-25T01:30"), "the hour's second showing"
    assert frozen_until(night, BERLIN, at("2026-03-29T00:30")) == at("2026-03-29T01:30"), "02:30 is not shown that day"


@given(st.integers(0, 400 * 86400), st.sampled_from([ZULU, BERLIN]))
@settings(max_examples=100, deadline=None)
def test_whoever_waits_until_the_end_is_no_longer_frozen(seconds, zone):
    freezes = [WEEKEND, HOLIDAYS, parse_freeze("wed 23:00-thu 02:30"), parse_freeze("thu 02:30-thu 03:00")]
    now = at("2026-01-01") + timedelta(seconds=seconds)
    until = frozen_until(freezes, zone, now)
    if until is not None:
        assert now < until
        assert frozen_until(freezes, zone, until) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no time to freeze"),
        ("weekends", "no time to freeze"),
        ("fry 16:00-mon 08:00", "names no time of the week"),
        ("fri 25:00-mon 08:00", "names no time of the week"),
        ("fri 16:60-mon 08:00", "names no time of the week"),
        ("fri 16:00-fri 16:00", "begins where it ends"),
        ("2026-12-20/soon", "no span of days"),
        ("2026-12-20/2026-12-30/2026-12-31", "no span of days"),
        ("2027-01-02/2026-12-20", "ends before it begins"),
        ("2026-12-20T10:00Z/2027-01-02", "carries a time zone"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_text(text, said):
    with pytest.raises(ValueError, match=said) as refused:
        parse_freeze(text)
    assert repr(text) in str(refused.value)


def test_a_zone_that_does_not_exist_is_refused():
    for name in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(ValueError, match="no time zone"):
            parse_zone(name)


def test_freezes_that_leave_no_minute_free_never_end():
    assert not never_ends([WEEKEND, parse_freeze("mon 08:00-fri 15:59")])
    assert never_ends([WEEKEND, parse_freeze("mon 08:00-fri 16:00")])
    assert not never_ends([HOLIDAYS])


def test_the_end_of_a_day_may_be_written_as_24():
    assert frozen_until([parse_freeze("sat 00:00-sun 24:00")], ZULU, at("2026-01-04T23:00")) == at("2026-01-05T00:00")
