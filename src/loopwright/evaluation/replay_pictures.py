"""Pictures of how two versions' answers to the same rows differ. Loading this takes half a second: Matplotlib."""

from __future__ import annotations

import io

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loopwright.evaluation.differences import Answers
from loopwright.statistics.arrays import Floats

COLOUR = "#1f6feb"
MOST_CLASSES = 20


def draw_answers(before: Answers, after: Answers, classes: tuple[str, ...], names: tuple[str, str]) -> bytes:
    """A PNG of both versions' answers: numbers and probabilities of two classes as points with a histogram of the
    differences; of more classes, what was called before and after. `names` are the versions'.
    """
    both = before.finite & after.finite
    before, after = before.take(both), after.take(both)
    png = io.BytesIO()
    with rc_context({"text.parse_math": False}):  # a class may be called "$50"
        if before.values.ndim == 1 or before.values.shape[1] == 2:
            figure = Figure(figsize=(10, 4.5), dpi=100)
            left, right = figure.subplots(1, 2, gridspec_kw={"left": 0.08, "right": 0.98, "wspace": 0.25})
            a, b = (one.values if one.values.ndim == 1 else one.values[:, 1] for one in (before, after))
            what = "answers" if before.values.ndim == 1 else f"probability of {classes[1]}"
            _points(left, a, b, what, names)
            _histogram(right, b - a, what, names)
        else:
            figure = Figure(figsize=(6, 4.5), dpi=100, layout="tight")
            _flips(figure.add_subplot(), before, after, classes, names)
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(png, format="png")
    return png.getvalue()


def _points(axes: Axes, a: Floats, b: Floats, what: str, names: tuple[str, str]) -> None:
    axes.hexbin(a, b, gridsize=50, bins="log", cmap="Blues", mincnt=1)
    ends = [min(a.min(), b.min()), max(a.max(), b.max())]
    axes.plot(ends, ends, color="black", linewidth=0.8, linestyle=":")
    axes.set(title=f"{what.capitalize()} to the same rows (darker: more)", xlabel=names[0], ylabel=names[1])


def _histogram(axes: Axes, moved: Floats, what: str, names: tuple[str, str]) -> None:
    low, high = np.quantile(moved, [0.005, 0.995])
    reach = max(abs(low), abs(high)) or 1.0
    axes.hist(np.clip(moved, -reach, reach), bins=60, color=COLOUR)
    axes.axvline(0, color="black", linewidth=0.8, linestyle=":")
    axes.set(title="Differences (the outer 1 % at the edges)", xlabel=f"{names[1]} minus {names[0]}", ylabel="rows")


def _flips(axes: Axes, before: Answers, after: Answers, classes: tuple[str, ...], names: tuple[str, str]) -> None:
    at = {name: place for place, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for a, b in zip(before.labels or (), after.labels or (), strict=True):
        counts[at[a], at[b]] += 1
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(title="What was called, and is called now", xlabel=names[1], ylabel=names[0])
    if len(classes) <= MOST_CLASSES:
        axes.set_xticks(range(len(classes)), classes, rotation=45 if len(classes) > 3 else 0)
        axes.set_yticks(range(len(classes)), classes)
        for row, column in np.ndindex(counts.shape):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour)
