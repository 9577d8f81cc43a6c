"""A contract compiled: for every rule a Polars expression that is true in the rows which break it, and its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from loopwright.core.decision import Finding, Reason
from loopwright.data import kinds as k
from loopwright.data.records import ColumnKind
from loopwright.data.terms import ColumnRule, DataContract

DUPLICATE = "\x00duplicate "
"""Prefix of the columns that mark rows whose unique value stood earlier; validation lays them beside the rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How a column is read for its rule: from the kind it has to the one it is held against."""

    rule: ColumnRule
    found: ColumnKind
    kind: ColumnKind

    @property
    def value(self) -> pl.Expr:
        return k.as_kind(self.rule.name, k.DTYPES[self.found], self.kind)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)  # expressions have no equality of their own
class Check:
    """A rule over rows: `broken` is true where a row breaks it, `reason` says how; rows up to `share` may."""

    name: str
    column: str
    broken: pl.Expr
    reason: pl.Expr
    share: float = 0.0


def read_columns(kinds: dict[str, ColumnKind], contract: DataContract) -> tuple[list[Reading], list[Reason]]:
    """How each column of the contract is read, and what there is to say of columns gone, extra or retyped."""
    readings, reasons = [], []
    for rule in contract.columns:
        found = kinds.get(rule.name)
        if found is None:
            reasons.append(_reason("missing column", "fail", f"the column {rule.name!r} ({rule.kind}) is gone"))
            continue
        kind = _readable(found, rule.kind)
        if kind is None:
            reasons.append(
                _reason("retyped column", "fail", f"the column {rule.name!r} was {rule.kind} and is {found} now")
            )
            continue
        if kind != rule.kind:
            reasons.append(
                _reason("retyped column", "warn", f"the column {rule.name!r} was {rule.kind} and is {kind} now")
            )
        readings.append(Reading(rule=rule, found=found, kind=kind))
    known = {rule.name for rule in contract.columns}
    for name in sorted(kinds.keys() - known):
        reasons.append(_reason("extra column", "warn", f"the column {name!r} is new; the contract does not know it"))
    return readings, reasons


def compile_checks(readings: Sequence[Reading], target: str | None) -> list[Check]:
    """Every rule over rows, in the order of the columns. The target may be missing where no label has come yet."""
    return [check for reading in readings for check in _checks(reading, target)]


def _checks(reading: Reading, target: str | None) -> Iterator[Check]:
    rule, name, value = reading.rule, reading.rule.name, reading.value
    if reading.found == "text" and reading.kind != "text":
        raw = pl.col(name)
        missing = raw.str.strip_chars().is_in(k.MISSING)
        yield _check("kind", name, raw.is_not_null() & ~missing & value.is_null(), raw, f"is no {rule.kind}")
    if rule.required and name != target:
        broken = pl.col(name).is_null()
        yield Check(name=f"{name}: required", column=name, broken=broken, reason=pl.lit(f"{name} is missing"))
    if rule.minimum is not None:
        low = bound(rule.minimum, reading.kind)
        yield _check("minimum", name, value < low, value, f"is below {low}")
    if rule.maximum is not None:
        high = bound(rule.maximum, reading.kind)
        yield _check("maximum", name, value > high, value, f"is above {high}")
    if rule.values:
        strange = value.is_not_null() & ~value.cast(pl.String).is_in(rule.values)
        yield _check("values", name, strange, value, "is none of the values known", rule.strangers)
    if rule.pattern:
        unlike = value.is_not_null() & ~value.str.contains(f"^(?:{rule.pattern})$")
        yield _check("pattern", name, unlike, value, f"does not match {rule.pattern}")
    if rule.unique:
        yield _check("unique", name, pl.col(DUPLICATE + name), value, "stands in an earlier row already")


def bound(seconds_or_number: float, kind: ColumnKind) -> Any:
    """A bound as a value of the column: dates come as seconds since 1970."""
    if kind == "integer" and float(seconds_or_number).is_integer():
        return int(seconds_or_number)
    if kind in ("date", "datetime"):
        moment = datetime.fromtimestamp(seconds_or_number, UTC).replace(tzinfo=None)
        return moment.date() if kind == "date" else moment
    return seconds_or_number


def _check(rule: str, name: str, broken: pl.Expr, value: pl.Expr, state: str, share: float = 0.0) -> Check:
    reason = pl.format("{} {} {}", pl.lit(name), value.cast(pl.String).str.head(80), pl.lit(state))
    return Check(name=f"{name}: {rule}", column=name, broken=broken.fill_null(False), reason=reason, share=share)


def _readable(found: ColumnKind, wanted: ColumnKind) -> ColumnKind | None:
    """The kind in which a column found as `found` is held against a rule for `wanted`; None where it cannot be."""
    if wanted == "text" or found == "text":
        return wanted
    if {found, wanted} in ({"integer", "number"}, {"date", "datetime"}):
        return "number" if "number" in (found, wanted) else "datetime"
    return wanted if found == wanted else None


def _reason(rule: str, finding: Finding, text: str) -> Reason:
    return Reason(rule=rule, finding=finding, text=text)
