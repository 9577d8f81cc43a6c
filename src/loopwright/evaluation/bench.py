"""The bench: one set of test rows, and how whoever stands on it is measured and compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from loopwright.evaluation.records import Comparison, Estimate, Who
from loopwright.evaluation.rows import Floats, History, Mask, Places, dependence, resampling
from loopwright.evaluation.tasks import Scores, Task
from loopwright.policies.tasks import DEFAULT_METRIC, METRICS
from loopwright.statistics.bootstrap import interval
from loopwright.statistics.dependence import FEWEST_MOMENTS, Dependence
from loopwright.statistics.metrics import METRICS_OF, prepare
from loopwright.statistics.paired import Paired, compare

OF_CALLED_ROWS = ("precision", "recall", "f1")
OF_RANKS = ("roc_auc", "pr_auc")
FEWEST_OF_A_CLASS = 5
"""Rows of the rarer class below which a ranking has no bounds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """Somebody's `scores` on the test rows `[n]`, and which of these rows (`unseen` `[n]`) it was not trained on.

    A binary score makes a row positive from `threshold` on. `sibling`: see `Comparison`.
    """

    who: Who
    scores: Scores
    unseen: Mask
    threshold: float = 0.5
    sibling: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """The test rows at `places`, in their order, with what came true; `metric` decides, within `margin`."""

    task: Task
    classes: tuple[str, ...]
    metric: str
    history: History
    places: Places
    confidence: float
    seed: int
    margin: float = 0.0

    @property
    def truth(self) -> Floats:
        return self.history.truth[self.places]

    @property
    def dummy_metric(self) -> str:
        """What the dummy must be beaten in. Metrics of called rows tell nothing against one that calls all of them
        positive (its recall is 1, and nothing is better) or none (its precision has no value, and any F1 is better):
        there the task's own metric says whether the candidate knows anything.
        """
        return DEFAULT_METRIC[self.task.name] if self.metric in OF_CALLED_ROWS else self.metric

    def estimates(self, one: Contender) -> dict[str, Estimate]:
        """Every metric that has a meaning on the rows the contender has not seen, with its interval at 95 %."""
        rows = np.flatnonzero(one.unseen)
        draws = resampling(self.history, self.places[rows], self.seed)
        found = {}
        for name in METRICS_OF[self.task.name]:
            statistic = prepare(self.task.name, name, self.truth[rows], one.scores[rows], threshold=one.threshold)
            estimate = interval(statistic, draws) if statistic else None
            if estimate:
                found[name] = Estimate(value=estimate.value, low=estimate.low, high=estimate.high)
        return found

    def gaps(self, candidate: Contender) -> list[str]:
        """What these rows cannot tell, in words."""
        said = []
        if self.history.strangers:
            said.append(f"{self.history.strangers:,} test rows are left out: the candidate does not know their class")
        if self.classes and len(np.unique(self.truth)) == 1:
            said.append(f"every test row is {self.classes[int(self.truth[0])]!r}: metrics of ranking have no value")
        if self.classes and (candidate.scores.min() < 0 or candidate.scores.max() > 1):
            said.append("the candidate's scores are no probabilities: log loss, Brier and calibration have no value")
        return said

    def dependence(self, inside: Mask) -> Dependence:
        """Which of the test rows `inside` may resemble each other."""
        return dependence(self.history, self.places[inside])

    def compare(
        self, candidate: Contender, other: Contender, metric: str | None = None, inside: Mask | None = None
    ) -> Comparison | None:
        """Candidate and `other` in the deciding metric or another, on the rows (`inside`) that neither was trained on;
        None where the metric has no meaning there.
        """
        chosen = candidate.unseen & other.unseen & (True if inside is None else inside)
        name = metric or (self.dummy_metric if other.who == "dummy" else self.metric)
        truth = self.truth[chosen]
        ours, theirs = (
            prepare(self.task.name, name, truth, one.scores[chosen], threshold=one.threshold)
            for one in (candidate, other)
        )
        if ours is None or theirs is None:
            return None
        margin = 0.0 if other.who == "dummy" else self.margin
        more, alike = METRICS[name][1], self.dependence(chosen)
        found = compare(ours, theirs, alike, more_is_better=more, margin=margin, confidence=self.confidence)
        if found is None:
            return None
        told = as_comparison(other.who, name, found, rows=len(truth), confidence=self.confidence, sibling=other.sibling)
        lacking = self._lacking(name, truth, alike)
        return _without_bounds(told, lacking) if lacking else told

    def _lacking(self, name: str, truth: Floats, alike: Dependence) -> str:
        """What the rows have too little of for bounds, however many they are; empty where they have enough."""
        if alike.ordered and alike.units < FEWEST_MOMENTS:
            return f"rows in order must be of {FEWEST_MOMENTS} moments or more, and these are of {alike.units}"
        if name in OF_RANKS and self.task.name == "binary" and (rarer := _rarer(truth)) < FEWEST_OF_A_CLASS:
            return f"a ranking's spread would rest on {rarer} rows of the rarer class, fewer than {FEWEST_OF_A_CLASS}"
        return ""


def as_comparison(
    against: Who, metric: str, found: Paired, *, rows: int, confidence: float, sibling: bool = False
) -> Comparison:
    """What was `found` over `rows` rows, the bounds at `confidence`, as a report holds it."""
    return Comparison(
        against=against,
        metric=metric,
        difference=found.difference,
        low=found.low,
        high=found.high,
        confidence=confidence,
        rows=rows,
        baseline=found.baseline,
        sibling=sibling,
        allowed=found.allowed,
        error=found.error,
        p_better=found.p_better,
        p_not_worse=found.p_not_worse,
        p_worse=found.p_worse,
    )


def _rarer(truth: Floats) -> int:
    positives = int((truth > 0.5).sum())
    return min(positives, len(truth) - positives)


def _without_bounds(one: Comparison, lacking: str) -> Comparison:
    return replace(one, low=None, high=None, error=None, p_better=None, p_not_worse=None, p_worse=None, lacking=lacking)
