"""Good rows from bad: a version without its bad rows, and these in quarantine with why each is bad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from loopwright.core.codec import to_json
from loopwright.core.digest import digest_all, digest_bytes
from loopwright.data.checks import DUPLICATE, Check
from loopwright.data.records import ColumnKind, DatasetVersion, Part
from loopwright.data.snapshot import make_version, part_key, version_key
from loopwright.ports.storage import Storage


@dataclass(frozen=True, kw_only=True, slots=True)
class Sorter:
    """The rows of `version`, as its `parts`, sorted by whether they break one of `checks`. `folder` is for scratch."""

    version: DatasetVersion
    parts: Sequence[pl.LazyFrame]
    checks: Sequence[Check]
    storage: Storage
    folder: Path

    def accepted(self, kinds: dict[str, ColumnKind]) -> DatasetVersion:
        """The version without its bad rows, its columns read as `kinds`: the same one where nothing is to change."""
        kinds = self.version.kinds | kinds
        if not self.checks and kinds == self.version.kinds:
            return self.version
        kept = [self._keep(part, rows) for part, rows in zip(self.version.parts, self.parts, strict=True)]
        version = make_version(self.version.dataset, self.version.source, [part for part in kept if part.rows], kinds)
        self.storage.create(version_key(version.dataset, version.digest), to_json(version))
        return version

    def quarantined(self, digest: str) -> str | None:
        """The key of the bad rows, with the column `reason`; None where there are none."""
        if not self.checks:
            return None
        reasons = [pl.when(check.broken).then(check.reason) for check in self.checks]
        reason = pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias("reason")
        bad = [rows.filter(self._bad).select(_SOURCE.name.map(_beside_reason), reason) for rows in self.parts]
        key = f"quarantine/{self.version.dataset}/{digest}.parquet"
        self._store(pl.concat(bad), key)
        return key

    @property
    def _bad(self) -> pl.Expr:
        return pl.any_horizontal(check.broken for check in self.checks)

    def _keep(self, part: Part, rows: pl.LazyFrame) -> Part:
        """The part without its bad rows: the same one where it has none, else a new object named by which they were."""
        if not self.checks:
            return part
        bad = rows.select(self._bad.arg_true()).collect(engine="streaming").to_series()
        if bad.is_empty():
            return part
        digest = digest_all([part.digest, digest_bytes(bad.cast(pl.Int64).to_numpy().tobytes())])
        kept = Part(
            key=part_key(self.version.dataset, digest), digest=digest, rows=part.rows - len(bad), origin=part.origin
        )
        if kept.rows:
            self._store(rows.filter(~self._bad).select(_SOURCE), kept.key)
        return kept

    def _store(self, rows: pl.LazyFrame, key: str) -> None:
        target = self.folder / "rows.parquet"
        rows.sink_parquet(target, compression="snappy")
        self.storage.upload(key, target)


_SOURCE = pl.exclude(f"^{DUPLICATE}.*$")
"""The source's own columns."""


def _beside_reason(name: str) -> str:
    return "reason (of the source)" if name == "reason" else name
