"""The replay's report: a table of the months, and a picture of two errors, one of which is kept low."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from matplotlib.figure import Figure


@dataclass
class Month:
    """What happened in a month. Errors are root mean squared errors, in bicycles an hour.

    `renewed` is that of what the endpoint answered, `first` that of version 1 on the same hours. `version` was live
    when the month was asked for; `promoted` is the one that the month brought, None where it brought none.
    """

    name: str
    hours: int
    version: int
    renewed: float
    first: float
    drift: list[str] = field(default_factory=list)
    trigger: str = ""
    run: str = ""
    promoted: int | None = None
    sent: int = 0
    failed: int = 0


def write_report(months: Sequence[Month], folder: Path) -> Path:
    """Write `report.md`, its picture, and the months as JSON into `folder`; the report's path."""
    folder.mkdir(parents=True, exist_ok=True)
    _draw(months).savefig(folder / "report.png", dpi=110)
    (folder / "months.json").write_text(json.dumps([asdict(one) for one in months], indent=1), encoding="utf-8")
    path = folder / "report.md"
    path.write_text(_text(months), encoding="utf-8")
    return path


def _text(months: Sequence[Month]) -> str:
    hours = sum(one.hours for one in months)
    sent, failed = sum(one.sent for one in months), sum(one.failed for one in months)
    lines = [
        "# Bike demand: 2012, month by month",
        "",
        "A model learned from 2011. Each month of 2012 was asked for at its endpoint before the counts were known;",
        "then they arrived as a new file, and the platform did what it made of that. The errors are root mean squared",
        f"errors in bicycles an hour, over {hours:,} hours that no version had seen when it answered.",
        "",
        f"- The model that the loop renewed: **{_overall(months, 'renewed'):.1f}**",
        f"- Version 1, kept for ever: **{_overall(months, 'first'):.1f}**",
        f"- Requests: {sent:,}, failed: {failed:,}",
        "",
        "![The errors by month](report.png)",
        "",
        "| month | hours | live | its error | version 1's error | drift in | asked for by | then |",
        "|---|--:|---|--:|--:|---|---|---|",
        *map(_row, months),
        "",
    ]
    return "\n".join(lines)


def _row(one: Month) -> str:
    then = f"version {one.promoted} went live by canary" if one.promoted else one.run
    errors = f"{one.renewed:.1f} | {one.first:.1f}"
    drift = ", ".join(one.drift) or "nothing"
    return f"| {one.name} | {one.hours} | version {one.version} | {errors} | {drift} | {one.trigger} | {then} |"


def _overall(months: Sequence[Month], which: str) -> float:
    hours = sum(one.hours for one in months)
    return float((sum(one.hours * getattr(one, which) ** 2 for one in months) / hours) ** 0.5)


def _draw(months: Sequence[Month]) -> Figure:
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    names = [one.name for one in months]
    axes.plot(names, [one.first for one in months], color="#b0b0b0", marker="o", label="version 1, kept for ever")
    axes.plot(names, [one.renewed for one in months], color="#1f5fa8", marker="o", label="renewed by the loop")
    for place, one in enumerate(months):
        axes.annotate(f"v{one.version}", (place, one.renewed), (0, -14), textcoords="offset points", ha="center")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("error (RMSE, bicycles an hour)")
    axes.tick_params(axis="x", rotation=45)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
