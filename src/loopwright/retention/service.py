"""Retention at work: everything is looked up, the rule decides, and what may go is removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from loopwright.core.clock import Clock
from loopwright.core.codec import from_json, to_json
from loopwright.data.records import DatasetVersion
from loopwright.errors import NotFoundError
from loopwright.ports.storage import Storage
from loopwright.registry.service import Registry
from loopwright.retention.records import Holdings, RunUse, Sweep
from loopwright.retention.rules import judge
from loopwright.rollout import ledger
from loopwright.rollout.service import Rollouts
from loopwright.runs.store import RUNS, STAGES
from loopwright.state.engine import State

NOTES = "retention.json"
"""The object in which a sweep leaves word for the next."""

EVERY = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Notes:
    """When the last sweep was, and since when objects are needed by nothing known."""

    at: datetime
    unneeded_since: dict[str, datetime] = field(default_factory=dict)


class Retention:
    """Removes from the store what nothing needs any more."""

    def __init__(
        self,
        state: State,
        storage: Storage,
        registry: Registry,
        rollouts: Rollouts,
        clock: Clock,
        *,
        keep_days: float,
        keep_versions: int,
    ) -> None:
        self.state, self.storage, self.registry, self.rollouts, self.clock = state, storage, registry, rollouts, clock
        self.keep_days, self.keep_versions = keep_days, keep_versions

    def tick(self) -> Sweep | None:
        """Sweep, unless that was done within the hour."""
        notes = self._notes()
        if notes is not None and self.clock.now() - notes.at < EVERY:
            return None
        return self.sweep()

    def sweep(self, *, dry_run: bool = False) -> Sweep:
        """Remove what may go; with `dry_run` only say what would. Raises `StorageError` and `StateError`."""
        held = self.holdings()
        verdict = judge(held)
        if not dry_run:
            for key in verdict.remove:
                self.storage.delete(key)
            notes = _Notes(at=held.now, unneeded_since=verdict.unneeded_since)
            self.storage.put(NOTES, to_json(notes))
        return Sweep(
            at=held.now,
            removed=dict(sorted(Counter(key.split("/")[0] for key in verdict.remove).items())),
            waiting=len(verdict.unneeded_since),
            dry_run=dry_run,
        )

    def holdings(self) -> Holdings:
        """All that is held. Keys are listed first: what comes into being meanwhile is not among them."""
        keys = tuple(self.storage.list(""))
        notes = self._notes()
        endpoints = ledger.endpoints(self.storage)
        under_way = self.rollouts.rollouts(statuses=("running", "awaiting_approval"), limit=1000)
        return Holdings(
            now=self.clock.now(),
            keep_days=self.keep_days,
            keep_versions=self.keep_versions,
            keys=keys,
            versions=tuple(self.registry.versions()),
            chains=tuple(tuple(ledger.chain(self.storage, name)) for name in endpoints),
            rolling=frozenset((one.model, one.version) for one in under_way),
            runs=tuple(self._runs()),
            parts={key: self._parts(key) for key in keys if key.startswith("datasets/") and "/versions/" in key},
            unneeded_since=notes.unneeded_since if notes else {},
        )

    def _runs(self) -> Iterator[RunUse]:
        used: dict[str, list[str]] = {}
        looked_at = STAGES.c.name.in_(("code_version", "dataset_version", "validation_report"))
        with self.state.read() as connection:
            runs = connection.execute(select(RUNS.c.id, RUNS.c.model, RUNS.c.finished, RUNS.c.data)).all()
            query = select(STAGES.c.run, STAGES.c.name, STAGES.c.result).where(looked_at)
            for run, name, result in connection.execute(query):
                used.setdefault(run, []).extend(_used(name, result) if result else ())
        for run, model, finished, data in runs:
            brought = [data["imported"]["folder"]] if "imported" in data else []
            yield RunUse(id=run, model=model, ended=finished, used=(*used.get(run, ()), *brought))

    def _parts(self, key: str) -> tuple[str, ...]:
        return tuple(part.key for part in from_json(self.storage.get(key), DatasetVersion).parts)

    def _notes(self) -> _Notes | None:
        try:
            return from_json(self.storage.get(NOTES), _Notes)
        except NotFoundError:
            return None


def _used(stage: str, result: dict[str, object]) -> Iterator[str]:
    """The objects that a stage's result names."""
    if stage == "code_version":
        yield str(result["key"])
    elif stage == "dataset_version":
        yield _version_key(result)
    else:
        accepted = result["accepted"]
        assert isinstance(accepted, dict)
        yield _version_key(accepted)
        if result.get("quarantine"):
            yield str(result["quarantine"])


def _version_key(version: dict[str, object]) -> str:
    return f"datasets/{version['dataset']}/versions/{version['digest']}.json"
