"""Monitors: each closed window of a champion's traffic is judged once; what is wrong becomes a finding and an alert."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.engine import Connection

from loopwright.bundle.records import REFERENCE, Reference
from loopwright.core.clock import Clock, parse_duration
from loopwright.core.codec import from_json, to_plain
from loopwright.core.event import Event
from loopwright.core.ids import derived_id
from loopwright.declare import Declaration
from loopwright.errors import LoopwrightError, NotFoundError
from loopwright.monitoring.alerts import close_alert, incident, raise_alert, tell_alerts
from loopwright.monitoring.records import Alert, Finding, FindingKind
from loopwright.monitoring.rules import compare_columns, judge_drift, severity
from loopwright.monitoring.store import ALERTS, FINDINGS, WATCHES, alert_of, findings
from loopwright.ports.notifier import Notifier
from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.rollout.evidence import summaries
from loopwright.rollout.service import Rollouts
from loopwright.state.engine import State, insert_once
from loopwright.state.outbox import emit
from loopwright.traffic.summary import WindowSummary, merge

LATE = timedelta(minutes=2)
"""How long after its end a window waits for summaries that come late; a quarter of the window, where that is less."""


class Monitors:
    """What is watched of each model's champion, and what was found."""

    def __init__(self, state: State, storage: Storage, registry: Registry, rollouts: Rollouts, clock: Clock) -> None:
        self.state, self.storage, self.registry, self.rollouts, self.clock = state, storage, registry, rollouts, clock

    # Asking

    def findings(self, model: str | None = None, limit: int = 50) -> list[Finding]:
        """Findings, newest window first."""
        return findings(self.state, model=model, limit=limit)

    def alerts(self, model: str | None = None, *, open_only: bool = False, limit: int = 50) -> list[Alert]:
        """Alerts, newest first."""
        query = select(ALERTS).order_by(ALERTS.c.opened.desc(), ALERTS.c.id.desc()).limit(limit)
        if model is not None:
            query = query.where(ALERTS.c.model == model)
        if open_only:
            query = query.where(ALERTS.c.closed.is_(None))
        with self.state.read() as connection:
            return [alert_of(row) for row in connection.execute(query).mappings()]

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
                found += self._watch_drift(model, declaration)
            except LoopwrightError as trouble:
                troubles.append(trouble)
        if troubles:
            raise troubles[0]
        return found

    def _watch_drift(self, model: str, declaration: Declaration) -> list[Finding]:
        length = parse_duration(declaration.drift.window)
        until = _last_closed(self.clock.now(), length)
        since = self._looked_until(model, "drift")
        if since is not None and since >= until:
            return []
        champion = self.rollouts.champion(model)
        if champion is None:
            return []
        reference = self._reference(champion)
        found = []
        for start, window in self._windows(champion, since, until, length):
            finding = _drift_finding(champion, reference, window, start, start + length, declaration, self.clock.now())
            if self._keep(finding):
                found.append(finding)
        self._look_until(model, "drift", until)
        return found

    def _windows(
        self, champion: ModelVersion, since: datetime | None, until: datetime, length: timedelta
    ) -> Iterator[tuple[datetime, WindowSummary]]:
        """The champion's traffic, a merged summary for each window in which there was any."""
        first = max(champion.created, since) if since else champion.created
        by_start: dict[datetime, list[WindowSummary]] = {}
        for one in summaries(self.storage, champion.model, _floor(first, length), until):
            if one.version == champion.number:
                by_start.setdefault(_floor(one.start, length), []).append(one)
        for start, parts in sorted(by_start.items()):
            merged = merge(parts)
            if merged is not None:
                yield start, merged

    def _reference(self, version: ModelVersion) -> Reference:
        try:
            return from_json(self.storage.get(f"{version.folder}/{REFERENCE}"), Reference)
        except NotFoundError:
            return Reference(rows=0, columns=())

    def _keep(self, finding: Finding) -> bool:
        """Write the finding down, once, and say so."""
        values = to_plain(finding) | {
            "passed": finding.passed,
            "window_start": finding.window_start,
            "window_end": finding.window_end,
            "at": finding.at,
        }
        with self.state.write() as connection:
            fresh = insert_once(connection, FINDINGS, values)
            if fresh:
                self._tell(connection, finding)
                self._settle(connection, finding)
        return fresh

    def _settle(self, connection: Connection, finding: Finding) -> None:
        """Open the alert of the finding's kind, or close it."""
        text = finding.decision.because()
        if not finding.passed:
            title = f"{finding.model}: {finding.kind} in version {finding.version}"
            alert = incident(
                finding.model, finding.kind, severity(finding), title, text, evidence=finding.id, at=finding.at
            )
            raise_alert(connection, alert)
        elif finding.judged:
            close_alert(connection, finding.model, finding.kind, finding.at, text)

    def _tell(self, connection: Connection, finding: Finding) -> None:
        event = Event(
            id=derived_id("event", finding.id),
            kind=f"finding.{'passed' if finding.passed else 'failed'}",
            subject=finding.id,
            model=finding.model,
            at=self.clock.now(),
            data={"kind": finding.kind, "version": finding.version, "reason": finding.decision.because()},
        )
        emit(connection, event)

    def _looked_until(self, model: str, watch: str) -> datetime | None:
        here = (WATCHES.c.model == model) & (WATCHES.c.watch == watch)
        with self.state.read() as connection:
            until: datetime | None = connection.execute(select(WATCHES.c.until).where(here)).scalar()
        return until

    def _look_until(self, model: str, watch: str, until: datetime) -> None:
        here = (WATCHES.c.model == model) & (WATCHES.c.watch == watch)
        with self.state.write() as connection:
            if not insert_once(connection, WATCHES, {"model": model, "watch": watch, "until": until}):
                connection.execute(WATCHES.update().where(here, WATCHES.c.until < until).values(until=until))


def _drift_finding(
    champion: ModelVersion,
    reference: Reference,
    window: WindowSummary,
    start: datetime,
    end: datetime,
    declaration: Declaration,
    at: datetime,
) -> Finding:
    columns = compare_columns(reference, window, declaration.drift)
    verdict = judge_drift(columns, window.rows, declaration.drift)
    kind: FindingKind = "drift"
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


def _last_closed(now: datetime, length: timedelta) -> datetime:
    return _floor(now - min(LATE, length / 4), length)


def _floor(moment: datetime, length: timedelta) -> datetime:
    seconds = length.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)
