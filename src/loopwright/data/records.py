"""The data room's records: dataset versions, profiles, validation reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from loopwright.core.decision import Decision

ColumnKind = Literal["number", "integer", "boolean", "text", "date", "datetime"]
"""How a column is read. `integer` and `number` are 64 bits wide; dates are days, datetimes microseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A piece of a snapshot: a Parquet object, named by the digest of what it was read from, so it is made once."""

    key: str
    digest: str
    rows: int
    origin: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetVersion:
    """An immutable snapshot of source rows. `digest` follows from the parts' digests in their order.

    `kinds` gives each column's kind, in the source's column order. Parts stand in the source's order.
    """

    digest: str
    dataset: str
    source: str
    parts: tuple[Part, ...]
    rows: int
    kinds: dict[str, ColumnKind]

    @property
    def short(self) -> str:
        return self.digest[:12]


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnProfile:
    """One column over all rows. Numbers (and dates, as seconds since 1970) have moments, quantiles and a histogram.

    `distinct` is exact up to a bound and an estimate above (`distinct_exact`); `top` holds the commonest values with
    their counts; `quantiles` maps "0.05" … "0.95" to values; `histogram` is (edges, counts), len(edges) - 1 counts.
    `rising` says that no value is less than the one before it (and that not all are alike), as in dates and serials.
    """

    name: str
    kind: ColumnKind
    rows: int
    nulls: int
    distinct: int
    distinct_exact: bool
    top: tuple[tuple[str, int], ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    deviation: float | None = None
    quantiles: dict[str, float] = field(default_factory=dict)
    histogram: tuple[tuple[float, ...], tuple[int, ...]] | None = None
    rising: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What a dataset version looks like, column by column."""

    digest: str
    rows: int
    columns: tuple[ColumnProfile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ValidationReport:
    """What came of holding a dataset version against its contract.

    `decision` fails when the version as a whole cannot be used (a column gone or retyped, too many bad rows, too few
    rows, stale data). `accepted` is the version without its bad rows (the same one where there are none); `quarantine`
    is the object-store key of a Parquet file with the bad rows and the column `reason`; `broken` counts rows by rule.
    """

    dataset: str
    decision: Decision
    accepted: DatasetVersion
    bad_rows: int = 0
    quarantine: str | None = None
    broken: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.decision.passed
