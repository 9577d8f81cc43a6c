"""What a simulation shows: pure functions from what happened to how well it was met."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from loopwright.simulation.records import Change, Day, Scenario

RECOVERED = 1.1
"""The loop has recovered when its error, beside the oracle's, is at most so many times what it was in the days before
the change; a change that never makes it more than that does no harm."""

STEADY_DAYS = 2
"""So many days in a row make a day's error more than chance."""

BEFORE_DAYS = 7
"""The days before a change that say what was usual."""

GRACE_DAYS = 2.0
"""For so long after a disturbance is over an alarm may still be about it: windows of a day, judged when they close."""


def changes(scenario: Scenario, days: int) -> list[tuple[float, float, str]]:
    """When the world changes, when that change is complete, and what it is, in order. Going back is a change too."""
    found: list[tuple[float, float, str]] = []
    for drift in scenario.drift:
        what = "other rows come" if drift.kind == "covariate" else "the same rows come to something else"
        began = drift.at
        while began < days:
            found.append((began, began + drift.over, what))
            if drift.lasts is not None and began + drift.lasts < days:
                found.append((began + drift.lasts, began + drift.lasts, f"it is over that {what}"))
            began = began + drift.every if drift.every is not None else math.inf
    return sorted(found)


def meet(
    happened: Sequence[tuple[float, float, str]], days: Sequence[Day], alarms: Sequence[float]
) -> tuple[Change, ...]:
    """How the loop met each change: `alarms` are the days on which something was found amiss, in order."""
    ends = [*(one[0] for one in happened[1:]), math.inf]
    made = []
    for (began, complete, text), end in zip(happened, ends[: len(happened)], strict=True):
        detected = next((one - began for one in alarms if began < one <= end), None)
        harm, recovered = recovery(days, began, complete, end)
        made.append(Change(day=began, text=text, detected=detected, harm=harm, recovered=recovered))
    return tuple(made)


def recovery(days: Sequence[Day], began: float, complete: float, end: float) -> tuple[bool, float | None]:
    """Whether the loop's error rose after `began`, and after how many days it was down again for good measure."""
    known = [(one.day, one.loop / one.oracle) for one in days if one.loop is not None and one.oracle]
    before = [ratio for day, ratio in known if began - BEFORE_DAYS <= day < math.floor(began)]
    usual = max(1.0, sum(before) / len(before)) if before else 1.0
    after = [(day, ratio > RECOVERED * usual) for day, ratio in known if began <= day < end]
    first = _steady(after, bad=True)
    if first is None:
        return False, 0.0
    again = _steady([one for one in after if one[0] > max(first, complete)], bad=False)
    return True, None if again is None else again - began


def disturbed(scenario: Scenario, met: Iterable[Change], days: int) -> list[tuple[float, float]]:
    """The spans of days on which an alarm is no false one: something is wrong, or the loop has not recovered from it.

    A change that is never recovered from, or that nobody acted upon, is reason enough for alarms to the end.
    """
    late = scenario.labels.delay + GRACE_DAYS
    spans = [(one.day, one.day + one.recovered + late if one.harm and one.recovered else float(days)) for one in met]
    for at, lasts in episodes(scenario):
        spans.append((at, float(days) if lasts is None else at + lasts + late))
    return [(began, min(ended, float(days))) for began, ended in spans if began < days]


def episodes(scenario: Scenario) -> list[tuple[float, float | None]]:
    """When something is amiss beside the drifts, and for how long (None: for good)."""
    outages = [(one.at, one.lasts) for one in scenario.outage]
    batches = [(one.at, one.lasts) for one in scenario.bad_batch]
    return [*outages, *batches, *((one.at, one.lasts) for one in scenario.bad_training)]


def false_alarms(opened: Iterable[float], spans: Sequence[tuple[float, float]]) -> int:
    """How many alarms began outside all spans."""
    return sum(not any(began <= one <= ended for began, ended in spans) for one in opened)


def quiet_days(spans: Sequence[tuple[float, float]], days: int) -> float:
    """How many of the days lie outside all spans."""
    quiet, until = 0.0, 0.0
    for began, ended in sorted(spans):
        quiet += max(0.0, began - until)
        until = max(until, ended)
    return quiet + max(0.0, days - until)


def _steady(days: Sequence[tuple[int, bool]], *, bad: bool) -> int | None:
    """The first of so many days in a row that are alike."""
    run: list[int] = []
    for day, is_bad in days:
        run = [*run, day] if is_bad == bad else []
        if len(run) == STEADY_DAYS:
            return run[0]
    return None
