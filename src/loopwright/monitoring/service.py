"""Monitors: each closed window of a champion's traffic is judged once; what is wrong becomes a finding and an alert."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from loopwright.bundle.records import REFERENCE, Reference
from loopwright.core.clock import Clock, parse_duration
from loopwright.core.codec import from_json, to_plain
from loopwright.core.event import Event
from loopwright.core.ids import derived_id
from loopwright.declare import Declaration
from loopwright.errors import BundleError, LoopwrightError, NotFoundError
from loopwright.monitoring.alerts import settle, tell_alerts
from loopwright.monitoring.incidents import News, finding_news, rollout_news, run_news
from loopwright.monitoring.records import Alert, AlertRule, ColumnDrift, Finding, FindingKind
from loopwright.monitoring.rules import (
    Verdict,
    compare_columns,
    judge_drift,
    judge_errors,
    judge_latency,
    judge_quality,
)
from loopwright.monitoring.store import ALERTS, FINDINGS, WATCHES, alert_of, findings
from loopwright.monitoring.windows import closed_windows, last_closed
from loopwright.ports.notifier import Notifier
from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.rollout.service import Rollouts
from loopwright.runs.service import Journal
from loopwright.state.engine import State, insert_once
from loopwright.state.outbox import emit
from loopwright.traffic.summary import WindowSummary

HEALTH_WINDOW = timedelta(minutes=5)
"""How often errors and latency are looked at; the drift's window, where that is shorter."""


