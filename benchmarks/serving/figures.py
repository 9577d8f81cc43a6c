"""What was found: figures with their spread and, where one is set, the goal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The median of several rounds, the least and the greatest of them; `goal` is a bound from below or above."""

    part: str
    name: str
    unit: str
    value: float
    low: float
    high: float
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def goal(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return f"≤ {self.at_most:g}" if self.at_most is not None else ""

    @property
    def met(self) -> bool | None:
        """Whether the median meets the goal; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.value <= self.at_most if self.at_most is not None else None

    def record(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}

    def line(self) -> str:
        if self.value != self.value:  # NaN
            return f"  {self.name:<58} {self.note[:300]}"
        verdict = {None: "", True: "met", False: "NOT MET"}[self.met]
        spread = f"{shown(self.low)} – {shown(self.high)}"
        tail = " ".join(one for one in (self.goal, verdict, self.note) if one)
        return f"  {self.name:<58} {shown(self.value):>9} {self.unit:<4} ({spread:>17})  {tail}".rstrip()


def figure(part: str, name: str, unit: str, values: Sequence[float], **goal: Any) -> Figure:
    middle = statistics.median(values)
    return Figure(part=part, name=name, unit=unit, value=middle, low=min(values), high=max(values), **goal)


def left_out(part: str, name: str, reason: str) -> Figure:
    """Something that could not be measured, and why."""
    nothing = float("nan")
    return Figure(part=part, name=name, unit="", value=nothing, low=nothing, high=nothing, note=f"left out: {reason}")


def ratio(part: str, name: str, upper: Sequence[float], lower: Sequence[float], **goal: Any) -> Figure:
    """Round by round: what was measured side by side is compared."""
    return figure(part, name, "×", [one / other for one, other in zip(upper, lower, strict=True)], **goal)


def shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
