"""Are two samples from one population? Tests on values, on counts, and on shares, each with a p-value."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np

from loopwright.statistics.arrays import AnyArray, Floats
from loopwright.statistics.bridge import bridge_tail
from loopwright.statistics.special import chi_squared_tail, kolmogorov_tail, normal_quantile, normal_tail, student_tail

Alternative = Literal["different", "more", "less"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Significance:
    """A test's statistic, and how likely one at least as extreme is where both samples come from one population."""

    statistic: float
    p_value: float


def ks_values(a: AnyArray, b: AnyArray) -> Significance | None:
    """Two-sample Kolmogorov-Smirnov test of numbers; NaN is left out. None where either sample is empty.

    The statistic is exact; the p-value is the asymptotic one with Stephens's correction (1970), which from 25 values
    a side on lies within 0.07 of the exact one, and within 0.02 where that is below 0.1; ties make it conservative.
    """
    first, second = (np.sort(one[~np.isnan(one)]) for one in (np.asarray(a, np.float64), np.asarray(b, np.float64)))
    return ks_sorted(first, second)


def ks_sorted(a: Floats, b: Floats) -> Significance | None:
    """`ks_values` of values that are sorted already and hold no NaN."""
    if not len(a) or not len(b):
        return None
    ranks = np.arange(len(a) + 1) / len(a)
    upto = np.searchsorted(b, a, side="right")
    before, tied = upto.copy(), (upto > 0) & (b[upto - 1] == a)
    before[tied] = np.searchsorted(b, a[tied], side="left")
    furthest = max((ranks[1:] - upto / len(b)).max(), (before / len(b) - ranks[:-1]).max())
    return _ks(float(furthest), len(a), len(b))


def rank_sum(a: AnyArray, b: AnyArray) -> tuple[float, Significance] | None:
    """The chance that a value of `a` exceeds one of `b` (ties count half: the ROC-AUC), and whether it is above 1/2.

    Mann & Whitney (1947), one-sided, by the normal approximation with ties; None where either is empty.
    """
    rows_a, rows_b = len(a), len(b)
    if not rows_a or not rows_b:
        return None
    _, places, ties = np.unique(np.concatenate([a, b]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[places[:rows_a]]
    area = (float(ranks.sum()) - rows_a * (rows_a + 1) / 2) / (rows_a * rows_b)
    rows = rows_a + rows_b
    tied = float((ties.astype(np.float64) ** 3 - ties).sum()) / (rows * max(1, rows - 1))
    spread = sqrt((rows + 1 - tied) / (12 * rows_a * rows_b)) if rows + 1 > tied else 0.0
    z = (area - 0.5) / spread if spread else 0.0
    return area, Significance(statistic=z, p_value=normal_tail(z))


def ks_counts(a: AnyArray, b: AnyArray) -> Significance | None:
    """The same from counts on common bins, [bins] each, or of values that repeat: the greatest distance at the edges.

    The p-value is that of a Brownian bridge looked at where the edges lie among both samples' values, and nowhere else
    (see `bridge_tail`). Kolmogorov's own, which looks everywhere, would give half the false alarms that it states.
    Distances come in steps of a row: half a step of the smaller sample is taken off.
    """
    first, second = _counts(a, b)
    rows_a, rows_b = float(first.sum()), float(second.sum())
    if not rows_a or not rows_b:
        return None
    distance = float(np.abs(np.cumsum(first) / rows_a - np.cumsum(second) / rows_b).max())
    reached = np.cumsum(first + second)[:-1] / (rows_a + rows_b)
    root = sqrt(rows_a * rows_b / (rows_a + rows_b))
    height = root * max(0.0, distance - 0.5 / min(rows_a, rows_b))
    return Significance(statistic=distance, p_value=bridge_tail(reached, height))


def chi_squared(a: AnyArray, b: AnyArray, *, pool_below: float = 5.0) -> Significance | None:
    """Pearson's test that counts of the same categories, [categories] each, share their proportions.

    Categories expected fewer than `pool_below` times in either sample are counted as one (Cochran, 1954). None where
    either sample is empty; with one category left there is nothing to tell apart, and the p-value is 1.
    """
    observed = np.stack(_counts(a, b))
    totals = observed.sum(axis=1)
    if not totals.all():
        return None
    expected = totals[:, None] * observed.sum(axis=0) / totals.sum()
    rare = expected.min(axis=0) < pool_below
    observed = np.column_stack([observed[:, ~rare], observed[:, rare].sum(axis=1)])
    observed = observed[:, observed.sum(axis=0) > 0]
    expected = totals[:, None] * observed.sum(axis=0) / totals.sum()
    statistic = float(((observed - expected) ** 2 / expected).sum())
    freedom = observed.shape[1] - 1
    return Significance(statistic=statistic, p_value=chi_squared_tail(statistic, freedom) if freedom else 1.0)


def overdispersion(counts: AnyArray) -> float:
    """How many times more several samples' counts [samples, categories] differ than chance has it; 1 at least.

    Pearson's statistic over its degrees of freedom, of the categories expected 5 times or more in each sample. Counts
    divided by it are tested as though they were independent (Rao & Scott, 1981, their first-order correction).
    """
    observed = np.asarray(counts, dtype=np.float64)
    observed = observed[observed.sum(axis=1) > 0]
    if len(observed) < 2:
        return 1.0
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0) / observed.sum())
    common = expected.min(axis=0) >= 5
    freedom = (len(observed) - 1) * (int(common.sum()) - 1)
    if freedom < 1:
        return 1.0
    return max(1.0, float(((observed - expected) ** 2 / np.maximum(expected, 1e-12))[:, common].sum()) / freedom)


