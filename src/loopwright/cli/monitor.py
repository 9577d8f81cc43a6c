"""`loopwright monitor`: what was found of a model's traffic, how well it predicted, and what came true."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from loopwright.bootstrap.drift import drift_of_files
from loopwright.bootstrap.health import model_health
from loopwright.bootstrap.known import known_here
from loopwright.bootstrap.outcomes import tell_outcomes
from loopwright.bootstrap.platform import Platform
from loopwright.bootstrap.traffic_drift import traffic_drift
from loopwright.cli.alerts import ack, alerts, lift, notices, silence, silences
from loopwright.cli.output import Common, Limit, answer, say, table, write_text
from loopwright.cli.performance import performance
from loopwright.core.clock import parse_duration
from loopwright.core.codec import to_plain
from loopwright.errors import RequestError
from loopwright.monitoring.page import to_html
from loopwright.monitoring.records import DriftReport, Finding, FindingKind
from loopwright.policies.retraining import Drift

app = App(name="monitor", help="Findings, alerts, requests to retrain, performance, the health report; tell outcomes.")

for command in (alerts, ack, silence, silences, lift, notices, performance):
    app.command(command)

Back = Annotated[str, Parameter(help="How far to look back, such as 12h, 7d or 4w.")]
Window = Annotated[str, Parameter(help="How long a window is.")]


@app.command
def findings(
    model: str | None = None,
    *,
    kind: Annotated[FindingKind | None, Parameter(help="Only these.")] = None,
    limit: Limit = 20,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Show what windows of traffic were found to be, newest first."""
    platform = common.platform()
    found = platform.monitors.findings(known_here(platform, model), kind=kind, limit=limit)
    if common.json:
        answer(to_plain(found))
        return 0
    table(
        ("model", "version", "window", "kind", "rows", "", "why"),
        (
            (
                one.model,
                f"v{one.version}",
                f"{one.window_start:%Y-%m-%d %H:%M} – {one.window_end:%H:%M}",
                one.kind,
                f"{one.rows:,}",
                _mark(one),
                one.decision.because(),
            )
            for one in found
        ),
        none=f"no window{'' if model is None else f' of {model}'} was looked at: that is done when it is over",
    )
    return 0


@app.command
def requests(model: str | None = None, *, limit: Limit = 20, common: Common = Common()) -> int:  # noqa: B008
    """Show what asked for a retrain, newest first, and what the governor said."""
    platform = common.platform()
    found = platform.retraining.requests(known_here(platform, model), limit=limit)
    if common.json:
        answer(to_plain(found))
        return 0
    table(
        ("asked", "model", "by", "because", "status", "why"),
        (
            (
                f"{one.requested:%Y-%m-%d %H:%M}",
                one.model,
                one.actor if one.trigger == "manual" else one.trigger.replace("_", " "),
                one.reason,
                one.status,
                one.why(),
            )
            for one in found
        ),
        none=f"nothing has asked to retrain {model or 'any model'} yet",
    )
    return 0


breaker = App(name="breaker", help="What stops retraining after runs in a row that failed or were refused.")
app.command(breaker)


@breaker.command
def reset(model: str | None = None, *, common: Common = Common()) -> int:  # noqa: B008
    """Close MODEL's breaker: the failures until now are forgiven."""
    platform = common.platform()
    name = platform.project.model(model).name
    made = platform.retraining.reset_breaker(name, actor=platform.actor)
    if common.json:
        answer(to_plain(made))
    else:
        say(f"{name} may be retrained again: the failures until now are forgiven")
    return 0


