"""The bench: one set of test rows, and how whoever stands on it is measured and compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopwright.declare import DEFAULT_METRIC, METRICS
from loopwright.evaluation.records import Comparison, Estimate, Who
from loopwright.evaluation.rows import Floats, History, Mask, Places, resampling
from loopwright.evaluation.tasks import Scores, Task
from loopwright.statistics.bootstrap import difference, interval
from loopwright.statistics.metrics import METRICS_OF, prepare

OF_CALLED_ROWS = ("precision", "recall", "f1")


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
    """The test rows at `places`, in their order, with what came true; `metric` decides."""

    task: Task
    classes: tuple[str, ...]
    metric: str
    history: History
    places: Places
    confidence: float
    seed: int

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

    def compare(self, candidate: Contender, other: Contender) -> Comparison | None:
        """Candidate minus `other` where neither was trained; None where the metric has no meaning there."""
        rows = np.flatnonzero(candidate.unseen & other.unseen)
        name = self.dummy_metric if other.who == "dummy" else self.metric
        ours, theirs = (
            prepare(self.task.name, name, self.truth[rows], one.scores[rows], threshold=one.threshold)
            for one in (candidate, other)
        )
        if ours is None or theirs is None:
            return None
        draws = resampling(self.history, self.places[rows], self.seed)
        found = difference(ours, theirs, draws, more_is_better=METRICS[name][1], confidence=self.confidence)
        if found is None:
            return None
        return Comparison(
            against=other.who,
            metric=name,
            difference=found.difference,
            low=found.low,
            high=found.high,
            confidence=self.confidence,
            rows=len(rows),
            baseline=theirs.value(),
            sibling=other.sibling,
        )