def alike(counts: AnyArray) -> Significance | None:
    """Do several samples' counts [samples, categories], some of them few, come from one population?

    Pearson's statistic, whose law where it is expected fewer than five times is no chi-squared: it has the mean and the
    variance that multinomial samples of these sizes have (Pearson, 1932), and the shape of a chi-squared that has both
    (Satterthwaite, 1946). None of fewer than two samples or categories, or where the statistic can only be what it is,
    as of samples of one each.
    """
    observed = np.asarray(counts, dtype=np.float64)
    observed = observed[observed.sum(axis=1) > 0]
    observed = observed[:, observed.sum(axis=0) > 0]
    samples, categories = observed.shape
    if samples < 2 or categories < 2:
        return None
    rows, shares = observed.sum(axis=1), observed.sum(axis=0) / observed.sum()
    expected = np.outer(rows, shares)
    statistic = float(((observed - expected) ** 2 / expected).sum())
    rare = float((1 / shares).sum()) - categories**2 - 2 * categories + 2
    mean = (samples - 1) * (categories - 1)
    variance = (samples - 1) * (2 * (categories - 1) + rare * float((1 / rows).mean()))
    scale = variance / (2 * mean)
    if scale < 1e-9:
        return None
    return Significance(statistic=statistic, p_value=chi_squared_tail(statistic / scale, mean / scale))


def unusual_count(count: int, usual: AnyArray) -> Significance | None:
    """Does `count` come from where the counts `usual` [2 or more] do? Two-sided; None of fewer.

    Student's t of 2 sqrt(x + 3/8) (Anscombe, 1948), whose variance is 1 for Poisson counts, and whatever the usual ones
    show where they spread more than that: traffic is burstier than chance.
    """
    if len(usual) < 2:
        return None
    roots = 2 * np.sqrt(np.asarray(usual, dtype=np.float64) + 0.375)
    spread = max(1.0, float(roots.var(ddof=1)))
    t = (2 * sqrt(count + 0.375) - float(roots.mean())) / sqrt(spread * (1 + 1 / len(roots)))
    return Significance(statistic=t, p_value=min(1.0, 2 * student_tail(abs(t), len(roots) - 1)))


def two_proportions(
    hits_a: int, rows_a: int, hits_b: int, rows_b: int, *, alternative: Alternative = "different"
) -> Significance | None:
    """z test, with pooled variance, of share a against share b; `more` asks whether a's is the greater.

    None where either has no rows. Equal shares that are all or nothing give z = 0.
    """
    if not rows_a or not rows_b:
        return None
    pooled = (hits_a + hits_b) / (rows_a + rows_b)
    spread = sqrt(pooled * (1 - pooled) * (1 / rows_a + 1 / rows_b))
    z = (hits_a / rows_a - hits_b / rows_b) / spread if spread else 0.0
    tails = {"different": 2 * normal_tail(abs(z)), "more": normal_tail(z), "less": normal_tail(-z)}
    return Significance(statistic=z, p_value=tails[alternative])


def wilson(hits: int, rows: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share, two-sided; (0, 1) where there are no rows."""
    if not rows:
        return 0.0, 1.0
    z, share = normal_quantile((1 + confidence) / 2), hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    low = 0.0 if hits == 0 else max(0.0, middle - reach)
    return low, 1.0 if hits == rows else min(1.0, middle + reach)


def holm(p_values: AnyArray) -> Floats:
    """p-values adjusted so that rejecting those up to alpha raises any false alarm at all with chance alpha (1979)."""
    p, order = _falling(p_values)
    ranks = np.arange(1, len(p) + 1)
    return _restored(np.maximum.accumulate((p * ranks)[::-1])[::-1], order)


def _ks(distance: float, rows_a: float, rows_b: float) -> Significance:
    root = sqrt(rows_a * rows_b / (rows_a + rows_b))
    p_value = kolmogorov_tail((root + 0.12 + 0.11 / root) * distance)
    return Significance(statistic=distance, p_value=min(1.0, max(0.0, p_value)))


def _counts(a: AnyArray, b: AnyArray) -> tuple[Floats, Floats]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"counts of {len(first)} and {len(second)} bins cannot be compared")
    return first, second


def _falling(p_values: AnyArray) -> tuple[Floats, AnyArray]:
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(-p, kind="stable")
    return p[order], order


def _restored(adjusted: Floats, order: AnyArray) -> Floats:
    found = np.empty(len(order))
    found[order] = np.minimum(adjusted, 1.0)
    return found