class Monitors:
    """What is watched of each model's champion, and what was found."""

    def __init__(self, state: State, storage: Storage, registry: Registry, rollouts: Rollouts, clock: Clock) -> None:
        self.state, self.storage, self.registry, self.rollouts, self.clock = state, storage, registry, rollouts, clock
        self.journal = Journal(state, clock)

    # Asking

    def findings(self, model: str | None = None, *, kind: FindingKind | None = None, limit: int = 50) -> list[Finding]:
        """Findings, newest window first. Drift and quality: one a window; errors and latency: only what was wrong."""
        return findings(self.state, model=model, kind=kind, limit=limit)

    def alerts(self, model: str | None = None, *, open_only: bool = False, limit: int = 50) -> list[Alert]:
        """Alerts, newest first."""
        query = select(ALERTS).order_by(ALERTS.c.opened.desc(), ALERTS.c.id.desc()).limit(limit)
        if model is not None:
            query = query.where(ALERTS.c.model == model)
        if open_only:
            query = query.where(ALERTS.c.closed.is_(None))
        with self.state.read() as connection:
            return [alert_of(row) for row in connection.execute(query).mappings()]

    def reference(self, version: ModelVersion) -> Reference:
        """The evaluation rows in counts, from the version's bundle; empty where it brought none.

        Raises `BundleError`.
        """
        key = f"{version.folder}/{REFERENCE}"
        try:
            return from_json(self.storage.get(key), Reference)
        except NotFoundError:
            return Reference(rows=0, columns=())
        except ValueError as error:
            raise BundleError(f"{key} is no reference: {error}", remedy="the bundle was changed; run again") from error

    # Telling

    def tell(self, notifier: Notifier) -> int:
        """Send the notices of alerts that `notifier` has not had; how many. Raises what the notifier raises."""
        return tell_alerts(self.state, notifier, self.clock.now())

    # Watching

    def tick(self, declarations: Mapping[str, Declaration]) -> list[Finding]:
        """Judge every window that has closed since the last time; the new findings.

        One model's trouble does not keep the others from their turn; the first trouble is raised at the end.
        """
        found: list[Finding] = []
        troubles: list[LoopwrightError] = []
        for model, declaration in declarations.items():
            try:
                found += self._watch_traffic(model, declaration)
                self._watch_records(model)
            except LoopwrightError as trouble:
                troubles.append(trouble)
        if troubles:
            raise troubles[0]
        return found

    def _watch_traffic(self, model: str, declaration: Declaration) -> list[Finding]:
        length = parse_duration(declaration.drift.window)
        found: list[Finding] = []
        for watch, watched in (("drift", length), ("health", min(HEALTH_WINDOW, length))):
            until = last_closed(self.clock.now(), watched)
            since, data = self._watch(model, watch)
            if since is not None and since >= until:
                continue
            champion = self.rollouts.champion(model)
            if champion is None:
                return []
            windows = closed_windows(self.storage, champion, since, until, watched)
            if watch == "drift":
                reference = self.reference(champion)
                for start, window in windows:
                    found += self._look_at_columns(champion, reference, window, start, watched, declaration)
            else:
                usual = data["latency"] if data.get("version") == champion.number else []
                for start, window in windows:
                    kept, usual = self._look_at_answers(champion, window, start, watched, usual)
                    found += kept
                data = {"version": champion.number, "latency": usual}
            self._watched(model, watch, until, data)
        return found

    def _look_at_columns(
        self,
        champion: ModelVersion,
        reference: Reference,
        window: WindowSummary,
        start: datetime,
        length: timedelta,
        declaration: Declaration,
    ) -> list[Finding]:
        drift = declaration.drift
        columns = compare_columns(reference, window, drift)
        verdicts: dict[FindingKind, Verdict] = {
            "drift": judge_drift(columns, window.rows, drift),
            "quality": judge_quality(columns, window.rows, drift),
        }
        made = [
            _finding(champion, window, start, length, kind, verdict, columns, self.clock.now())
            for kind, verdict in verdicts.items()
        ]
        return [finding for finding in made if self._keep(finding)]

    def _look_at_answers(
        self, champion: ModelVersion, window: WindowSummary, start: datetime, length: timedelta, usual: list[int]
    ) -> tuple[list[Finding], list[int]]:
        """The findings that are worth keeping, and the usual latencies with the window's, where it was sound."""
        verdicts: dict[FindingKind, Verdict] = {
            "errors": judge_errors(window),
            "latency": judge_latency(window, usual),
        }
        ailing = {alert.rule for alert in self.alerts(champion.model, open_only=True)}
        made = [
            _finding(champion, window, start, length, kind, verdict, (), self.clock.now())
            for kind, verdict in verdicts.items()
            if not verdict.decision.passed or (verdict.judged and kind in ailing)
        ]
        if all(verdict.decision.passed for verdict in verdicts.values()):
            before = usual or [0] * len(window.latency)
            usual = [a + b for a, b in zip(before, window.latency, strict=True)]
        return [finding for finding in made if self._keep(finding)], usual

    def _watch_records(self, model: str) -> None:
        """Alerts on what the journal and the rollouts say, and the end of those about a version no longer in charge."""
        news: dict[AlertRule, News] = {}
        for run in self.journal.runs(model=model, statuses=("succeeded", "refused", "failed"), limit=1):
            news["run"] = run_news(run)
        for rollout in self.rollouts.rollouts(model=model, statuses=("promoted", "aborted"), limit=1):
            news["rollout"] = rollout_news(rollout)
        ailing = {alert.rule: alert for alert in self.alerts(model, open_only=True)}
        news |= self._overtaken(model, [alert for alert in ailing.values() if alert.version is not None])
        for rule, said in news.items():
            if said is not None and isinstance(said, str) == (rule in ailing):
                with self.state.write() as connection:
                    settle(connection, model, rule, said, self.clock.now())

    def _overtaken(self, model: str, alerts: list[Alert]) -> dict[AlertRule, News]:
        champion = self.rollouts.champion(model) if alerts else None
        return {
            alert.rule: f"version {champion.number} has taken over from version {alert.version}"
            for alert in alerts
            if champion is not None and champion.number != alert.version
        }

    def _keep(self, finding: Finding) -> bool:
        """Write the finding down with its event and its alert, once; says whether it was new."""
        moments = {name: getattr(finding, name) for name in ("window_start", "window_end", "at")}
        with self.state.write() as connection:
            fresh = insert_once(connection, FINDINGS, to_plain(finding) | moments | {"passed": finding.passed})
            if fresh:
                _emit(connection, finding)
                settle(connection, finding.model, finding.kind, finding_news(finding), finding.at)
        return fresh

    def _watch(self, model: str, watch: str) -> tuple[datetime | None, dict[str, Any]]:
        here = (WATCHES.c.model == model) & (WATCHES.c.watch == watch)
        with self.state.read() as connection:
            row = connection.execute(select(WATCHES).where(here)).mappings().first()
        return (row["until"], row["data"]) if row else (None, {})

    def _watched(self, model: str, watch: str, until: datetime, data: dict[str, Any]) -> None:
        here = (WATCHES.c.model == model) & (WATCHES.c.watch == watch)
        values = {"model": model, "watch": watch, "until": until, "data": data}
        with self.state.write() as connection:
            if not insert_once(connection, WATCHES, values):
                connection.execute(WATCHES.update().where(here, WATCHES.c.until < until).values(until=until, data=data))


def _finding(
    champion: ModelVersion,
    window: WindowSummary,
    start: datetime,
    length: timedelta,
    kind: FindingKind,
    verdict: Verdict,
    columns: tuple[ColumnDrift, ...],
    at: datetime,
) -> Finding:
    end = start + length
    return Finding(
        id=derived_id("finding", champion.id, kind, start.isoformat(), end.isoformat()),
        model=champion.model,
        endpoint=window.endpoint,
        version=champion.number,
        kind=kind,
        window_start=start,
        window_end=end,
        rows=window.rows,
        judged=verdict.judged,
        decision=verdict.decision,
        columns=columns,
        at=at,
    )


def _emit(connection: Connection, finding: Finding) -> None:
    event = Event(
        id=derived_id("event", finding.id),
        kind=f"finding.{'passed' if finding.passed else 'failed'}",
        subject=finding.id,
        model=finding.model,
        at=finding.at,
        data={"kind": finding.kind, "version": finding.version, "reason": finding.decision.because()},
    )
    emit(connection, event)
