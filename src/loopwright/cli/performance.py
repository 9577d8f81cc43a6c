"""`loopwright monitor performance`: how well each version predicted, and what is not known of it yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter

from loopwright.bootstrap.performance import live_performance
from loopwright.cli.output import Common, answer, say, table
from loopwright.core.codec import to_plain
from loopwright.evaluation.records import Estimate
from loopwright.monitoring.records import Performance, PerformanceReport


def performance(
    model: str | None = None,
    *,
    since: Annotated[str, Parameter(help="How far to look back, such as 12h, 7d or 4w.")] = "30d",
    window: Annotated[str, Parameter(help="How long a window is.")] = "1d",
    as_of: Annotated[datetime | None, Parameter(help="Count only what was known then (UTC).")] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Show how well each version predicted: on the labels that have come, corrected for those that have not, and as it
    is estimated without any.
    """
    platform = common.platform()
    name = platform.project.model(model).name
    known = as_of.replace(tzinfo=UTC) if as_of is not None and as_of.tzinfo is None else as_of
    found = live_performance(platform, name, since=since, window=window, as_of=known)
    if common.json:
        answer(to_plain(found))
        return 0
    if not found.versions:
        say(f"no prediction of {name} was captured in the last {since}")
        return 0
    _show("in all", found, found.versions)
    _show(f"by {window}", found, found.windows)
    for sentence in _sentences(found):
        say(sentence)
    return 0


def _show(title: str, report: PerformanceReport, shown: Sequence[Performance]) -> None:
    metric = report.metric
    names = [name for name in dict.fromkeys(name for one in shown for name in one.metrics) if name != metric]
    table(
        (title, "version", "predictions", "labels", f"{metric}, corrected", "plain", f"{metric}, estimated", *names),
        (
            (
                f"{one.start:%Y-%m-%d %H:%M}",
                f"v{one.version}",
                f"{one.predictions:,}",
                f"{one.outcomes:,} ({one.coverage:.0%})",
                _estimate(one.corrected.get(metric)),
                _number(one.metrics.get(metric)),
                _estimate(one.estimated.get(metric)),
                *(_number(one.metrics.get(name)) for name in names),
            )
            for one in shown
        ),
    )


def _sentences(report: PerformanceReport) -> Iterator[str]:
    if report.lag is not None:
        last = report.windows[-1]
        yield f"{last.coverage:.0%} of the last window's labels have come; of all, {report.lag}."
    for version, reference in report.reference.items():
        yield f"On its test rows, version {version} had {report.metric} {_estimate(reference)}."
    if any(one.estimated for one in report.versions):
        yield "Estimated figures need no label: they hold as long as scores mean what they meant on the test rows."
    yield from (f"{note[0].upper()}{note[1:]}." for note in report.notes)


def _estimate(figure: Estimate | None) -> str:
    if figure is None:
        return ""
    if figure.low is None or figure.high is None:
        return f"{figure.value:.4g}"
    return f"{figure.value:.4g} ({figure.low:.4g} – {figure.high:.4g})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