@app.command
def outcomes(
    model: str,
    file: str,
    *,
    value: Annotated[str | None, Parameter(help="The column that says what came true; without it, the target.")] = None,
    key: Annotated[str | None, Parameter(help="The column that names the row; without it, the model's key.")] = None,
    at: Annotated[str, Parameter(help="The column that says since when it is known; where it is missing, now.")] = "at",
    common: Common = Common(),  # noqa: B008
) -> int:
    """Tell what came true of MODEL's predictions: FILE is CSV, Parquet or JSON lines (a glob or a URL will do).

    Rows name their prediction in a column `prediction_id`, or by the model's key.
    """
    platform = common.platform()
    told = tell_outcomes(platform, platform.project.model(model).declaration, file, value=value, key=key, at=at)
    if common.json:
        answer(to_plain(told))
        return 0
    say(f"{told.told:,} outcomes of {told.endpoint} are in the ledger")
    if told.passed_over:
        say(f"  {told.passed_over:,} rows were passed over: {told.columns.value} is missing in them")
    return 0


@app.command
def drift(
    model: str | None = None,
    *,
    reference: Annotated[str | None, Parameter(help="A file of rows to hold --current against.")] = None,
    current: Annotated[str | None, Parameter(help="A file of rows, instead of the model's traffic.")] = None,
    exact: Annotated[bool, Parameter(negative="", help="Captured rows one by one, not their counts.")] = False,
    since: Back = "1d",
    common: Common = Common(),  # noqa: B008
) -> int:
    """Show how far MODEL's traffic is from the rows that it was tested on, or the file --current from --reference.

    Of traffic, the windows' counts are compared, which is quick; with --exact the captured rows. Files are always
    compared row by row, and a classifier tries to tell them apart. Exit code 1 where they have drifted.
    """
    if (reference is None) != (current is None):
        raise RequestError("--reference and --current go together", remedy="name both files, or neither")
    platform = common.platform()
    if reference is not None and current is not None:
        how = platform.project.model(model).declaration.drift if model is not None else Drift()
        found = drift_of_files(reference, current, how)
    else:
        declared = platform.project.model(model).declaration
        found = traffic_drift(platform, declared.name, since=since, exact=exact, drift=declared.drift)
    if common.json:
        answer(to_plain(found))
    else:
        _drifted(found)
    return 0 if found.decision.passed else 1


@app.command
def report(
    model: str | None = None,
    *,
    output: Annotated[Path, Parameter(help="Where the page goes.")] = Path("report.html"),
    since: Back = "7d",
    window: Window = "1d",
    common: Common = Common(),  # noqa: B008
) -> int:
    """Write MODEL's health report, one HTML page; with --json the same as a record instead."""
    platform = common.platform()
    declared = platform.project.model(model)
    start = _back(platform, since)
    made = model_health(platform, declared.name, start, drift=declared.declaration.drift, window=window)
    if common.json:
        answer(to_plain(made))
        return 0
    write_text(output, to_html(made))
    say(f"{declared.name}, the last {since}: {output}")
    return 0


def _back(platform: Platform, since: str) -> datetime:
    return platform.clock.now() - _length(since)


def _length(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise RequestError(str(error), remedy="for example 12h, 7d or 4w") from None


def _drifted(found: DriftReport) -> None:
    say(f"{found.current} against {found.reference}")
    table(
        ("column", "PSI", "usual", "test", "distance", "p", "JS", "moved by", "weight", ""),
        (
            (
                one.column,
                _figure(one.psi),
                _figure(one.usual or None),
                {"ks": "Kolmogorov-Smirnov", "chi2": "chi²"}[one.test],
                _figure(one.statistic),
                _figure(one.p_value),
                _figure(one.jensen_shannon),
                "" if one.wasserstein is None else f"{one.wasserstein:.2f} sd",
                f"{one.weight:.0%}",
                "drifted" if one.drifted else "",
            )
            for one in found.columns
        ),
    )
    say(found.decision.because())
    for one in found.decision.reasons:
        if one.rule == "columns" and not found.decision.passed:
            say(one.text)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _mark(finding: Finding) -> str:
    if not finding.passed:
        return "✗"
    return "✓" if finding.judged else "–"
