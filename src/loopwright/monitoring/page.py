"""The health report as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

from loopwright.evaluation.records import Estimate
from loopwright.monitoring import past
from loopwright.monitoring.charts import Line, bars, histograms, lines, sparkline
from loopwright.monitoring.markup import badge, legend, moment, section, span, table
from loopwright.monitoring.notices import lasted
from loopwright.monitoring.records import Alert, Performance, PerformanceReport
from loopwright.monitoring.report import ColumnPicture, HealthReport
from loopwright.monitoring.rules import JUMP
from loopwright.policies.tasks import DEFAULT_METRIC


def to_html(report: HealthReport) -> str:
    """The page, UTF-8 text: light or dark as the reader's system is; it loads nothing and runs no script."""
    sections = (
        _headline(report),
        _alerts(report),
        _traffic(report),
        _performance(report.performance),
        _drift(report),
        _data(report),
        _findings(report),
        past.rollouts(report),
        past.requests(report),
        past.training(report),
        past.cost(report),
        past.runs(report),
        past.lineage(report),
    )
    title = escape(f"{report.model}: health")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main>{''.join(sections)}</main></body></html>"
    )


def _headline(report: HealthReport) -> str:
    ailing = [alert for alert in report.alerts if alert.closed is None]
    state = f"{len(ailing)} open {'alert' if len(ailing) == 1 else 'alerts'}" if ailing else "healthy"
    failed = f"{report.errors / report.requests:.2%}" if report.requests else "–"
    slowest = max((point.p99_ms for point in report.traffic if point.p99_ms is not None), default=None)
    tiles = (
        ("champion", f"version {report.champion}" if report.champion is not None else "none yet"),
        ("requests", f"{report.requests:,}"),
        ("failed", failed),
        ("highest p99", f"{slowest:.1f} ms" if slowest is not None else "–"),
        ("core-hours of training", f"{report.core_hours:.3g}"),
        *((("cost of training", past.money(report)),) if report.training_cost is not None else ()),
        ("columns drifted", f"{sum(one.drift.drifted for one in report.columns)} of {len(report.columns)}"),
    )
    shown = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in tiles)
    return (
        f'<header><h1>{escape(report.model)}</h1><span class="badge {"bad" if ailing else "good"}">{state}</span>'
        f"<p>{moment(report.since)} to {moment(report.until)} UTC, written {moment(report.at)}</p></header>"
        f'<section class="tiles">{shown}</section>'
    )


def _alerts(report: HealthReport) -> str:
    rows = [
        (
            badge("closed", "good") if alert.closed else badge(alert.severity, alert.severity),
            escape(alert.title),
            escape(alert.recovery or alert.text),
            moment(alert.opened),
            lasted(alert, alert.closed or report.until) + ("" if alert.closed else " so far"),
            escape(_seen_to(alert)),
            f"<code>{escape(alert.evidence)}</code>",
        )
        for alert in report.alerts
    ]
    return section(
        "Alerts", table(("", "what", "why", "opened", "lasted", "seen to", "evidence"), rows, "no alert in this period")
    )


def _seen_to(alert: Alert) -> str:
    if alert.acknowledged is None:
        return ""
    return f"by {alert.acknowledged_by}" + (f": {alert.acknowledged_because}" if alert.acknowledged_because else "")


def _traffic(report: HealthReport) -> str:
    if not report.traffic:
        return section("Traffic", '<p class="none">no traffic in this period</p>')
    names = [moment(point.start) for point in report.traffic]
    requests = bars(
        [point.requests for point in report.traffic], [point.errors for point in report.traffic], names, "requests"
    )
    latency = lines(
        [
            Line("p50", "p50", [point.p50_ms for point in report.traffic]),
            Line("p99", "p99", [point.p99_ms for point in report.traffic]),
        ],
        names,
        "ms",
    )
    legends = legend(("bar", "answered"), ("bad", "failed")), legend(("p50", "p50"), ("p99", "p99"))
    return section("Traffic", f"<h3>Requests {legends[0]}</h3>{requests}<h3>Latency {legends[1]}</h3>{latency}")


