"""Fairness: a rate of each group that a column names, and whether the groups differ by more than a limit allows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from math import sqrt

import numpy as np
import polars as pl

from loopwright.bundle.encoding import category_text
from loopwright.core.decision import Finding, Reason
from loopwright.evaluation.bench import Bench, Contender
from loopwright.evaluation.records import EvaluationReport, GroupRate
from loopwright.evaluation.rows import Mask
from loopwright.policies.gate import Fairness, Gate
from loopwright.statistics.comparison import wilson
from loopwright.statistics.dependence import Dependence, spread

FEWEST = 30
"""Rows that count below which a group says nothing."""
GROUPS = 20


def group_rates(bench: Bench, rows: pl.DataFrame, gate: Gate, candidate: Contender) -> tuple[GroupRate, ...]:
    """The rate of each group, of the `GROUPS` commonest, that has `FEWEST` rows which count; once a column and rate."""
    wanted = dict.fromkeys((one.column, one.rate) for one in gate.fairness)
    return tuple(found for column, rate in wanted for found in _rates(bench, rows[column], rate, candidate))


def judge_fairness(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    """Of each limit, over all pairs of groups:

    - fail where some pair surely breaks it, at the gate's confidence by Bonferroni over the ordered pairs: so a fair
      model is refused with a chance of 1 - confidence, however many groups there are;
    - warn where it is broken as observed but that may be chance: then a person decides (`in_doubt`);
    - pass where it is kept as observed; the text says whether it is surely kept: then every pair keeps it at the whole
      confidence (an intersection-union test; Berger, 1982).

    Bounds of two groups' difference, or of one's rate less a share of the other's, follow from Wilson's bounds of each
    (MOVER; Newcombe, 1998; Zou & Donner, 2008).
    """
    for fairness in gate.fairness:
        groups = [one for one in report.groups if (one.column, one.rate) == (fairness.column, fairness.rate)]
        yield from judge_groups(fairness, groups, 1 - gate.confidence)


def judge_groups(fairness: Fairness, groups: list[GroupRate], alpha: float) -> Iterator[Reason]:
    """The reason of each limit of `fairness`, from the rates of its groups."""
    for limit in _limits(fairness):
        yield limit.judge(fairness, groups, alpha)


def in_doubt(gate: Gate, report: EvaluationReport) -> bool:
    """Whether a limit is broken as observed, but not surely."""
    return any(one.finding == "warn" and "value" in one.figures for one in judge_fairness(gate, report))


@dataclass(frozen=True, slots=True)
class _Limit:
    """A group's rate less `share` of a lower one's must not exceed `room`."""

    name: str
    bound: float
    share: float
    room: float

    def judge(self, fairness: Fairness, groups: list[GroupRate], alpha: float) -> Reason:
        rule, what = f"fairness {fairness.column}", f"{fairness.rate} by {fairness.column}"
        if len(groups) < 2:
            text = f"{what}: fewer than two groups have {FEWEST} rows that count, so there is nothing to compare"
            return Reason(rule=rule, finding="warn", text=text)
        pairs = list(permutations(groups, 2))
        high, low = max(pairs, key=lambda pair: self._excess(*pair))
        sure = alpha / len(pairs)
        broken = any(self._bounds(*pair, sure)[0] > 0 for pair in pairs)
        kept = all(self._bounds(*pair, alpha)[1] <= 0 for pair in pairs)
        finding: Finding = "fail" if broken else "warn" if self._excess(high, low) > 0 else "pass"
        words = {
            "fail": "surely broken",
            "warn": "broken, though that may be chance: a person decides",
            "pass": "surely kept" if kept else "kept, though that may be chance",
        }[finding]
        text = f"{what}: {high.words()} and {low.words()}; {self._text()} is {words}"
        figures = {"value": self._value(high, low), "limit": self.bound, "groups": float(len(groups))}
        return Reason(rule=rule, finding=finding, text=text, figures=figures)

    def _excess(self, high: GroupRate, low: GroupRate) -> float:
        return self.share * high.value - low.value - self.room

    def _value(self, high: GroupRate, low: GroupRate) -> float:
        if self.name == "max_gap":
            return high.value - low.value
        return low.value / high.value if high.value else 1.0

    def _text(self) -> str:
        return f"the limit of {self.bound:g} {'between them' if self.name == 'max_gap' else 'of one to the other'}"

    def _bounds(self, high: GroupRate, low: GroupRate, alpha: float) -> tuple[float, float]:
        """Of the excess, each on one side at `alpha`."""
        (high_low, high_high), (low_low, low_high) = (
            wilson(round(one.value * one.effective), round(one.effective), confidence=1 - 2 * alpha)
            for one in (high, low)
        )
        down = sqrt((self.share * (high.value - high_low)) ** 2 + (low_high - low.value) ** 2)
        up = sqrt((self.share * (high_high - high.value)) ** 2 + (low.value - low_low) ** 2)
        excess = self._excess(high, low)
        return excess - down, excess + up


def _limits(fairness: Fairness) -> Iterator[_Limit]:
    if fairness.max_gap is not None:
        yield _Limit("max_gap", fairness.max_gap, 1.0, fairness.max_gap)
    if fairness.min_ratio is not None:
        yield _Limit("min_ratio", fairness.min_ratio, fairness.min_ratio, 0.0)


def _rates(bench: Bench, column: pl.Series, rate: str, candidate: Contender) -> Iterator[GroupRate]:
    counts, hits = _counted(bench, rate, candidate)
    values = column.alias("value")
    dependence = bench.dependence(np.ones(len(values), dtype=bool))
    for value in values.value_counts(sort=True).head(GROUPS)["value"]:
        inside = counts & values.eq_missing(pl.Series([value], dtype=values.dtype)).to_numpy()
        number = int(inside.sum())
        if number >= FEWEST:
            share = float(hits[inside].mean())
            yield GroupRate(
                column=column.name,
                rate=rate,
                group="missing" if value is None else str(category_text(value)),
                rows=number,
                value=share,
                effective=_effective(inside, hits, share, dependence),
            )


def _counted(bench: Bench, rate: str, candidate: Contender) -> tuple[Mask, Mask]:
    """Which rows count for a rate, and which of all rows it counts."""
    truth = bench.truth
    if bench.task.name == "multiclass":
        return np.ones(len(truth), dtype=bool), candidate.scores.argmax(axis=1) != truth
    called, positive = candidate.scores >= candidate.threshold, truth > 0.5
    if rate == "error":
        return np.ones(len(truth), dtype=bool), called != positive
    return {"selection_rate": np.ones(len(truth), dtype=bool), "tpr": positive, "fpr": ~positive}[rate], called


def _effective(inside: Mask, hits: Mask, share: float, dependence: Dependence) -> float:
    """How many independent rows would know the share as well, the rows themselves at most."""
    number = int(inside.sum())
    if dependence.independent or share in (0.0, 1.0):
        return float(number)
    known = spread(np.where(inside, hits - share, 0.0) * len(inside) / number, dependence)
    return float(number) if known is None or not known.error else min(number, share * (1 - share) / known.error**2)
