"""Pictures of how a candidate does, as PNGs. Loading this module takes about half a second: Matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loopwright.evaluation.bench import Bench, Contender
from loopwright.policies.tasks import TaskName
from loopwright.statistics.arrays import AnyArray, Floats
from loopwright.statistics.statistic import Ranking

COLOURS = {"candidate": "#1f6feb", "champion": "#8b949e", "dummy": "#8b949e"}
POINTS = 500
"""Points of a curve, at most: more cannot be seen."""
MOST_CLASSES = 20
LONG_LABELS = ("confusion", "importance")
"""Pictures with names at their sides, for which room must be made; that takes time."""

Draw = Callable[[Axes, Bench, Sequence[Contender]], None]


def draw_pictures(
    bench: Bench, candidate: Contender, champion: Contender | None, importance: Mapping[str, float]
) -> dict[str, bytes]:
    """PNGs by name, as the task has them. The champion is drawn where it has seen none of the test rows."""
    shown = [candidate] + ([champion] if champion is not None and champion.unseen.all() else [])
    draws = PICTURES[bench.task.name]
    if importance:
        draws = draws | {"importance": lambda axes, *_: _importance(axes, importance)}
    return {name: _png(name, draw, bench, shown) for name, draw in draws.items()}


def _png(name: str, draw: Draw, bench: Bench, shown: Sequence[Contender]) -> bytes:
    png = io.BytesIO()
    with rc_context({"text.parse_math": False}):  # a class may be called "$50"
        figure = Figure(figsize=(6, 4.5), dpi=100, layout="tight" if name in LONG_LABELS else None)
        axes = figure.add_subplot()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes, bench, shown)
        figure.savefig(png, format="png")
    return png.getvalue()


def _roc(axes: Axes, bench: Bench, shown: Sequence[Contender]) -> None:
    for one in reversed(shown):  # the candidate on top
        positives, negatives = Ranking.of(bench.truth == 1, one.scores).reached(None)
        x, y = _share(negatives), _share(positives)
        axes.plot(*_thin(np.append(0.0, x), np.append(0.0, y)), color=COLOURS[one.who], label=one.who)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
    axes.set(title="ROC", xlabel="share of negatives called positive", ylabel="share of positives found")
    axes.legend(frameon=False)


def _roc_by_class(axes: Axes, bench: Bench, shown: Sequence[Contender]) -> None:
    candidate = shown[0]
    for place, name in enumerate(bench.classes[:10]):
        positives, negatives = Ranking.of(bench.truth == place, candidate.scores[:, place]).reached(None)
        if positives[-1] > 0 and negatives[-1] > 0:
            axes.plot(*_thin(_share(negatives), _share(positives)), label=name)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
    axes.set(title="ROC, each class against the rest", xlabel="share of the rest", ylabel="share of the class found")
    axes.legend(frameon=False)


def _precision_recall(axes: Axes, bench: Bench, shown: Sequence[Contender]) -> None:
    for one in reversed(shown):  # the candidate on top
        positives, negatives = Ranking.of(bench.truth == 1, one.scores).reached(None)
        precision = positives / (positives + negatives)
        axes.step(*_thin(_share(positives), precision), where="post", color=COLOURS[one.who], label=one.who)
    axes.axhline(float(bench.truth.mean()), color="black", linewidth=0.8, linestyle=":")
    axes.set(title="Precision and recall", xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    axes.legend(frameon=False)


def _calibration(axes: Axes, bench: Bench, shown: Sequence[Contender]) -> None:
    """Binary: of the positive class. Multiclass: of the class that is called."""
    for one in reversed(shown):  # the candidate on top
        if one.scores.ndim == 1:
            said, came = one.scores, bench.truth == 1
        else:
            said, came = one.scores.max(axis=1), one.scores.argmax(axis=1) == bench.truth
        place = np.clip((said * 10).astype(np.int64), 0, 9)
        rows = np.bincount(place, minlength=10)
        filled = rows > 0
        mean_said = np.bincount(place, weights=said, minlength=10)[filled] / rows[filled]
        share = np.bincount(place, weights=came.astype(np.float64), minlength=10)[filled] / rows[filled]
        axes.plot(mean_said, share, marker="o", color=COLOURS[one.who], label=one.who)
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":")
    axes.set(title="Calibration", xlabel="probability said, mean of a tenth", ylabel="share that came true")
    axes.legend(frameon=False)


def _confusion(axes: Axes, bench: Bench, shown: Sequence[Contender]) -> None:
    candidate, names = shown[0], bench.classes
    if candidate.scores.ndim == 1:
        called = (candidate.scores >= candidate.threshold).astype(np.int64)
    else:
        called = candidate.scores.argmax(axis=1)
    width = len(names)
    counts = np.bincount(bench.truth.astype(np.int64) * width + called, minlength=width * width).reshape(width, width)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(title="Confusion (shares of each true class)", xlabel="called", ylabel="true")
    if width <= MOST_CLASSES:
        axes.set_xticks(range(width), names, rotation=45 if width > 3 else 0)
        axes.set_yticks(range(width), names)
        for row, column in np.ndindex(counts.shape):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour)


def _residuals(axes: Axes, bench: Bench, shown: Sequence[Contender]) -> None:
    residuals = bench.truth - shown[0].scores
    low, high = np.quantile(residuals, [0.005, 0.995])
    reach = max(abs(low), abs(high)) or 1.0
    axes.hist(np.clip(residuals, -reach, reach), bins=60, color=COLOURS["candidate"])
    axes.axvline(0, color="black", linewidth=0.8, linestyle=":")
    axes.set(title="Residuals (the outer 1 % at the edges)", xlabel="true minus predicted", ylabel="rows")


def _predicted(axes: Axes, bench: Bench, shown: Sequence[Contender]) -> None:
    truth, said = bench.truth, shown[0].scores
    axes.hexbin(said, truth, gridsize=50, bins="log", cmap="Blues", mincnt=1)
    ends = [min(truth.min(), said.min()), max(truth.max(), said.max())]
    axes.plot(ends, ends, color="black", linewidth=0.8, linestyle=":")
    axes.set(title="Predicted and true (darker: more rows)", xlabel="predicted", ylabel="true")


def _importance(axes: Axes, importance: Mapping[str, float]) -> None:
    ranked = sorted(importance.items(), key=lambda one: one[1])[-20:]
    axes.barh([name for name, _ in ranked], [share for _, share in ranked], color=COLOURS["candidate"])
    axes.set(title="What it leans on", xlabel="share of the importance")


def _share(reached: Floats) -> Floats:
    return reached / max(float(reached[-1]), 1.0)


def _thin(x: AnyArray, y: AnyArray) -> tuple[AnyArray, AnyArray]:
    places = np.unique(np.linspace(0, len(x) - 1, POINTS).astype(np.int64))
    return x[places], y[places]


PICTURES: dict[TaskName, dict[str, Draw]] = {
    "binary": {"roc": _roc, "pr": _precision_recall, "calibration": _calibration, "confusion": _confusion},
    "multiclass": {"roc": _roc_by_class, "calibration": _calibration, "confusion": _confusion},
    "regression": {"residuals": _residuals, "predicted": _predicted},
}
