"""`loopwright data`: look at a model's data without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from loopwright.bootstrap import data
from loopwright.cli.output import Common, answer, progress, reasons, say, table
from loopwright.cli.pictures import bars, shares
from loopwright.core.codec import to_plain
from loopwright.data.odcs import read_contract
from loopwright.data.records import ColumnProfile

app = App(name="data", help="Look at a model's data: check, profile, versions, quarantine, contract.")


@app.command
def check(model: str | None = None, *, common: Common = Common()) -> int:  # noqa: B008
    """Hold the source against the declaration and the contract, as a run does before it trains.

    Ends with 1 where a run would stop there.
    """
    platform = common.platform()
    declared = platform.project.model(model)
    with progress("reading", quiet=common.json) as shown:
        found = data.check_data(platform, declared, shown)
    if common.json:
        answer(to_plain(found))
        return 0 if found.report.passed else 1
    version, report = found.version, found.report
    say(f"{found.model}: {version.rows:,} rows, {len(version.kinds)} columns, version {version.short}")
    say(f"contract: {found.contract or 'none yet; the rows were held against the one a first run would infer'}")
    reasons(report.decision.reasons)
    if report.quarantine:
        say(f"  {report.bad_rows:,} rows would be set aside in {report.quarantine}")
    return 0 if report.passed else 1


@app.command
def profile(model: str | None = None, *, common: Common = Common()) -> int:  # noqa: B008
    """Show what each column looks like: missing and distinct values, figures, a small histogram."""
    platform = common.platform()
    declared = platform.project.model(model)
    with progress("reading", quiet=common.json) as shown:
        version = data.take_snapshot(platform, declared, shown)
        found = data.profile_data(platform, version, shown)
    if common.json:
        answer(to_plain(found))
        return 0
    say(f"{declared.name}: {found.rows:,} rows, version {version.short}")
    heads = ("column", "kind", "missing", "distinct", "least", "mean", "greatest", "distribution")
    table(heads, (_profile_row(one) for one in found.columns))
    return 0


@app.command
def versions(model: str | None = None, *, common: Common = Common()) -> int:  # noqa: B008
    """Show the snapshots there are, the latest taken first, and what was learned from each."""
    platform = common.platform()
    found = data.known_versions(platform, platform.project.model(model).name)
    if common.json:
        answer(to_plain(found))
        return 0
    table(
        ("version", "rows", "columns", "files", "runs", "learned by"),
        (
            (
                one.version.short,
                f"{one.version.rows:,}",
                len(one.version.kinds),
                len(one.version.parts),
                ", ".join(one.runs[:2]) + (" …" if len(one.runs) > 2 else ""),
                ", ".join(f"v{number}" for number in one.learned),
            )
            for one in found
        ),
    )
    return 0


@app.command
def quarantine(
    model: str | None = None,
    *,
    run: Annotated[str | None, Parameter(help="The run that set them aside; without it, the newest that did.")] = None,
    output: Annotated[Path | None, Parameter(help="Write the rows with their reasons here (.parquet or .csv).")] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Show why rows of MODEL were set aside, and copy them out to be mended."""
    platform = common.platform()
    found = data.read_quarantine(platform, platform.project.model(model).name, run)
    if output is not None:
        data.copy_quarantine(platform, found, output)
    if common.json:
        answer(to_plain(found) | {"output": str(output) if output else None})
        return 0
    say(f"{found.run} set {found.rows:,} rows aside" + (f"; they are in {output}" if output else ""))
    table(("rows", "reason"), ((f"{rows:,}", reason) for reason, rows in found.reasons.items()))
    return 0


@app.command
def contract(
    model: str | None = None,
    *,
    renew: Annotated[bool, Parameter(negative="", help="Infer it anew and write it over the one there is.")] = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Show where MODEL's contract is; where there is none yet, infer it from the rows and write it."""
    platform = common.platform()
    declared = platform.project.model(model)
    path = platform.project.contract_path(declared.name)
    if path.exists() and not renew:
        found = data.ContractChange(path=str(path), written=False, contract=read_contract(path))
    else:
        with progress("reading", quiet=common.json) as shown:
            found = data.renew_contract(platform, declared, shown)
    if common.json:
        answer(to_plain(found))
        return 0
    say(found.path)
    if found.written:
        say(f"  written, {len(found.contract.columns)} columns; look through it and commit it")
    if found.changed:
        say(f"  other rules than before for: {', '.join(found.changed)}")
    return 0


def _profile_row(column: ColumnProfile) -> tuple[object, ...]:
    numbers = column.kind in ("number", "integer")
    figures = (column.minimum, column.mean, column.maximum) if numbers else (None, None, None)
    drawn = bars(column.histogram[1]) if column.histogram else shares(column.top, column.rows)
    return (
        column.name,
        column.kind,
        f"{column.nulls / column.rows:.1%}" if column.nulls else "",
        f"{column.distinct:,}" if column.distinct_exact else f"≈{column.distinct:,}",
        *("" if figure is None else f"{figure:,.4g}" for figure in figures),
        drawn,
    )
