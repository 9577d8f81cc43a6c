"""Monitors: each closed window of a champion's traffic is judged once; what is wrong becomes a finding and an alert."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from loopwright.bundle.records import REFERENCE, Reference
from loopwright.core.clock import Clock, parse_duration
from loopwright.core.codec import from_json, to_plain
from loopwright.core.decision import Reason, decide
from loopwright.core.event import Event
from loopwright.core.ids import derived_id
from loopwright.declare import Declaration
from loopwright.errors import BundleError, NotFoundError
from loopwright.monitoring.alerting import Alerting
from loopwright.monitoring.alerts import close_pointless, restless, settle, settle_findings, was_counted
from loopwright.monitoring.columns import choose_basis, compare_columns, is_seasonal
from loopwright.monitoring.incidents import rollout_signal, run_signal
from loopwright.monitoring.records import Alert, ColumnDrift, Finding, FindingKind
from loopwright.monitoring.rules import (
    Verdict,
    judge_capture,
    judge_drift,
    judge_errors,
    judge_latency,
    judge_quality,
    judge_share,
    judge_silence,
    judge_volume,
)
from loopwright.monitoring.silence import Silence
from loopwright.monitoring.store import FINDINGS, WATCHES, finding_of, findings
from loopwright.monitoring.windows import closed_windows, earlier_windows, keep_window, last_closed
from loopwright.policies.alerts import Alerts
from loopwright.policies.retraining import SEASONS, Drift, NewData
from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.rollout.evidence import asked
from loopwright.rollout.service import Rollouts
from loopwright.runs.service import Journal
from loopwright.state.engine import State, insert_once
from loopwright.state.outbox import emit
from loopwright.traffic.summary import WindowSummary

WEEK = SEASONS["week"]

HEALTH_WINDOW = timedelta(minutes=5)
"""How often errors and latency are looked at; the drift's window, where that is shorter."""


