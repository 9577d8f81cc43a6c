"""Small pictures as inline SVG: no script, no file beside them. Colours are the page's CSS classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from math import floor, log10

WIDTH, HEIGHT = 720, 150
_LEFT, _BOTTOM, _TOP = 44, 18, 8


@dataclass(frozen=True, slots=True)
class Line:
    """A line's CSS class, its name, and its values; a None is a gap."""

    kind: str
    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Whisker:
    """A figure with its interval, where it has one; `kind` is a CSS class beside its own."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: str = ""


def lines(drawn: Sequence[Line], names: Sequence[str], unit: str) -> str:
    """Lines over the same places, which `names` label."""
    top = _round_up(max((value for line in drawn for value in line.values if value is not None), default=0.0))
    body = [_grid(top, unit), _ends(names)]
    for line in drawn:
        for points in _unbroken(line.values, top):
            if len(points) == 1:
                body.append(f'<circle class="dot {line.kind}" cx="{points[0][0]}" cy="{points[0][1]}" r="2.5"/>')
            else:
                path = " ".join(f"{x},{y}" for x, y in points)
                body.append(f'<polyline class="line {line.kind}" points="{path}"/>')
    titles = [
        f"{name}: " + ", ".join(f"{line.name} {_short(line.values[place])}" for line in drawn)
        for place, name in enumerate(names)
    ]
    return _svg(body, titles)


def bars(whole: Sequence[float], part: Sequence[float], names: Sequence[str], unit: str) -> str:
    """Bars with a part of each in another colour, such as requests and the failed ones among them."""
    top, step = _round_up(max(whole, default=0.0)), (WIDTH - _LEFT) / max(1, len(whole))
    body = [_grid(top, unit), _ends(names)]
    for place, (all_, some) in enumerate(zip(whole, part, strict=True)):
        x, width = _LEFT + place * step, max(1.0, 0.85 * step)
        body += [_bar("bar", x, width, 0, all_ - some, top), _bar("bad", x, width, all_ - some, all_, top)]
    titles = [
        f"{name}: {_short(all_)}, {_short(some)} of them failed"
        for name, all_, some in zip(names, whole, part, strict=True)
    ]
    return _svg(body, titles)


def whiskers(drawn: Sequence[Whisker]) -> str:
    """Points with their intervals, side by side; the axis spans what is drawn, and need not begin at nought."""
    known = [edge for one in drawn for edge in (one.low, one.value, one.high) if edge is not None]
    least, most = min(known, default=0.0), max(known, default=1.0)
    room = (most - least) * 0.08 or abs(most) * 0.05 or 1.0
    scale = _Scale(least - room, most + room)
    body = [_axis(scale), _ends([one.name for one in drawn])]
    step = (WIDTH - _LEFT) / max(1, len(drawn))
    for place, one in enumerate(drawn):
        x = round(_LEFT + (place + 0.5) * step, 1)
        if one.low is not None and one.high is not None:
            low, high = scale.y(one.low), scale.y(one.high)
            body.append(f'<line class="whisker" x1="{x}" x2="{x}" y1="{low}" y2="{high}"/>')
        body.append(f'<circle class="point {one.kind}" cx="{x}" cy="{scale.y(one.value)}" r="3.5"/>')
    return _svg(body, [_said(one) for one in drawn])


def histograms(labels: Sequence[str], reference: Sequence[float], window: Sequence[float]) -> str:
    """The shares of two sets of counts on the same bins, side by side."""
    width, height = 260, 74
    top, step = max((*reference, *window), default=0.0) or 1.0, width / max(1, len(labels))
    body = []
    for kind, shares, shift in (("was", reference, 0.0), ("now", window, 0.45)):
        for place, share in enumerate(shares):
            tall = share / top * (height - 2)
            x, wide = place * step + shift * step, 0.42 * step
            body.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{height - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}"/>'
            )
    for place, label in enumerate(labels):
        said = [f"{one[place]:.1%}" if place < len(one) else "unknown" for one in (reference, window)]
        title = f"{label}: reference {said[0]}, window {said[1]}"
        body.append(_hover(place * step, step, height, title))
    return f'<svg viewBox="0 0 {width} {height}" class="histogram" role="img">{"".join(body)}</svg>'


def sparkline(values: Sequence[float], limit: float) -> str:
    """A line of a few values against a limit."""
    width, height = 110, 28
    top = max((*values, limit)) * 1.1 or 1.0
    step = width / max(1, len(values) - 1)
    points = " ".join(f"{place * step:.1f},{height - value / top * height:.1f}" for place, value in enumerate(values))
    drawn = f'<line class="limit" x1="0" x2="{width}" y1="{height - limit / top * height:.1f}" '
    drawn += f'y2="{height - limit / top * height:.1f}"/><polyline class="line now" points="{points}"/>'
    return f'<svg viewBox="0 0 {width} {height}" class="spark" role="img">{drawn}</svg>'


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to heights."""

    least: float
    most: float

    def y(self, value: float) -> float:
        return _y(value - self.least, self.most - self.least)


