"""The registry: give numbers to what passed its gate, and answer which versions there are."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import func, select

from loopwright.core.clock import Clock
from loopwright.core.codec import to_plain
from loopwright.core.event import Event
from loopwright.core.ids import derived_id
from loopwright.errors import NotFoundError
from loopwright.registry.records import ModelVersion
from loopwright.registry.store import VERSIONS, version_of
from loopwright.state.engine import State, insert_once, take_turns
from loopwright.state.outbox import emit


class Registry:
    """Model versions by model and number. Aliases are not kept here: endpoint revisions say who is champion."""

    def __init__(self, state: State, clock: Clock) -> None:
        self.state, self.clock = state, clock

    def register(self, version: ModelVersion) -> ModelVersion:
        """Keep the version under the next number (`version.number` is not read); an id that is there is given back."""
        with self.state.write() as connection:
            take_turns(connection, "register")
            highest = select(func.max(VERSIONS.c.number)).where(VERSIONS.c.model == version.model)
            number = (connection.execute(highest).scalar() or 0) + 1
            numbered = replace(version, number=number)
            if insert_once(connection, VERSIONS, to_plain(numbered) | {"created": version.created}):
                event = Event(
                    id=derived_id("event", version.id, "registered"),
                    kind="version.registered",
                    subject=version.id,
                    model=version.model,
                    at=self.clock.now(),
                    data={"number": number, "run": version.run},
                )
                emit(connection, event)
        return self.by_id(version.id)

    def by_id(self, version_id: str) -> ModelVersion:
        """Raises `NotFoundError`."""
        found = self._first(VERSIONS.c.id == version_id)
        if found is None:
            raise NotFoundError(f"there is no version {version_id}", remedy="`loopwright models` lists them")
        return found

    def get(self, model: str, number: int) -> ModelVersion:
        """Raises `NotFoundError` that says which numbers there are."""
        found = self._first((VERSIONS.c.model == model) & (VERSIONS.c.number == number))
        if found is None:
            have = ", ".join(str(version.number) for version in self.versions(model)) or "none"
            raise NotFoundError(f"{model} has no version {number}", remedy=f"it has: {have}")
        return found

    def versions(self, model: str | None = None) -> list[ModelVersion]:
        """Versions, newest first."""
        query = select(VERSIONS).order_by(VERSIONS.c.model, VERSIONS.c.number.desc())
        if model is not None:
            query = query.where(VERSIONS.c.model == model)
        with self.state.read() as connection:
            return [version_of(row) for row in connection.execute(query).mappings()]

    def _first(self, condition: object) -> ModelVersion | None:
        with self.state.read() as connection:
            row = connection.execute(select(VERSIONS).where(condition)).mappings().first()  # type: ignore[arg-type]
        return version_of(row) if row is not None else None
