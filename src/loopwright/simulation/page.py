"""The simulation's report as one HTML page that needs nothing beside it: the three errors, and what happened when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from loopwright.simulation.records import Mark, SimulationReport
from loopwright.simulation.words import error_name, facts

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 900, 300, 56, 14, 70
LINES = (("never", "never retrained"), ("oracle", "retrained perfectly"), ("loop", "the loop"))
ROWS_OF_MARKS = ("world", "alert", "promoted", "refused", "aborted", "rolled back")


def to_html(report: SimulationReport) -> str:
    """The page, UTF-8 text: light or dark as the reader's system is; it loads nothing and runs no script."""
    title = escape(f"{report.model}: {report.scenario}")
    tiles = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in facts(report))
    changes = [
        (f"day {one.day:g}", one.text, _days(one.detected), _days(one.recovered) if one.harm else "no harm")
        for one in report.changes
    ]
    marks = [(f"{one.day:.2f}", one.kind, one.text, _verdict(one)) for one in report.marks]
    note = f"<p><strong>{escape(report.note)}</strong></p>" if report.note else ""
    sections = (
        f"<h1>{title}</h1><p>{_opening(report)}</p>{note}<section class='tiles'>{tiles}</section>",
        f"<section><h2>Error ({escape(error_name(report))}) by day</h2>{_legend()}{_curves(report)}</section>",
        _table("Changes of the world", ("when", "what", "found after", "recovered after"), changes),
        _table("What happened", ("day", "", "", ""), marks),
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main>{''.join(sections)}</main></body></html>"
    )


def _opening(report: SimulationReport) -> str:
    of = {"replay": "the project's rows in their order", "resampled": "the project's rows, drawn anew each day"}
    world = of.get(report.rows, "a world of our own")
    return escape(
        f"{len(report.days)} simulated days, {report.predictions:,} predictions, {world}, seed {report.seed}; "
        f"the real loop on a virtual clock, in {report.seconds:.0f} seconds"
    )


def _curves(report: SimulationReport) -> str:
    values = [value for day in report.days for value in (day.loop, day.oracle, day.never) if value is not None]
    top, days = max(values, default=0.0) * 1.08 or 1.0, max(1, len(report.days))

    def x(day: float) -> float:
        return LEFT + (WIDTH - LEFT) * day / days

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)

    drawn = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y(top * share):.1f}" y2="{y(top * share):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{y(top * share) + 3:.1f}" text-anchor="end">{top * share:.3g}</text>'
        for share in (0.0, 0.5, 1.0)
    ]
    for name, _ in LINES:
        points = [(x(one.day + 0.5), getattr(one, name)) for one in report.days]
        path = " ".join(f"{place:.1f},{y(value):.1f}" for place, value in points if value is not None)
        drawn.append(f'<polyline class="line {name}" points="{path}"/>')
    drawn += [_mark(one, x(one.day)) for one in report.marks if one.kind in ROWS_OF_MARKS]
    drawn += [
        f'<text x="{x(day):.1f}" y="{HEIGHT - 4}" text-anchor="middle">{day}</text>'
        for day in range(0, days + 1, max(1, days // 9))
    ]
    return f'<svg viewBox="0 0 {WIDTH + 12} {HEIGHT}" class="chart" role="img">{"".join(drawn)}</svg>'


def _mark(mark: Mark, x: float) -> str:
    title = f"<title>day {mark.day:.1f}, {escape(mark.kind)}: {escape(mark.text)}</title>"
    if mark.kind == "world":
        return f'<line class="world" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}">{title}</line>'
    row = HEIGHT - BOTTOM + 14 + 11 * min(ROWS_OF_MARKS.index(mark.kind) - 1, 3)
    wrong = " wrong" if mark.good is False else ""
    return f'<circle class="mark {mark.kind.replace(" ", "-")}{wrong}" cx="{x:.1f}" cy="{row}" r="4">{title}</circle>'


def _legend() -> str:
    keys = [*LINES, ("alert", "alert"), ("promoted", "promoted"), ("refused", "refused"), ("aborted", "aborted")]
    return (
        "<p class='legend'>"
        + "".join(f'<span class="key {kind}">{escape(name)}</span>' for kind, name in keys)
        + ("<span class='key ring'>a ring: it was wrong</span></p>")
    )


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    shown = "".join(f"<th>{escape(head)}</th>" for head in heads)
    table = f"<table><thead><tr>{shown}</tr></thead><tbody>{body}</tbody></table>" if body else "<p>none</p>"
    return f"<section><h2>{escape(title)}</h2>{table}</section>"


def _days(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f} days"


def _verdict(mark: Mark) -> str:
    return {None: "", True: "rightly", False: "wrongly"}[mark.good]


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2530;--soft:#66717d;--line:#dde3ea;--back:#fff;--blue:#2f6fdb;--grey:#9aa5b1;
--red:#d64545;--green:#2a9d6f;--orange:#dd8a1b}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--soft:#98a3af;--line:#2b343e;--back:#12171c}}
body{font:14px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);margin:0}
main{max-width:960px;margin:0 auto;padding:24px}h1{font-size:22px;margin:0}h2{font-size:16px;margin:28px 0 6px}
.tiles{display:flex;flex-wrap:wrap;gap:10px}.tiles div{border:1px solid var(--line);border-radius:8px;padding:8px 14px}
.tiles b{display:block;font-size:18px}.tiles span,.legend,p{color:var(--soft)}
.chart{width:100%}.chart text{font-size:11px;fill:var(--soft)}.grid{stroke:var(--line)}
.line{fill:none;stroke-width:1.8}.line.loop{stroke:var(--blue)}.line.oracle{stroke:var(--green)}
.line.never{stroke:var(--grey)}.world{stroke:var(--red);stroke-dasharray:4 3}
.mark.alert{fill:var(--orange)}.mark.promoted{fill:var(--blue)}.mark.refused{fill:var(--grey)}
.mark.aborted,.mark.rolled-back{fill:var(--red)}.mark.wrong{stroke:var(--red);stroke-width:2.5}
.key{margin-right:14px}.key::before{content:"";display:inline-block;width:9px;height:9px;margin-right:5px;
border-radius:5px;background:var(--grey)}.key.loop::before,.key.promoted::before{background:var(--blue)}
.key.oracle::before{background:var(--green)}.key.alert::before{background:var(--orange)}
.key.aborted::before{background:var(--red)}.key.ring::before{background:none;border:2px solid var(--red);width:6px;
height:6px}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:4px 10px 4px 0;border-bottom:1px solid
var(--line);vertical-align:top}
"""
