"""Small pictures in text: a histogram in one line, the commonest values with their shares."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"


def bars(counts: Sequence[float], width: int = 16) -> str:
    """Counts as bars, at most `width` of them: neighbours are added up. A blank is an empty bin."""
    step = max(1, -(-len(counts) // width))
    merged = [sum(counts[place : place + step]) for place in range(0, len(counts), step)]
    most = max(merged, default=0)
    return "".join(" " if not count else BLOCKS[int((len(BLOCKS) - 1) * count / most)] for count in merged)


def shares(top: Sequence[tuple[str, int]], rows: int, shown: int = 3) -> str:
    """The commonest values and how much of all rows each is."""
    return ", ".join(f"{value[:24]} {count / rows:.0%}" for value, count in top[:shown])
