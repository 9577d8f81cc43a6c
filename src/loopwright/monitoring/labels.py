"""The watch over live quality: each window of the champion's predictions is judged once enough of its labels have come.

Polars is imported here, so the worker calls it and not the doors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.core.clock import parse_duration
from loopwright.core.decision import decide
from loopwright.core.digest import digest_bytes
from loopwright.core.ids import derived_id
from loopwright.declare import Declaration
from loopwright.monitoring.decay import judge_performance, losses_reason, run_length
from loopwright.monitoring.performance import Gauge, by_window, gauge_of, measure
from loopwright.monitoring.records import Finding, Performance
from loopwright.monitoring.rules import Verdict
from loopwright.monitoring.service import Monitors
from loopwright.monitoring.windows import last_closed, window_of
from loopwright.outcomes.lag import share_come
from loopwright.outcomes.ledger import outcome_batches, read_ledger
from loopwright.outcomes.losses import row_losses
from loopwright.outcomes.measured import measure_rows
from loopwright.policies.retraining import Decay
from loopwright.registry.records import ModelVersion
from loopwright.statistics.streaming import EDetector, Usual, usual_losses

WATCH = "performance"
WINDOWS = 30
"""How many windows back labels are waited for, beyond the model's `label_delay`."""

WATCHED = timedelta(days=30)
"""How long predictions must have been watched, beyond `label_delay`, for it to be said that labels have stopped coming;
with short windows as long as they are waited for."""


def watch_performance(monitors: Monitors, declaration: Declaration, *, scratch: Path) -> list[Finding]:
    """Judge the windows for which enough labels have come since the last look; the new findings.

    It looks at most four times a window, and only where outcomes were told or a window closed.
    """
    decay, model, now = declaration.decay, declaration.name, monitors.clock.now()
    length = parse_duration(decay.window)
    looked, memory = monitors.recall(model, WATCH)
    if looked is not None and now - looked < length / 4:
        return []
    champion, until = monitors.rollouts.champion(model), last_closed(now, length)
    if champion is None:
        return []
    if memory.get("version") != champion.number:
        memory = {"version": champion.number}
    horizon = until - WINDOWS * length - parse_duration(declaration.label_delay)
    since = window_of(max(champion.created, horizon), length)
    batches = outcome_batches(monitors.storage, model, since)
    news = digest_bytes("\n".join([until.isoformat(), *batches]).encode())
    found: list[Finding] = []
    if batches and memory.get("news") != news:
        metric = decay.metric or declaration.gate.metric
        gauge = gauge_of(monitors.storage, monitors.registry, model, champion.number, metric, estimates=False)
        wait = min(WINDOWS * length, WATCHED) + parse_duration(declaration.label_delay)
        come = cache(lambda: _come(monitors, model, horizon - length, until, wait, scratch))
        found, memory = _look(monitors, champion, decay, gauge, memory, since, until, scratch, come)
    monitors.remember(model, WATCH, now, memory | {"news": news})
    return found


def _look(
    monitors: Monitors,
    champion: ModelVersion,
    decay: Decay,
    gauge: Gauge,
    memory: dict[str, Any],
    since: datetime,
    until: datetime,
    scratch: Path,
    come: Callable[[], Callable[[timedelta], float] | None],
) -> tuple[list[Finding], dict[str, Any]]:
    length = parse_duration(decay.window)
    judged = {one for one in memory.get("judged", ()) if one >= since.isoformat()}
    first = next(start for start in _starts(since, until, length) if start.isoformat() not in judged)
    rows = read_ledger(monitors.storage, champion.model, first, until, scratch=scratch).get(champion.number)
    found = []
    for start, part in by_window(rows, length) if rows is not None else ():
        if start.isoformat() in judged:
            continue
        window = measure(gauge, champion.number, part, start, start + length)
        verdict = judge_performance(decay, gauge.metric, window, gauge.reference)
        lacking = window.coverage < decay.coverage and window.outcomes >= decay.min_rows
        if lacking and (by_age := come()) is not None:
            age = monitors.clock.now() - window.end
            verdict = judge_performance(decay, gauge.metric, window, gauge.reference, come=by_age(age))
        if not verdict.judged:
            continue
        verdict, memory = _with_losses(decay, gauge, memory, part, window, verdict)
        judged.add(start.isoformat())
        finding = _finding(champion, window, verdict, monitors.clock.now())
        if monitors.keep(finding):
            found.append(finding)
    return found, memory | {"judged": sorted(judged)}


def _come(
    monitors: Monitors, model: str, since: datetime, until: datetime, watched: timedelta, scratch: Path
) -> Callable[[timedelta], float] | None:
    """Of the labels that ever come, what share has by an age: whichever version the prediction was."""
    frames = read_ledger(monitors.storage, model, since, until, scratch=scratch).values()
    return share_come(frames, monitors.clock.now(), watched)


def _starts(since: datetime, until: datetime, length: timedelta) -> list[datetime]:
    """The windows' starts, and `until`, from which on none is waited for."""
    return [since + place * length for place in range(max(0, round((until - since) / length)) + 1)]


def _with_losses(
    decay: Decay, gauge: Gauge, memory: dict[str, Any], rows: pl.DataFrame, window: Performance, verdict: Verdict
) -> tuple[Verdict, dict[str, Any]]:
    """The verdict with what the window's losses add to those before them, and what to remember of both."""
    usual = _usual(gauge)
    if usual is None:
        return verdict, memory
    measured = measure_rows(gauge.manifest, rows)
    losses = row_losses(gauge.manifest.task, measured.scores, measured.truth)
    limit = min(usual.mean * (1 + decay.margin), 0.999)
    detector = EDetector(
        mean=limit, run_length=run_length(decay, window.outcomes), logs=tuple(memory.get("losses", ()))
    )
    detector, place = detector.after(usual.scaled(losses))
    reason = losses_reason(decay, None if place is None else rows["at"][place], limit * usual.cap)
    reasons = verdict.decision.reasons if reason is None else (*verdict.decision.reasons, reason)
    return Verdict(judged=True, decision=decide(reasons)), memory | {"losses": asdict(detector)["logs"]}


def _usual(gauge: Gauge) -> Usual | None:
    if gauge.tested is None:
        return None
    return usual_losses(row_losses(gauge.manifest.task, gauge.tested.scores, gauge.tested.truth))


def _finding(champion: ModelVersion, window: Performance, verdict: Verdict, at: datetime) -> Finding:
    return Finding(
        id=derived_id("finding", champion.id, WATCH, window.start.isoformat(), window.end.isoformat()),
        model=champion.model,
        endpoint=champion.model,
        version=champion.number,
        kind="performance",
        window_start=window.start,
        window_end=window.end,
        rows=window.predictions,
        judged=verdict.judged,
        decision=verdict.decision,
        columns=(),
        at=at,
    )
