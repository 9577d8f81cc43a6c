"""Times in which nothing is to change: hours of the week, or days of the calendar, by a zone's clocks on the wall."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

WEEK = 7 * 24 * 60
"""Minutes of a week."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time in which nothing is to change, as `text` says it: minutes of each week, or one span of local time.

    Both are half open. `weekly` counts from Monday 00:00; where its end is not above its start it goes on into the next
    week.
    """

    text: str
    weekly: tuple[int, int] | None = None
    span: tuple[datetime, datetime] | None = None


def parse_freeze(text: str) -> Freeze:
    """`"fri 16:00-mon 08:00"` each week, or `"2026-12-20/2027-01-02"`: both days included; moments may be given too.

    Raises `ValueError`, naming the text.
    """
    if "/" in text:
        return Freeze(text, span=_span(text))
    found = _WEEKLY.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no time to freeze: write fri 16:00-mon 08:00, or 2026-12-20/2027-01-02")
    start, end = (_minute(text, *found.group(*names)) for names in (("day", "at"), ("last", "until")))
    if start == end % WEEK:
        raise ValueError(f"{text!r} begins where it ends")
    return Freeze(text, weekly=(start, end))


def parse_zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name, such as Europe/Berlin. Raises `ValueError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone: write UTC, or a name such as Europe/Berlin") from None


def never_ends(freezes: Iterable[Freeze]) -> bool:
    """Whether the weekly ones together leave no minute of the week free."""
    minutes = {
        minute % WEEK
        for one in freezes
        if one.weekly is not None
        for minute in range(one.weekly[0], one.weekly[0] + _length(one.weekly))
    }
    return len(minutes) == WEEK


def frozen_until(freezes: Iterable[Freeze], zone: ZoneInfo, now: datetime) -> datetime | None:
    """When the freeze that `now` lies in is over, those that follow on at once counted in; None outside of any."""
    windows, until = tuple(freezes), now
    for _ in range(1 + 2 * len(windows)):
        ends = [end for one in windows if (end := _end(one, zone, until)) is not None]
        if not ends:
            break
        until = max(ends)
    return until if until > now else None


def _end(freeze: Freeze, zone: ZoneInfo, now: datetime) -> datetime | None:
    """When this freeze is over, in UTC, if `now` lies in it."""
    local = now.astimezone(zone).replace(tzinfo=None)
    if freeze.span is not None:
        return _moment(freeze.span[1], zone, now) if freeze.span[0] <= local < freeze.span[1] else None
    assert freeze.weekly is not None
    minute = local.replace(second=0, microsecond=0)
    passed = (local.weekday() * 24 * 60 + local.hour * 60 + local.minute - freeze.weekly[0]) % WEEK
    left = _length(freeze.weekly) - passed
    return _moment(minute + timedelta(minutes=left), zone, now) if left > 0 else None


def _moment(local: datetime, zone: ZoneInfo, after: datetime) -> datetime:
    """The local time as a moment of UTC; where clocks show it twice, the first that lies after `after`."""
    first = local.replace(tzinfo=zone).astimezone(UTC)
    return first if first > after else local.replace(tzinfo=zone, fold=1).astimezone(UTC)


def _length(weekly: tuple[int, int]) -> int:
    return (weekly[1] - weekly[0]) % WEEK


def _minute(text: str, day: str, at: str) -> int:
    hour, minute = map(int, at.split(":"))
    if day not in DAYS or hour * 60 + minute > 24 * 60 or minute > 59:
        raise ValueError(f"{text!r} names no time of the week: days are {', '.join(DAYS)}, hours 00:00 to 24:00")
    return (DAYS.index(day) * 24 * 60 + hour * 60 + minute) % WEEK


def _span(text: str) -> tuple[datetime, datetime]:
    try:
        written = [part.strip() for part in text.split("/")]
        start, end = (datetime.fromisoformat(part) for part in written)
    except ValueError:
        raise ValueError(f"{text!r} is no span of days: write 2026-12-20/2027-01-02") from None
    if start.tzinfo or end.tzinfo:
        raise ValueError(f"{text!r} carries a time zone: leave it out, and name it once as zone=")
    if end.year == MAXYEAR:
        raise ValueError(f"{text!r} has no end; with retrain=() nothing is ever retrained")
    if len(written[1]) == len("2027-01-02"):
        end = datetime.combine(end.date() + timedelta(days=1), time())
    if end <= start:
        raise ValueError(f"{text!r} ends before it begins")
    return start, end


_WEEKLY = re.compile(r"(?P<day>[a-z]{3}) (?P<at>\d{1,2}:\d{2}) ?[-–] ?(?P<last>[a-z]{3}) (?P<until>\d{1,2}:\d{2})")
