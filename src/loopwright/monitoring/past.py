"""The sections of the health report's page on what led here: training and its cost, requests, rollouts, lineage."""

from __future__ import annotations

from html import escape

from loopwright.evaluation.records import Estimate
from loopwright.monitoring.charts import Whisker, whiskers
from loopwright.monitoring.markup import badge, moment, section, table
from loopwright.monitoring.report import HealthReport

SHOWN = 60
"""How many versions, the latest, the picture of training has room for."""


def training(report: HealthReport) -> str:
    """How each version did on its test rows, and what it cost to make them."""
    metrics = {one.version: one for one in report.training}
    latest = report.training[-1].metric if report.training else ""
    drawn = [
        Whisker(
            name=f"version {one.version}, {moment(one.created)}",
            value=one.estimate.value,
            low=one.estimate.low,
            high=one.estimate.high,
            kind="champion" if one.version == report.champion else "",
        )
        for one in report.training[-SHOWN:]
        if one.metric == latest
    ]
    versions = [
        (
            badge("champion", "good") if one.number == report.champion else "",
            f"version {one.number}",
            moment(one.created),
            f"{one.trained_rows:,}",
            _estimate(metrics[one.number].estimate) if one.number in metrics else "–",
            escape(", ".join(f"{name} {value:.4g}" for name, value in sorted(one.metrics.items()))),
            escape(one.gate.because()),
        )
        for one in report.versions
    ]
    head = ("", "", "made", "rows", f"{escape(latest)} (95 %)", "on the test rows", "gate")
    picture = f"<h3>{escape(latest)} on the test rows, with 95 % intervals</h3>{whiskers(drawn)}" if drawn else ""
    return section("Training", picture + table(head, versions, "no version yet"))


def cost(report: HealthReport) -> str:
    """Core-hours, and money only where the price is known."""
    rows = [
        (
            escape(one.run),
            moment(one.at),
            str(one.jobs),
            f"{one.seconds:,.1f} s",
            f"{one.core_hours:.3g}",
            *_priced(report, one.core_hours),
        )
        for one in report.costs
    ]
    price = (
        "no price of a core-hour is set, so there is no sum of money"
        if report.core_hour_price is None
        else f"at {report.core_hour_price:g} {report.currency} a core-hour: {money(report)}"
    )
    said = f"<p>{report.core_hours:.3g} core-hours in this period; {escape(price)}</p>" if rows else ""
    head = ("run", "ordered", "jobs", "time", "core-hours", *(("cost",) if report.core_hour_price is not None else ()))
    return section("Cost of training", said + table(head, rows, "no job in this period"))


def requests(report: HealthReport) -> str:
    """Who asked for a retrain, and what the governor said."""
    kinds = {"accepted": "good", "refused": "bad", "open": "weak"}
    rows = [
        (
            badge(one.status, kinds[one.status]),
            moment(one.at),
            escape(one.by),
            escape(one.because),
            escape(one.words),
            escape(one.run or ""),
        )
        for one in report.requests_to_retrain
    ]
    return section(
        "Requests to retrain", table(("", "asked", "by", "because", "the governor", "run"), rows, "nobody asked")
    )


def rollouts(report: HealthReport) -> str:
    """What became of each version on its way, and why."""
    rows = [
        (
            badge(one.status, "bad" if one.status == "aborted" else "good"),
            f"version {one.version}",
            moment(one.requested),
            moment(one.finished),
            escape("; ".join(reason.text for reason in one.reasons)),
        )
        for one in report.rollouts
    ]
    return section("Rollouts", table(("", "", "requested", "ended", "why"), rows, "none"))


def runs(report: HealthReport) -> str:
    """The turns of the loop."""
    rows = [
        (
            badge(one.status, "bad" if one.status in ("failed", "refused") else "good"),
            escape(one.id),
            moment(one.created),
            escape(one.cause),
            escape(one.summary),
        )
        for one in report.runs
    ]
    return section("Runs", table(("", "run", "ordered", "cause", "what came of it"), rows, "none"))


def lineage(report: HealthReport) -> str:
    """Where each version came from: rows, code, run."""
    rows = [
        (
            f"version {one.number}",
            escape(one.origin),
            _digest(one.dataset),
            escape(one.trained_until or ""),
            _digest(one.code),
            escape(one.run),
            _digest(one.digest),
        )
        for one in report.versions
    ]
    return section("Lineage", table(("", "", "data set", "rows until", "code", "run", "bundle"), rows, "none"))


def money(report: HealthReport) -> str:
    """What training cost, in words; empty where the price is not known."""
    return "" if report.training_cost is None else f"{report.training_cost:,.2f} {report.currency}".strip()


def _priced(report: HealthReport, core_hours: float) -> tuple[str, ...]:
    if report.core_hour_price is None:
        return ()
    return (escape(f"{core_hours * report.core_hour_price:,.2f} {report.currency}".strip()),)


def _estimate(figure: Estimate) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.4g}"
    return f"{figure.value:.4g} ({figure.low:.4g} – {figure.high:.4g})"


def _digest(text: str) -> str:
    """The beginning of a digest; all of it where the reader points."""
    return f'<code title="{escape(text)}">{escape(text[:12])}</code>'
