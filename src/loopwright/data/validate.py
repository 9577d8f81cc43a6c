"""Rows held against their contract: what breaks it is set aside with its reason, and the batch is judged as a whole."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from loopwright.core.clock import parse_duration
from loopwright.core.codec import to_json
from loopwright.core.decision import Reason, decide
from loopwright.core.digest import digest_all, digest_bytes
from loopwright.data.checks import DUPLICATE, Check, Reading, compile_checks, read_columns
from loopwright.data.records import DatasetVersion, Part, ValidationReport
from loopwright.data.snapshot import load_parts, make_version, part_key, version_key
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
    parts = _with_duplicates(load_parts(version, storage, scratch), readings)
    counts = [_count(part, checks, readings) for part in parts]
    total = _sum(counts)
    binding = [check for check in checks if total[check.name] > check.share * version.rows]
    reasons += [
        _tolerated(check, total[check.name], version.rows)
        for check in checks
        if total[check.name] > 0 and check not in binding
    ]
    reasons += _whole(version, contract, readings, total, now, target)
    kinds = {**version.kinds, **{reading.rule.name: reading.kind for reading in readings}}
    broken = {check.name: int(total[check.name]) for check in binding}
    accepted, quarantine = replace(version, kinds=kinds), None
    if kinds != version.kinds or binding:
        with tempfile.TemporaryDirectory(dir=scratch, prefix="validate-") as folder:
            sorter = _Sorter(version, storage, Path(folder), binding)
            bad = [sorter.bad_rows(part) for part in parts]
            kept = [sorter.keep(*piece) for piece in zip(version.parts, parts, bad, strict=True)]
            accepted = make_version(version.dataset, version.source, [part for part in kept if part.rows], kinds)
            key = (
                f"quarantine/{version.dataset}/{digest_all([version.digest, contract.digest(), target or ''])}.parquet"
            )
            quarantine = sorter.set_aside(parts, key) if binding else None
        storage.create(version_key(version.dataset, accepted.digest), to_json(accepted))
    bad_rows = version.rows - accepted.rows
    reasons.append(_share(bad_rows, version.rows, tolerate, broken))
    return ValidationReport(
        dataset=version.dataset,
        decision=decide(reasons),
        accepted=accepted,
        bad_rows=bad_rows,
        quarantine=quarantine,
        broken=broken,
    )


def _with_duplicates(parts: Sequence[pl.LazyFrame], readings: Sequence[Reading]) -> list[pl.LazyFrame]:
    """The parts with, beside each unique column, whether its value stood in an earlier row."""
    unique = [reading.rule.name for reading in readings if reading.rule.unique]
    if not unique:
        return list(parts)
    marked = []
    again = (
        pl.concat([part.select(unique) for part in parts])
        .select(
            (pl.col(name).is_not_null() & ~pl.col(name).is_first_distinct()).alias(DUPLICATE + name) for name in unique
        )
        .collect()
    )
    start = 0
    for part in parts:
        rows = part.select(pl.len()).collect().item()
        marked.append(pl.concat([part, again[start : start + rows].lazy()], how="horizontal"))
        start += rows
    return marked


def _count(part: pl.LazyFrame, checks: Sequence[Check], readings: Sequence[Reading]) -> dict[str, float]:
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
    return part.select(*broken, *nulls, *newest).collect(engine="streaming").row(0, named=True)


def _sum(counts: Sequence[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for found in counts:
        for name, count in found.items():
            if name.endswith(": newest"):
                if count is not None:
                    total[name] = max(total.get(name, count), count)
            else:
                total[name] = total.get(name, 0) + count
    return total


def _tolerated(check: Check, broken: float, rows: int) -> Reason:
    return Reason(
        rule=check.name,
        finding="warn",
        text=f"{broken} of {rows} rows hold a value of {check.column} that the contract does not list; "
        f"up to {check.share:.1%} may",
        figures={"rows": broken},
    )


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
        share = nulls / version.rows
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
        figures={"rows": bad, "share": bad / rows},
    )


@dataclass(frozen=True, slots=True)
class _Sorter:
    """Sorts a version's rows into those kept and those set aside."""

    version: DatasetVersion
    storage: Storage
    folder: Path
    binding: Sequence[Check]

    @property
    def bad(self) -> pl.Expr:
        return pl.any_horizontal(check.broken for check in self.binding) if self.binding else pl.lit(False)

    def bad_rows(self, part: pl.LazyFrame) -> pl.Series:
        """Places of the bad rows in a part."""
        if not self.binding:
            return pl.Series([], dtype=pl.UInt32)
        return part.select(self.bad.arg_true()).collect(engine="streaming").to_series()

    def keep(self, part: Part, rows: pl.LazyFrame, bad: pl.Series) -> Part:
        """The part without its bad rows: the same one where it has none, else a new object."""
        if bad.is_empty():
            return part
        digest = digest_all([part.digest, digest_bytes(bad.cast(pl.Int64).to_numpy().tobytes())])
        key = part_key(self.version.dataset, digest)
        kept = part.rows - len(bad)
        if kept:
            target = self.folder / f"{digest}.parquet"
            rows.filter(~self.bad).select(pl.exclude(f"^{DUPLICATE}.*$")).sink_parquet(target, compression="snappy")
            self.storage.upload(key, target)
        return Part(key=key, digest=digest, rows=kept, origin=part.origin)

    def set_aside(self, parts: Sequence[pl.LazyFrame], key: str) -> str:
        """The bad rows of all parts as one object, with why each is bad."""
        target = self.folder / "quarantine.parquet"
        reasons = [pl.when(check.broken).then(check.reason) for check in self.binding]
        reason = pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias("reason")
        source = pl.exclude(f"^{DUPLICATE}.*$").name.map(
            lambda name: "reason (of the source)" if name == "reason" else name
        )
        bad = [part.filter(self.bad).select(source, reason) for part in parts]
        pl.concat(bad).sink_parquet(target, compression="snappy")
        self.storage.upload(key, target)
        return key
