"""Two predictions on the same rows: is the candidate better, or not worse by a margin? Each at its own null boundary.

What is tested is a linear contrast, the candidate's figure against (1 - margin) or (1 + margin) times the baseline's,
so that the baseline's own uncertainty counts. Its standard error comes from the difference of both figures' influences
(the delta method), for ROC-AUC the variance of DeLong, DeLong & Clarke-Pearson (1988). Student's t is asked with the
freedom of that error (`dependence.spread`). Of a figure between 0 and 1 of which more is better, the contrast of the
logits must show it as well: near 1 an error falls as the figure rises, and the plain test would pass too many.

A share of rows (accuracy, recall) on independent rows is a matter of the rows in which the two differ. Without a margin
the test is McNemar's, exact and mid-p (Fagerland, Lydersen & Laake, 2013). With one it is the score test of a ratio of
paired shares (Nam & Blackwelder, 2002; Tang, Tang & Chan, 2003): its variance is that of the null hypothesis,
which does not vanish where the two hardly differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma, log, sqrt

import numpy as np

from loopwright.statistics.arrays import Bools, Floats
from loopwright.statistics.dependence import Dependence, Spread, spread
from loopwright.statistics.special import beta_share, normal_tail, student_quantile, student_tail
from loopwright.statistics.statistic import Statistic, Sums


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """One metric of two predictions on the same rows, signed so that positive means the candidate is better.

    `low` and `high` each bound the difference on one side at the confidence asked for. One-sided p-values of three null
    hypotheses: `p_better` of "no better", `p_not_worse` of "worse by the margin or more", `p_worse` of "worse by the
    margin at most". `error` is the standard error at the boundary with the margin, `allowed` the margin in the metric's
    unit. All but the difference are None where there are too few units of rows.
    """

    difference: float
    baseline: float
    allowed: float
    low: float | None = None
    high: float | None = None
    error: float | None = None
    p_better: float | None = None
    p_not_worse: float | None = None
    p_worse: float | None = None


def compare(
    candidate: Statistic,
    baseline: Statistic,
    dependence: Dependence,
    *,
    more_is_better: bool,
    margin: float = 0.0,
    confidence: float = 0.95,
) -> Paired | None:
    """Candidate against baseline; None where either has no value. `margin` is a share of the baseline's figure."""
    pair = _Pair.of(candidate, baseline, dependence, more_is_better)
    if pair is None:
        return None
    allowed = margin * abs(pair.theirs)
    plain, shifted = pair.contrast(0.0), pair.contrast(margin)
    if plain is None or shifted is None:
        return Paired(difference=pair.difference, baseline=pair.theirs, allowed=allowed)
    reach = student_quantile(confidence, plain.freedom) * plain.error
    better, _ = pair.p_values(0.0, plain)
    not_worse, worse = pair.p_values(margin, shifted)
    return Paired(
        difference=pair.difference,
        baseline=pair.theirs,
        allowed=allowed,
        low=pair.difference - reach,
        high=pair.difference + reach,
        error=shifted.error,
        p_better=better,
        p_not_worse=min(not_worse, better),  # the two lean differently, but who is better is not worse
        p_worse=worse,
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    candidate: Statistic
    baseline: Statistic
    dependence: Dependence
    ours: float
    theirs: float
    sign: float
    of_ours: Floats
    of_theirs: Floats

    @classmethod
    def of(cls, candidate: Statistic, baseline: Statistic, dependence: Dependence, more: bool) -> _Pair | None:
        if not candidate.rows == baseline.rows == dependence.rows:
            raise ValueError(f"figures over {candidate.rows} and {baseline.rows} rows, of which {dependence.rows} are")
        ours, theirs = candidate.value(), baseline.value()
        if not np.isfinite(ours) or not np.isfinite(theirs):
            return None
        influences = candidate.influence(), baseline.influence()
        return cls(candidate, baseline, dependence, ours, theirs, 1.0 if more else -1.0, *influences)

    @property
    def difference(self) -> float:
        return self.sign * (self.ours - self.theirs)

    def bar(self, margin: float) -> float:
        """The figure of a candidate that is worse than the baseline by exactly `margin` of it."""
        return self.theirs - self.sign * margin * abs(self.theirs)

    def contrast(self, margin: float) -> Spread | None:
        """How well the candidate's figure less the bar is known."""
        cells = self._cells()
        if cells is not None and self.dependence.independent:
            return cells.spread(self.bar(margin) / self.theirs if self.theirs else 1.0)
        share = 1 - self.sign * margin * np.sign(self.theirs)
        return spread(self.of_ours - share * self.of_theirs, self.dependence)

    def p_values(self, margin: float, known: Spread) -> tuple[float, float]:
        """Of "at the bar or worse", and of "at the bar or better"."""
        bar, cells = self.bar(margin), self._cells()
        of_rows = [] if cells is None else [cells.p_values(bar / self.theirs if self.theirs else 1.0)]
        if of_rows and self.dependence.independent:
            return of_rows[0]
        found = [_p_values(self.sign * (self.ours - bar), known, self.sign), *of_rows]
        if self.sign > 0 and min(bar, self.ours) > 0 and max(bar, self.ours) < 1:
            found.append(self._of_logits(margin, bar))
        return max(above for above, _ in found), max(below for _, below in found)

    def _of_logits(self, margin: float, bar: float) -> tuple[float, float]:
        ours, theirs = self.ours * (1 - self.ours), bar * (1 - bar)
        known = spread(self.of_ours / ours - (1 - margin) * self.of_theirs / theirs, self.dependence)
        assert known is not None
        return _p_values(_logit(self.ours) - _logit(bar), known)

    def _cells(self) -> _Cells | None:
        ours, theirs = (one.hits if isinstance(one, Sums) else None for one in (self.candidate, self.baseline))
        return None if ours is None or theirs is None else _Cells.of(ours, theirs)


def _p_values(ahead: float, known: Spread, sign: float = 1.0) -> tuple[float, float]:
    if known.error == 0:
        return float(ahead <= 0), float(ahead >= 0)
    t, skew = ahead / known.error, sign * known.skew
    above, below = _upright(t, min(skew, 0.0)), _upright(-t, min(-skew, 0.0))
    return student_tail(above, known.freedom), student_tail(below, known.freedom)


def _upright(t: float, skew: float) -> float:
    """The cubic of Hall (1992) that takes the lean from a studentized figure; it never falls as `t` rises."""
    return t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6


@dataclass(frozen=True, slots=True)
class _Cells:
    """Of the rows that count: how many both hit, only ours, only theirs, neither."""

    both: int
    ours: int
    theirs: int
    neither: int

    @classmethod
    def of(cls, ours: Bools, theirs: Bools) -> _Cells:
        both, either = int((ours & theirs).sum()), int((ours | theirs).sum())
        return cls(both, int(ours.sum()) - both, int(theirs.sum()) - both, len(ours) - either)

    @property
    def rows(self) -> int:
        return self.both + self.ours + self.theirs + self.neither

    def spread(self, ratio: float) -> Spread:
        """Under the null hypothesis that our share is `ratio` times theirs; the normal distribution is asked."""
        return Spread(error=sqrt(self._variance(ratio) / self.rows), freedom=np.inf)

    def p_values(self, ratio: float) -> tuple[float, float]:
        if ratio == 1:
            above = _mid_p(self.ours, self.ours + self.theirs)
            return above, 1 - above
        ahead = (self.both + self.ours - ratio * (self.both + self.theirs)) / self.rows
        error = self.spread(ratio).error
        return (normal_tail(ahead / error), normal_tail(-ahead / error)) if error else (float(ahead <= 0), 1.0)

    def _variance(self, ratio: float) -> float:
        """Of a row's hit of ours less `ratio` times theirs, by the likeliest shares of which that has the mean 0.

        These are counts / (rows + tilt value), by Lagrange. Where no tilt will do, the mass that is missing lies in the
        cell of the extreme value, though nothing was seen there.
        """
        counts = np.array([self.both, self.ours, self.theirs, self.neither], dtype=np.float64)
        values = np.array([1 - ratio, 1.0, -ratio, 0.0])
        shares = _tilted(counts / self.rows, values)
        return float((shares * values**2).sum())


def _tilted(shares: Floats, values: Floats) -> Floats:
    seen = shares > 0
    held, weighed = values[seen], (shares * values)[seen]
    low, high = -1 / values.max(), -1 / values.min()
    for _ in range(60):
        tilt = (low + high) / 2
        low, high = (tilt, high) if float((weighed / (1 + tilt * held)).sum()) > 0 else (low, tilt)
    found = np.zeros(len(shares))
    found[seen] = shares[seen] / (1 + tilt * held)
    found[values.argmin() if tilt > 0 else values.argmax()] += 1 - found.sum()
    return found


def _mid_p(hits: int, rows: int) -> float:
    """P(X > hits) + P(X = hits) / 2 of a fair coin thrown `rows` times."""
    exactly = exp(lgamma(rows + 1) - lgamma(hits + 1) - lgamma(rows - hits + 1) - rows * log(2))
    more = beta_share(hits + 1, rows - hits, 0.5) if hits < rows else 0.0
    return more + exactly / 2


def _logit(share: float) -> float:
    return log(share / (1 - share))
