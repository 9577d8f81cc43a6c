"""A tracking store that lives in dictionaries."""

from __future__ import annotations

from loopwright.errors import NotFoundError
from loopwright.ports.tracking import TrackedRun, TrackedVersion


class MemoryTracking:
    """`ports.Tracking` in memory, for tests; `runs` and `versions` show, by our ids, what is recorded."""

    def __init__(self) -> None:
        self.runs: dict[str, TrackedRun] = {}
        self.versions: dict[str, TrackedVersion] = {}
        self._aliases: dict[str, dict[str, str]] = {}

    def record_run(self, run: TrackedRun) -> None:
        if run.parent is not None and run.parent not in self.runs:
            raise NotFoundError(f"run {run.parent} is not recorded", remedy="record it first")
        self.runs[run.id] = run

    def record_version(self, version: TrackedVersion) -> str:
        if version.run not in self.runs:
            raise NotFoundError(f"run {version.run} is not recorded", remedy="record it first")
        self.versions[version.id] = version
        of_model = [kept.id for kept in self.versions.values() if kept.model == version.model]
        return str(of_model.index(version.id) + 1)

    def point_alias(self, model: str, alias: str, version_id: str | None) -> None:
        names = self._aliases.setdefault(model, {})
        if version_id is None:
            names.pop(alias, None)
        elif version_id in self.versions:
            names[alias] = version_id
        else:
            raise NotFoundError(f"version {version_id} of {model} is not recorded", remedy="record it first")

    def aliases(self, model: str) -> dict[str, str]:
        return dict(self._aliases.get(model, {}))
