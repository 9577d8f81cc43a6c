"""Rows held against their contract: what breaks it is set aside with its reason, and the batch is judged as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from pathlib import Path

import polars as pl

from loopwright.core.clock import parse_duration
from loopwright.core.decision import Reason, decide
from loopwright.core.digest import digest_all
from loopwright.data.checks import DUPLICATE, Check, Reading, compile_checks, read_columns
from loopwright.data.records import DatasetVersion, ValidationReport
from loopwright.data.scratch import working_folder
from loopwright.data.snapshot import load_parts, stored_rows
from loopwright.data.sorter import Sorter
from loopwright.data.terms import DataContract
from loopwright.ports.storage import Storage


def validate(
    version: DatasetVersion,
    contract: DataContract,
    *,
    tolerate: float,
    storage: Storage,
    scratch: Path,
    now: datetime,
    target: str | None = None,
) -> ValidationReport:
    """Hold `version` against `contract`. Rows that break it go to quarantine; the rest is the report's `accepted`.

    The decision fails when a column is gone or retyped, when more than the share `tolerate` of the rows is bad, and by
    the contract's rules on row count, freshness and missing values. Rows without a value for `target` are not bad.
    The same version and contract give the same objects under the same keys.
    """
    readings, reasons = read_columns(version.kinds, contract)
    checks = compile_checks(readings, target)
    with stored_rows(version), working_folder(scratch) as folder:
        parts = _with_duplicates(version, load_parts(version, storage, scratch), readings)
        total = _count(pl.concat(parts), checks, readings)
        binding = [check for check in checks if total[check.name] > check.share * version.rows]
        sorter = Sorter(version=version, parts=parts, checks=binding, storage=storage, folder=folder)
        accepted = sorter.accepted({reading.rule.name: reading.kind for reading in readings})
        quarantine = sorter.quarantined(digest_all([version.digest, contract.digest(), target or ""]))
    broken = {check.name: int(total[check.name]) for check in binding}
    reasons += _tolerated(checks, binding, total, version.rows)
    reasons += _whole(version, contract, readings, total, now, target)
    reasons.append(_share(version.rows - accepted.rows, version.rows, tolerate, broken))
    return ValidationReport(
        dataset=version.dataset,
        decision=decide(reasons),
        accepted=accepted,
        bad_rows=version.rows - accepted.rows,
        quarantine=quarantine,
        broken=broken,
    )


def _with_duplicates(
    version: DatasetVersion, parts: Sequence[pl.LazyFrame], readings: Sequence[Reading]
) -> list[pl.LazyFrame]:
    """The parts with, beside each unique column, whether its value stood in an earlier row: one column in memory."""
    unique = [reading.rule.name for reading in readings if reading.rule.unique]
    if not unique:
        return list(parts)
    again = [
        (pl.col(name).is_not_null() & ~pl.col(name).is_first_distinct()).alias(DUPLICATE + name) for name in unique
    ]
    marks = pl.concat([part.select(unique) for part in parts]).select(again).collect()
    ends = list(accumulate(part.rows for part in version.parts))
    slices = [marks[start:end].lazy() for start, end in pairwise([0, *ends])]
    return [pl.concat([part, marks], how="horizontal") for part, marks in zip(parts, slices, strict=True)]


def _count(rows: pl.LazyFrame, checks: Sequence[Check], readings: Sequence[Reading]) -> dict[str, float]:
    """How many rows break each check, how many values each column lacks, and its newest date as seconds."""
    broken = [check.broken.sum().alias(check.name) for check in checks]
    nulls = [reading.value.null_count().alias(f"{reading.rule.name}: nulls") for reading in readings]
    newest = [
        reading.value.max().cast(pl.Datetime("us")).cast(pl.Int64).alias(f"{reading.rule.name}: newest")
        for reading in readings
        if reading.kind in ("date", "datetime")
    ]
    if not readings:
        return {}
    return rows.select(*broken, *nulls, *newest).collect(engine="streaming").row(0, named=True)


def _tolerated(checks: Sequence[Check], binding: Sequence[Check], total: dict[str, float], rows: int) -> list[Reason]:
    """What breaks a rule in fewer rows than it minds."""
    return [
        Reason(
            rule=check.name,
            finding="warn",
            text=f"{total[check.name]} of {rows} rows hold a value of {check.column} that the contract does not list; "
            f"up to {check.share:.1%} may",
            figures={"rows": total[check.name]},
        )
        for check in checks
        if total[check.name] and check not in binding
    ]


def _whole(
    version: DatasetVersion,
    contract: DataContract,
    readings: Sequence[Reading],
    total: dict[str, float],
    now: datetime,
    target: str | None,
) -> list[Reason]:
    """What there is to say of the version as a whole."""
    reasons = [_row_count(version.rows, contract)]
    for reading in readings:
        name, nulls = reading.rule.name, total[f"{reading.rule.name}: nulls"]
        if name == target:
            continue
        share = nulls / max(version.rows, 1)
        if nulls == version.rows and (reading.rule.required or reading.rule.nulls < 1):
            reasons.append(
                Reason(rule=f"{name}: empty", finding="fail", text=f"the column {name!r} holds no value at all")
            )
        elif share > reading.rule.nulls:
            text = f"{share:.1%} of {name} is missing, at most {reading.rule.nulls:.1%} may be"
            reasons.append(Reason(rule=f"{name}: nulls", finding="fail", text=text, figures={"share": share}))
    if contract.freshness:
        reasons.append(_fresh(*contract.freshness, total, now))
    return reasons


def _row_count(rows: int, contract: DataContract) -> Reason:
    most = float("inf") if contract.max_rows is None else contract.max_rows
    fits = contract.min_rows <= rows <= most
    wanted = f"at least {contract.min_rows}" + (f", at most {contract.max_rows}" if contract.max_rows else "")
    return Reason(
        rule="row count",
        finding="pass" if fits else "fail",
        text=f"{rows} rows ({wanted} wanted)",
        figures={"rows": rows},
    )


def _fresh(column: str, allowed: str, total: dict[str, float], now: datetime) -> Reason:
    newest = total.get(f"{column}: newest")
    if newest is None:
        return Reason(rule="freshness", finding="fail", text=f"{column} holds no date to tell freshness by")
    moment = datetime.fromtimestamp(newest / 1e6, UTC)
    fresh = now - moment <= parse_duration(allowed)
    return Reason(
        rule="freshness",
        finding="pass" if fresh else "fail",
        text=f"the newest {column} is {moment:%Y-%m-%d %H:%M}, it may be {allowed} old",
        figures={"age_seconds": (now - moment).total_seconds()},
    )


def _share(bad: int, rows: int, tolerate: float, broken: dict[str, int]) -> Reason:
    worst = ", ".join(f"{name} ({count})" for name, count in sorted(broken.items(), key=lambda item: -item[1])[:3])
    text = f"{bad} of {rows} rows break the contract" + (f": {worst}" if worst else "")
    fits = bad <= tolerate * rows
    return Reason(
        rule="bad rows",
        finding="pass" if fits else "fail",
        text=text if fits else f"{text}; at most {tolerate:.1%} may",
        figures={"rows": bad, "share": bad / max(rows, 1)},
    )
