"""A contract's terms, as records: what each column must keep, and what the rows as a whole must."""

from __future__ import annotations

from dataclasses import dataclass

from loopwright.core.digest import digest_record
from loopwright.data.records import ColumnKind


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnRule:
    """What one column must keep.

    `required`: no value is missing; `unique`: none stands twice; `key`: it identifies the row. `minimum` and `maximum`
    are inclusive, in the column's unit (dates as seconds since 1970). `values` lists the values known, of which a
    share of `strangers` rows may hold others; `nulls` is the share of rows that may hold none; `pattern` is a regular
    expression that the whole text matches.
    """

    name: str
    kind: ColumnKind
    required: bool = False
    unique: bool = False
    key: bool = False
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    strangers: float = 0.0
    nulls: float = 1.0
    pattern: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DataContract:
    """What the rows of the dataset `name` must keep.

    `freshness` is a date column and how old its newest value may be, such as ("day", "2d").
    """

    name: str
    columns: tuple[ColumnRule, ...]
    version: str = "1.0.0"
    min_rows: int = 1
    max_rows: int | None = None
    freshness: tuple[str, str] | None = None

    def digest(self) -> str:
        return digest_record(self)

    def rule(self, column: str) -> ColumnRule | None:
        """The rule for `column`, if there is one."""
        return next((rule for rule in self.columns if rule.name == column), None)
