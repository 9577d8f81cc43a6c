"""A shadow's comparison as one HTML page that needs nothing beside it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape

from loopwright.evaluation.differences import Bounded, Difference
from loopwright.monitoring.shadow_records import ShadowComparison, Side


def to_html(found: ShadowComparison, picture: bytes | None) -> str:
    """The page, UTF-8 text, with the picture (a PNG) in it; it loads nothing and runs no script."""
    title = escape(f"{found.model}: version {found.version} as a shadow")
    drawn = b64encode(picture or b"").decode()
    sections = (
        f"<h1>{title}</h1><p>{escape(headline(found))}</p>",
        "".join(f"<p class=note>{escape(note)}</p>" for note in found.notes),
        f'<img alt="the answers of both" src="data:image/png;base64,{drawn}">' if drawn else "",
        _differences(found),
        _flips(found),
        _metrics(found),
        _sides(found),
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main>{''.join(sections)}</main></body></html>"
    )


def headline(found: ShadowComparison) -> str:
    """What was compared, in a sentence."""
    when = f"from {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"
    if found.differences is None:
        return f"{found.rows:,} rows could be compared {when}"
    whole = found.differences.whole
    text = f"{whole.rows:,} rows that version {found.against} answered {when}: {share(whole.changed)} of the answers"
    text += f" would differ by more than {found.differences.tolerance:.3g}"
    return text if whole.flipped is None else f"{text}, {share(whole.flipped)} would be another class"


def difference_rows(found: ShadowComparison) -> list[tuple[str, ...]]:
    """A row a segment, all rows first: what `DIFFERENCE_HEADS` say."""
    if found.differences is None:
        return []
    return [_cells(one) for one in (found.differences.whole, *found.differences.segments)]


DIFFERENCE_HEADS = ("segment", "rows", "mean shift", "mean", "median", "p95", "changed", "another class")


def metric_rows(found: ShadowComparison) -> list[tuple[str, ...]]:
    """A row a metric: what `METRIC_HEADS` say."""
    return [
        (one.name, f"{one.answered:.4g}", f"{one.shadow:.4g}", figure(one.difference, one.low, one.high))
        for one in found.metrics
    ]


METRIC_HEADS = ("metric", "answered", "shadow", "difference, more is better")


def share(one: Bounded) -> str:
    """A share with its interval."""
    return f"{one.value:.1%}" + ("" if one.low is None or one.high is None else f" [{one.low:.1%}, {one.high:.1%}]")


def figure(value: float, low: float | None, high: float | None) -> str:
    """A figure with its interval."""
    return f"{value:.4g}" + ("" if low is None or high is None else f" [{low:.3g}, {high:.3g}]")


def side_rows(found: ShadowComparison) -> list[tuple[str, ...]]:
    """A row a version: what `SIDE_HEADS` say."""
    sides = [("shadow", found.shadow)] + ([("answered", found.answered)] if found.answered else [])
    return [_side(role, one) for role, one in sides]


SIDE_HEADS = ("version", "requests", "failed", "by kind", "p50", "p99")


def _cells(one: Difference) -> tuple[str, ...]:
    return (
        f"{one.column}: {one.value}" if one.column else "all",
        f"{one.rows:,}",
        "–" if one.shift is None else figure(one.shift.value, one.shift.low, one.shift.high),
        f"{one.mean:.4g}",
        f"{one.median:.4g}",
        f"{one.p95:.4g}",
        share(one.changed),
        "–" if one.flipped is None else share(one.flipped),
    )


def _side(role: str, one: Side) -> tuple[str, ...]:
    return (
        f"{one.version} ({role})",
        f"{one.requests:,}",
        share(one.error_share) if one.requests else "–",
        ", ".join(f"{kind} {count:,}" for kind, count in sorted(one.errors.items())) or "–",
        *("–" if ms is None else f"{ms:.3g} ms" for ms in (one.p50_ms, one.p99_ms)),
    )


def _differences(found: ShadowComparison) -> str:
    rows = difference_rows(found)
    about = "the shadow's answer minus the one given; intervals of the segments hold all together at 95 %"
    return f"<h2>Differences</h2><p class=note>{about}</p>{_table(DIFFERENCE_HEADS, rows)}" if rows else ""


def _flips(found: ShadowComparison) -> str:
    flips = found.differences.flips if found.differences else {}
    names = sorted(set(flips) | {name for row in flips.values() for name in row})
    rows = [(name, *(f"{flips.get(name, {}).get(other, 0):,}" for other in names)) for name in names]
    heads = ("answered ↓ shadow →", *names)
    return f"<h2>Classes</h2>{_table(heads, rows)}" if names else ""


def _metrics(found: ShadowComparison) -> str:
    rows = metric_rows(found)
    return f"<h2>On {found.outcomes:,} rows whose outcome is known</h2>{_table(METRIC_HEADS, rows)}" if rows else ""


def _sides(found: ShadowComparison) -> str:
    return f"<h2>Errors and latency</h2>{_table(SIDE_HEADS, side_rows(found))}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_STYLE = """
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:2rem auto;padding:0 1rem}
img{max-width:100%;background:#fff}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid #8884}
th:first-child,td:first-child{text-align:left}
.note{opacity:.7}
"""