def _performance(performance: PerformanceReport | None) -> str:
    if performance is None or performance.task is None:
        return ""
    metric = performance.metric or DEFAULT_METRIC[performance.task]
    starts = sorted({one.start for one in performance.windows})
    drawn = [
        Line(f"v{place}", f"version {one.version}", _by_start(performance.windows, one.version, starts, metric))
        for place, one in enumerate(performance.versions[-_LINES:])
    ]
    drawn += [
        Line("estimated", f"version {one.version}, estimated", [known.get(start) for start in starts])
        for one in performance.versions[-1:]
        if (known := _estimates(performance.windows, one.version, metric))
    ]
    keys = legend(*((line.kind, line.name) for line in drawn))
    names = sorted({name for one in performance.versions for name in one.metrics})
    rows = [
        (
            f"version {one.version}",
            f"{one.predictions:,}",
            f"{one.outcomes:,} ({one.coverage:.0%})",
            _figure(one.corrected.get(metric)),
            _figure(one.estimated.get(metric)),
            *(f"{one.metrics[name]:.4g}" if name in one.metrics else "–" for name in names),
        )
        for one in performance.versions
    ]
    chart = lines(drawn, [moment(start) for start in starts], metric)
    heads = ("", "predictions", "outcomes", f"{metric}, corrected", f"{metric}, estimated", *names)
    shown = table(heads, rows, "no predictions in this period")
    lag = f"<p>Of the labels, {escape(str(performance.lag))}.</p>" if performance.lag else ""
    return section("Performance", f"<h3>{escape(metric)} {keys}</h3>{chart}{shown}{lag}")


def _estimates(windows: Iterable[Performance], version: int, metric: str) -> dict[datetime, float]:
    """What the metric was estimated to be without labels, by window."""
    return {
        one.start: one.estimated[metric].value for one in windows if one.version == version and metric in one.estimated
    }


def _figure(figure: Estimate | None) -> str:
    if figure is None:
        return "–"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.4g}"
    return f"{figure.value:.4g} ({figure.low:.4g} – {figure.high:.4g})"


def _by_start(
    windows: Iterable[Performance], version: int, starts: Sequence[datetime], metric: str
) -> list[float | None]:
    known = {one.start: one.metrics.get(metric) for one in windows if one.version == version}
    return [known.get(start) for start in starts]


def _drift(report: HealthReport) -> str:
    if report.window is None:
        return section("Drift", '<p class="none">no window with enough rows was judged in this period</p>')
    window = report.window
    when = f"{span(window.window_start, window.window_end)}, version {window.version}"
    keys = legend(("was", "reference"), ("now", "window"))
    cards = "".join(_card(column, report.psi_limit) for column in report.columns)
    return section("Drift", f'<p>{window.rows:,} rows, {when} {keys}</p><div class="cards">{cards}</div>')


def _card(picture: ColumnPicture, psi_limit: float) -> str:
    drift = picture.drift
    mark = badge("drifted", "bad" if drift.matters else "weak") if drift.drifted else ""
    facts = [f"PSI {drift.psi:.2f}" if drift.psi is not None else "not comparable"]
    if drift.usual > psi_limit:
        facts.append(f"ordinary windows reach {drift.usual:.2f}")
    if drift.p_value is not None:
        facts.append(f"p = {drift.p_value:.2g}")
    if drift.missing_share or drift.was_missing:
        facts.append(f"missing {drift.missing_share:.1%} (was {drift.was_missing:.1%})")
    if drift.unseen_share or drift.was_unseen:
        facts.append(f"unseen {drift.unseen_share:.1%} (was {drift.was_unseen:.1%})")
    if not drift.matters:
        facts.append("hardly used by the model")
    history = [psi for _, psi in picture.history]
    spark = (
        f"<figure>{sparkline(history, max(psi_limit, drift.usual))}<span>PSI by window</span></figure>"
        if len(history) > 1
        else ""
    )
    return (
        f'<article class="card"><h3>{escape(drift.column)} {mark}</h3>'
        f"{histograms(picture.labels, picture.reference, picture.window)}"
        f"<p>{escape(' · '.join(facts))}</p>{spark}</article>"
    )


def _data(report: HealthReport) -> str:
    """What is missing or was never seen before, by column, and what was found of data lately."""
    head = ("", "missing", "was", "never seen", "was", "out of range", "was")
    rows = [
        (
            escape(drift.column),
            _share(drift.missing_share, drift.was_missing),
            f"{drift.was_missing:.1%}",
            _share(drift.unseen_share, drift.was_unseen),
            f"{drift.was_unseen:.1%}",
            _share(drift.outside_share, drift.was_outside),
            f"{drift.was_outside:.1%}",
        )
        for drift in (picture.drift for picture in report.columns)
        if max(drift.missing_share, drift.was_missing, drift.unseen_share, drift.was_unseen, drift.outside_share) > 0
    ]
    latest = {
        one.kind: one for one in reversed(report.findings) if one.kind in ("quality", "volume", "freshness", "capture")
    }
    said = "".join(
        f"<p>{badge(kind, 'good' if one.passed else 'bad')} {escape(one.decision.because())}</p>"
        for kind, one in latest.items()
    )
    none = "nothing is missing or new in the latest judged window" if report.columns else "no window was judged"
    return section("Data quality", said + table(head, rows, none))


