"""What a source holds now, looked at often and cheaply: has anything come that nobody has seen?"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from loopwright.core.clock import Clock
from loopwright.core.digest import digest_all
from loopwright.data.records import DatasetVersion
from loopwright.data.snapshot import load_rows, snapshot
from loopwright.data.sources import is_query, list_source
from loopwright.declare import Declaration
from loopwright.ports.storage import Storage

QUERY_EVERY = timedelta(minutes=1)
"""A SQL source shows nothing from outside, so it is run again, but not at every tick."""


class SourceWatch:
    """Looks at sources; one that has not changed is not read again."""

    def __init__(self, root: Path, storage: Storage, scratch: Path, clock: Clock) -> None:
        self.root, self.storage, self.scratch, self.clock = root, storage, scratch, clock
        self._seen: dict[str, tuple[str, datetime, DatasetVersion, str | None]] = {}

    def look(self, declaration: Declaration) -> tuple[DatasetVersion, str | None]:
        """The source's rows as a dataset version, and the newest value of its time column that has a label.

        Raises `SourceError`.
        """
        now, mark = self.clock.now(), self._mark(declaration)
        seen = self._seen.get(declaration.name)
        if seen is not None and seen[0] == mark and (mark or now - seen[1] < QUERY_EVERY):
            return seen[2], seen[3]
        version = snapshot(
            name=declaration.name,
            source=declaration.source,
            root=self.root,
            storage=self.storage,
            scratch=self.scratch,
        )
        newest = self._newest(declaration, version)
        self._seen[declaration.name] = (mark, now, version, newest)
        return version, newest

    def _mark(self, declaration: Declaration) -> str:
        """What changes when the source's files do; empty for a query."""
        if is_query(declaration.source):
            return ""
        marks = []
        for file in list_source(declaration.source, self.root):
            mark = file.mark
            if mark is None:
                facts = file.bring(self.scratch).stat()
                mark = f"{facts.st_size}:{facts.st_mtime_ns}"
            marks.append(f"{file.origin}:{mark}")
        return digest_all(marks)

    def _newest(self, declaration: Declaration, version: DatasetVersion) -> str | None:
        if declaration.time is None or declaration.time not in version.kinds:
            return None
        rows = load_rows(version, self.storage, self.scratch)
        if declaration.target in version.kinds:
            rows = rows.filter(pl.col(declaration.target).is_not_null())
        value = rows.select(pl.col(declaration.time).max()).collect().item()
        return value.isoformat() if hasattr(value, "isoformat") else (None if value is None else str(value))
