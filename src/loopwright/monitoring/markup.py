"""The parts that the health report's page is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape


def section(title: str, body: str) -> str:
    """A titled part of the page; `body` is HTML already."""
    return f"<section><h2>{title}</h2>{body}</section>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], none: str) -> str:
    """Cells are HTML already; `none` stands where there are no rows."""
    if not rows:
        return f'<p class="none">{none}</p>'
    heads = "".join(f"<th>{name}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def legend(*entries: tuple[str, str]) -> str:
    """What the colours of a picture mean: a CSS class and a name each."""
    keys = "".join(f'<span class="key {kind}">{escape(name)}</span>' for kind, name in entries)
    return f'<span class="legend">{keys}</span>'


def badge(text: str, kind: str) -> str:
    return f'<span class="badge {kind}">{escape(text)}</span>'


def moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def span(start: datetime, end: datetime) -> str:
    day = "" if start.date() == end.date() else "%Y-%m-%d "
    return f'<span class="moment">{moment(start)} to {end:{day}%H:%M}</span>'
