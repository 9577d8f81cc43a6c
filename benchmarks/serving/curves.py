"""How throughput and the slowest hundredth go with connections, rows, features and models: numbers and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from serving.load import Load
from serving.plans import asked, ceiling, many, ours
from serving.rounds import in_turns, saturate, up
from serving.servers import Plan
from serving.setting import CEILING, CONNECTIONS, Setting, each


@dataclass(frozen=True, kw_only=True)
class Point:
    """One measurement: requests a second that were answered, p99 in milliseconds, the share that was refused."""

    curve: str
    who: str
    x: int
    rate: float
    p99: float
    refused: float


OURS = "loopwright"
SWEEPS: Mapping[str, Sequence[int]] = {
    "connections": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    "rows": (1, 10, 100, 1_000, 10_000),
    "features": (10, 30, 100, 300, 1_000),
    "models": (1, 3, 10, 30, 100),
}
FEW = {"connections": (1, 512), "rows": (1, 1_000), "features": (10, 1_000), "models": (1, 10)}
"""For a run that only shows that all works."""
LABELS = {
    "connections": "connections, one row a request",
    "rows": "rows a request, 8 connections",
    "features": "features, one row a request, 32 connections",
    "models": "models in one server, one row a request, 32 connections",
}


def measure_curves(setting: Setting, sweeps: Mapping[str, Sequence[int]]) -> list[Point]:
    """Every point of every curve, ours (with capture) and the ceiling's in turns."""
    return [
        point
        for curve, places in sweeps.items()
        for x in places
        for point in _points(setting, curve, x, *_SETTINGS[curve](setting, x))
    ]


def picture(curve: str) -> str:
    """The name of a curve's file."""
    return f"serving-{curve}.svg"


def draw(points: Sequence[Point], folder: Path) -> None:
    """A picture for each curve: throughput on the left, p99 on the right."""
    # The pictures are the only thing that needs matplotlib.
    from matplotlib.figure import Figure

    for curve in dict.fromkeys(one.curve for one in points):
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for who, colour in ((OURS, "#1c7ed6"), (CEILING, "#adb5bd")):
            mine = [one for one in points if one.curve == curve and one.who == who]
            if not mine:  # the ceiling knows one model
                continue
            for axes, values in ((left, [one.rate for one in mine]), (right, [one.p99 for one in mine])):
                axes.plot([one.x for one in mine], values, marker="o", markersize=4, color=colour, label=who)
        _label(left, curve, "requests a second")
        _label(right, curve, "p99, milliseconds")
        left.legend(frameon=False)
        figure.savefig(folder / picture(curve), metadata={"Date": None})


def _label(axes: object, curve: str, what: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel=LABELS[curve], title=what)  # type: ignore[attr-defined]
    axes.grid(alpha=0.25)  # type: ignore[attr-defined]
    axes.spines[["top", "right"]].set_visible(False)  # type: ignore[attr-defined]


def _points(setting: Setting, curve: str, x: int, plans: list[Plan], connections: int) -> list[Point]:
    with up(plans, setting.cores) as servers:
        loads, _ = in_turns(each(servers, saturate(connections, setting.pace), strict=False), 1)
    return [_point(curve, name, x, load) for name, (load,) in loads.items()]


def _point(curve: str, who: str, x: int, load: Load) -> Point:
    refused = load.failures / max(1, load.answers)
    return Point(curve=curve, who=who, x=x, rate=load.rate, p99=load.latency(0.99) / 1000, refused=refused)


def _connections(setting: Setting, x: int) -> tuple[list[Plan], int]:
    questions = asked(setting.store.numeric())
    return [ours(setting.store, questions), ceiling(questions)], x


def _rows(setting: Setting, x: int) -> tuple[list[Plan], int]:
    questions = asked(setting.store.numeric(), x)
    return [ours(setting.store, questions), ceiling(questions)], 8


def _features(setting: Setting, x: int) -> tuple[list[Plan], int]:
    questions = asked(setting.store.numeric(x))
    return [ours(setting.store, questions), ceiling(questions)], CONNECTIONS


def _models(setting: Setting, x: int) -> tuple[list[Plan], int]:
    return [replace(many(setting.store, asked(setting.store.numeric()), x), name=OURS)], CONNECTIONS


_SETTINGS: Mapping[str, Callable[[Setting, int], tuple[list[Plan], int]]] = {
    "connections": _connections,
    "rows": _rows,
    "features": _features,
    "models": _models,
}