def _share(now: float, before: float) -> str:
    """Loud where it has grown by five points."""
    return f"<b>{now:.1%}</b>" if now - before >= JUMP else f"{now:.1%}"


def _findings(report: HealthReport) -> str:
    rows = [
        (
            badge(finding.kind, "good" if finding.passed else "bad"),
            f"v{finding.version}",
            span(finding.window_start, finding.window_end),
            f"{finding.rows:,}",
            escape(finding.decision.because()),
        )
        for finding in report.findings[:100]
    ]
    return section("Findings", table(("", "version", "window", "rows", "what"), rows, "no finding in this period"))


_LINES = 4
"""How many versions, the latest, have a line of their own colour; the table has them all."""

_STYLE = """
:root{--ink:#1c2330;--soft:#667085;--line:#e4e7ec;--page:#f7f8fa;--card:#fff;--blue:#2f6fde;--grey:#aab4c2;
--orange:#e0752d;--red:#d03b3b;--green:#23875a;--violet:#7a5af0;--on:#fff;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#98a2b3;--line:#2c3442;--page:#12161d;--card:#1a202a;
--blue:#6ea0ff;--grey:#5d6b7e;--orange:#f0955a;--red:#f07070;--green:#4cc38a;--violet:#a48bff;--on:#10141b}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);
font:14px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}main{max-width:1080px;margin:0 auto;padding:32px 20px}
header{display:flex;flex-wrap:wrap;align-items:center;gap:4px 12px}h1{margin:0;font-size:26px}
header p{flex-basis:100%;margin:0;color:var(--soft)}h2{margin:0 0 12px;font-size:17px}
h3{margin:12px 0 4px;font-size:13px;font-weight:600}
section{margin-top:20px;padding:18px 20px;background:var(--card);border:1px solid var(--line);border-radius:10px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px}
.tiles b{display:block;font-size:19px}.tiles span,.none{color:var(--soft)}.none{margin:0}
.badge{display:inline-block;padding:1px 9px;border-radius:99px;font-size:12px;color:var(--on);background:var(--soft)}
.badge.good{background:var(--green)}.badge.bad,.badge.critical{background:var(--red)}
.badge.warning{background:var(--orange)}.moment,.badge{white-space:nowrap}
.wide{overflow-x:auto}table{width:100%;min-width:680px;border-collapse:collapse;font-variant-numeric:tabular-nums}
th{text-align:left;font-weight:500;color:var(--soft)}th,td{padding:5px 10px 5px 0;vertical-align:top}
tbody tr{border-top:1px solid var(--line)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(260px,1fr));gap:16px}
.card{padding:10px 14px;border:1px solid var(--line);border-radius:8px}.card h3{margin:0 0 8px;overflow-wrap:anywhere}
.card p{margin:6px 0 0;color:var(--soft);font-size:12px}figure{display:flex;align-items:center;gap:8px;margin:6px 0 0}
figure span{color:var(--soft);font-size:12px}svg{display:block;width:100%}svg.spark{width:110px}
svg text{font-size:10px;fill:var(--soft)}.grid{stroke:var(--line)}
.whisker{stroke:var(--grey);stroke-width:1.6}.point{fill:var(--blue)}.point.champion{fill:var(--green)}
code{font-size:12px;color:var(--soft);white-space:nowrap}section p{margin:0 0 8px}
.badge.weak{background:var(--grey)}
.limit{stroke:var(--red);stroke-dasharray:4 3;stroke-width:1}.hover{fill:transparent}
.line{fill:none;stroke-width:1.8;stroke:var(--blue)}.dot{fill:var(--blue)}
rect.bar,.key.bar::before,rect.now,.key.now::before{fill:var(--blue);background:var(--blue)}
rect.bad,.key.bad::before{fill:var(--red);background:var(--red)}
rect.was,.key.was::before{fill:var(--grey);background:var(--grey)}
.line.estimated{stroke:var(--grey);stroke-dasharray:5 3}.dot.estimated{fill:var(--grey)}
.key.estimated::before{background:var(--grey)}
.line.p99,.line.v1{stroke:var(--orange)}.dot.v1{fill:var(--orange)}.line.v2{stroke:var(--violet)}
.dot.v2{fill:var(--violet)}.line.v3{stroke:var(--green)}.dot.v3{fill:var(--green)}
.legend{font-weight:400;color:var(--soft);font-size:12px}.key{margin-left:12px}
.key::before{content:"";display:inline-block;width:9px;height:9px;margin-right:5px;border-radius:2px;
background:var(--blue)}.key.p99::before,.key.v1::before{background:var(--orange)}
.key.v2::before{background:var(--violet)}.key.v3::before{background:var(--green)}
"""