class Monitors:
    """What is watched of each model's champion, and what was found."""

    def __init__(self, state: State, storage: Storage, registry: Registry, rollouts: Rollouts, clock: Clock) -> None:
        self.state, self.storage, self.registry, self.rollouts, self.clock = state, storage, registry, rollouts, clock
        self.journal = Journal(state, clock)
        self.alerting = Alerting(state, clock)

    # Asking

    def findings(self, model: str | None = None, *, kind: FindingKind | None = None, limit: int = 50) -> list[Finding]:
        """Findings, newest window first. Drift and quality: one a window; errors and latency: only what was wrong."""
        return findings(self.state, model=model, kind=kind, limit=limit)

    def finding(self, finding_id: str) -> Finding:
        """Raises `NotFoundError`."""
        with self.state.read() as connection:
            row = connection.execute(select(FINDINGS).where(FINDINGS.c.id == finding_id)).mappings().first()
        if row is None:
            raise NotFoundError(f"there is no finding {finding_id}", remedy="`loopwright monitor findings` shows them")
        return finding_of(row)

    def alerts(self, model: str | None = None, *, open_only: bool = False, limit: int = 50) -> list[Alert]:
        """Alerts, newest first."""
        return self.alerting.alerts(model, open_only=open_only, limit=limit)

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

    # Watching

    def tick(
        self, declarations: Mapping[str, Declaration], look_at_source: Callable[[Declaration], str] | None = None
    ) -> list[Finding]:
        """Judge every window that has closed since the last time; the new findings.

        `look_at_source` gives the digest of a source as it stands, to see when new rows have not come for too long.
        One model's trouble does not keep the others from their turn; the first trouble is raised at the end.
        """
        found: list[Finding] = []
        troubles: list[Exception] = []
        for model, declaration in declarations.items():
            try:
                found += self._watch_traffic(model, declaration)
                if look_at_source is not None and any(isinstance(one, NewData) for one in declaration.retrain):
                    found += self._watch_source(model, declaration, look_at_source(declaration))
                self._watch_alerts(model, declaration.alerts)
            except Exception as trouble:  # noqa: BLE001 - whatever it is, the others have their turn; it is raised at the end
                troubles.append(trouble)
        if troubles:
            raise troubles[0]
        return found

    # For every watch of this room

    def keep(self, finding: Finding) -> bool:
        """Write the finding down with its event, once; says whether it was new."""
        moments = {name: getattr(finding, name) for name in ("window_start", "window_end", "at")}
        with self.state.write() as connection:
            fresh = insert_once(connection, FINDINGS, to_plain(finding) | moments | {"passed": finding.passed})
            if fresh:
                _emit(connection, finding)
        return fresh

    def recall(self, model: str, watch: str) -> tuple[datetime | None, dict[str, Any]]:
        """How far a watch has looked, and what it remembers."""
        here = (WATCHES.c.model == model) & (WATCHES.c.watch == watch)
        with self.state.read() as connection:
            row = connection.execute(select(WATCHES).where(here)).mappings().first()
        return (row["until"], row["data"]) if row else (None, {})

    def remember(self, model: str, watch: str, until: datetime, data: dict[str, Any]) -> None:
        """Keep how far a watch has looked, unless another process has looked further."""
        here = (WATCHES.c.model == model) & (WATCHES.c.watch == watch)
        values = {"model": model, "watch": watch, "until": until, "data": data}
        with self.state.write() as connection:
            if not insert_once(connection, WATCHES, values):
                connection.execute(WATCHES.update().where(here, WATCHES.c.until < until).values(until=until, data=data))

    def _watch_traffic(self, model: str, declaration: Declaration) -> list[Finding]:
        length = parse_duration(declaration.drift.window)
        found: list[Finding] = []
        for watch, watched in (("drift", length), ("health", min(HEALTH_WINDOW, length))):
            until = last_closed(self.clock.now(), watched)
            since, data = self.recall(model, watch)
            if since is not None and since >= until:
                continue
            champion = self.rollouts.champion(model)
            if champion is None:
                return []
            windows = closed_windows(self.storage, champion, since, until, watched)
            if watch == "drift":
                reference, silence = self.reference(champion), Silence.of(data)
                for start, window, everybody, uneven in windows:
                    silence = silence.ended(start, start + watched)
                    for one in everybody:
                        keep_window(self.storage, one, start, watched)
                    came = asked(everybody)
                    shared = judge_share(uneven)
                    found += self._look_at_columns(
                        champion, reference, window, came, start, watched, declaration, shared
                    )
                found += self._look_for_silence(champion, silence, until, watched)
                data = silence.data()
            else:
                usual = data["latency"] if data.get("version") == champion.number else []
                for start, window, _, _ in windows:
                    kept, usual = self._look_at_answers(champion, window, start, watched, usual)
                    found += kept
                data = {"version": champion.number, "latency": usual}
            self.remember(model, watch, until, data)
        return found

    def _look_at_columns(
        self,
        champion: ModelVersion,
        reference: Reference,
        window: WindowSummary,
        came: int,
        start: datetime,
        length: timedelta,
        declaration: Declaration,
        shared: Verdict | None,
    ) -> list[Finding]:
        """What the champion's window shows; `came` are the requests of all versions in it, whoever shared them.

        Where they were shared unevenly, `shared` says so instead of what the columns show of drift.
        """
        drift = declaration.drift
        basis = choose_basis(reference, self._seasons(champion, start, length, drift), drift)
        columns = compare_columns(basis.reference, window, drift, basis.spread)
        weeks = earlier_windows(self.storage, window.endpoint, start, length, WEEK)
        usual = [asked(windows) for windows in weeks.values()]
        first = shared is None and not findings(
            self.state, model=champion.model, version=champion.number, kind="drift", judged_only=True, limit=1
        )
        drifted = judge_drift(columns, window.rows, drift, basis.reason)
        verdicts: dict[FindingKind, Verdict] = {
            "drift": shared if shared is not None and drifted.judged else drifted,
            "quality": judge_quality(columns, window.rows, drift, first=first),
            "volume": judge_volume(came, usual, drift),
        }
        if verdicts["volume"].decision.passed:
            verdicts["volume"] = replace(verdicts["volume"], judged=True)  # requests came: a silence is over
            if "volume" not in self._ailing(champion.model):
                del verdicts["volume"]
        made = [
            _finding(champion, window, start, length, kind, verdict, columns, self.clock.now())
            for kind, verdict in verdicts.items()
        ]
        return [finding for finding in made if self.keep(finding)]

    def _seasons(self, champion: ModelVersion, start: datetime, length: timedelta, drift: Drift) -> list[WindowSummary]:
        """The version's own traffic at this time of earlier seasons, but for what was unlike the seasons before it."""
        if drift.season is None:
            return []
        failed = findings(
            self.state, model=champion.model, version=champion.number, kind="drift", failed_only=True, limit=1000
        )
        unlike = {one.window_start for one in failed if is_seasonal(one.decision)}
        earlier = earlier_windows(self.storage, champion.model, start, length, SEASONS[drift.season])
        return [
            window
            for moment, windows in earlier.items()
            for window in windows
            if moment not in unlike and window.version == champion.number
        ]

    def _look_for_silence(
        self, champion: ModelVersion, silence: Silence, until: datetime, length: timedelta
    ) -> list[Finding]:
        if silence.last is None or silence.last >= until:
            return []
        verdict = judge_silence("requests", until - silence.last, silence.gaps)
        return self._tell_of("volume", verdict, champion, until - length, length)

    def _watch_source(self, model: str, declaration: Declaration, digest: str) -> list[Finding]:
        """When the source last changed, and whether that is longer ago than it usually is."""
        now, length = self.clock.now(), parse_duration(declaration.drift.window)
        since, data = self.recall(model, "source")
        silence, champion = Silence.of(data), self.rollouts.champion(model)
        if data.get("digest") != digest:
            self.remember(model, "source", now, silence.ended(now, now).data() | {"digest": digest})
            verdict = Verdict(judged=True, decision=decide([Reason(rule="silence", finding="pass", text="rows came")]))
        elif silence.last is not None:
            verdict = judge_silence("rows of the source", now - silence.last, silence.gaps)
        if champion is None or since is None:
            return []
        return self._tell_of("freshness", verdict, champion, last_closed(now, length) - length, length)

    def _tell_of(
        self, kind: FindingKind, verdict: Verdict, champion: ModelVersion, start: datetime, length: timedelta
    ) -> list[Finding]:
        """A finding of what did not come; one that passed is kept only where it ends an alert."""
        if verdict.decision.passed and not (verdict.judged and kind in self._ailing(champion.model)):
            return []
        nothing = WindowSummary(
            endpoint=champion.model,
            revision=0,
            variant="champion",
            version=champion.number,
            start=start,
            seconds=length.total_seconds(),
        )
        made = _finding(champion, nothing, start, length, kind, verdict, (), self.clock.now())
        return [made] if self.keep(made) else []

    def _ailing(self, model: str) -> set[str]:
        """The rules for which a good window is news."""
        return restless(self.state, model)

    def _look_at_answers(
        self, champion: ModelVersion, window: WindowSummary, start: datetime, length: timedelta, usual: list[int]
    ) -> tuple[list[Finding], list[int]]:
        """The findings that are worth keeping, and the usual latencies with the window's, where it was sound."""
        verdicts: dict[FindingKind, Verdict] = {
            "errors": judge_errors(window),
            "latency": judge_latency(window, usual),
            "capture": judge_capture(window),
        }
        ailing = self._ailing(champion.model)
        made = [
            _finding(champion, window, start, length, kind, verdict, (), self.clock.now())
            for kind, verdict in verdicts.items()
            if not verdict.decision.passed or (verdict.judged and kind in ailing)
        ]
        if verdicts["errors"].decision.passed and verdicts["latency"].decision.passed:
            before = usual or [0] * len(window.latency)
            usual = [a + b for a, b in zip(before, window.latency, strict=True)]
        return [finding for finding in made if self.keep(finding)], usual

    def _watch_alerts(self, model: str, alerts: Alerts) -> None:
        """What findings, the last run and the last rollout mean for the model's alerts; the end of pointless ones."""
        settle_findings(self.state, model, alerts)
        runs = self.journal.runs(model=model, statuses=("succeeded", "refused", "failed"), limit=1)
        rollouts = self.rollouts.rollouts(model=model, statuses=("promoted", "aborted"), limit=1)
        for signal in (*map(run_signal, runs), *map(rollout_signal, rollouts)):
            if signal is not None and not was_counted(self.state, signal):
                with self.state.write() as connection:
                    settle(connection, signal, alerts)
        champion = self.rollouts.champion(model)
        close_pointless(self.state, model, alerts, champion.number if champion else None, self.clock.now())


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