def _axis(scale: _Scale) -> str:
    marks = []
    for share in (0.0, 0.5, 1.0):
        value = scale.least + share * (scale.most - scale.least)
        y = scale.y(value)
        marks.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH}" y1="{y}" y2="{y}"/>')
        marks.append(f'<text x="{_LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{_short(value)}</text>')
    return "".join(marks)


def _said(one: Whisker) -> str:
    between = f" ({_short(one.low)} – {_short(one.high)})" if one.low is not None and one.high is not None else ""
    return f"{one.name}: {one.value:.4g}{between}"


def _svg(body: Sequence[str], titles: Sequence[str]) -> str:
    step = (WIDTH - _LEFT) / max(1, len(titles))
    hovers = [_hover(_LEFT + place * step, step, HEIGHT, title) for place, title in enumerate(titles)]
    drawn = "".join((*body, *hovers))
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" class="chart" role="img">{drawn}</svg>'


def _hover(x: float, width: float, height: float, title: str) -> str:
    box = f'<rect class="hover" x="{x:.1f}" y="0" width="{width:.1f}" height="{height}">'
    return f"{box}<title>{escape(title)}</title></rect>"


def _grid(top: float, unit: str) -> str:
    marks = []
    for share in (0.0, 0.5, 1.0):
        y = _y(share * top, top)
        marks.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH}" y1="{y}" y2="{y}"/>')
        marks.append(f'<text x="{_LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{_short(share * top)}</text>')
    return "".join(marks) + f'<text x="{_LEFT + 4}" y="{_TOP + 9}">{escape(unit)}</text>'


def _ends(names: Sequence[str]) -> str:
    if not names:
        return ""
    first = f'<text x="{_LEFT}" y="{HEIGHT - 4}">{escape(names[0])}</text>'
    return first + f'<text x="{WIDTH}" y="{HEIGHT - 4}" text-anchor="end">{escape(names[-1])}</text>'


def _bar(kind: str, x: float, width: float, low: float, high: float, top: float) -> str:
    if high <= low:
        return ""
    y, below = _y(high, top), _y(low, top)
    return f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{below - y:.1f}"/>'


def _unbroken(line: Sequence[float | None], top: float) -> list[list[tuple[float, float]]]:
    step = (WIDTH - _LEFT) / max(1, len(line))
    placed = [
        (round(_LEFT + (place + 0.5) * step, 1), None if value is None else _y(value, top))
        for place, value in enumerate(line)
    ]
    runs = groupby(placed, key=lambda point: point[1] is None)
    return [[(x, y) for x, y in points if y is not None] for missing, points in runs if not missing]


def _y(value: float, top: float) -> float:
    return round(HEIGHT - _BOTTOM - value / (top or 1.0) * (HEIGHT - _BOTTOM - _TOP), 1)


def _round_up(value: float) -> float:
    """The next round number: 1, 1.2, 1.5, 2, 3, 4, 5, 6 or 8 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(power * factor for factor in (1, 1.2, 1.5, 2, 3, 4, 5, 6, 8, 10, 12) if power * factor >= value)


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
