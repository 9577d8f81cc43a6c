"""Suspect labels: what makes new ground truth look poisoned rather than new. A person looks; nothing is refused by it.

A model that learns from wrong labels is worse the more faithfully it is retrained, and labels go wrong all at once: a
join that shifts by a row, a unit that changes, a flag that is turned round, a default where nothing was recorded. The
limits are set so that what the world does to labels passes: a concept that drifts moves them too, but seldom by five
standard deviations or to the contrary. They are judgements, except for the chances, which are bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import atanh, sqrt

from loopwright.core.decision import Reason
from loopwright.retraining.records import LabelFacts, LabelJump
from loopwright.statistics.comparison import two_proportions
from loopwright.statistics.special import normal_tail

LEAST = 100
"""Rows on each side below which nothing is said."""
CHANCE = 1e-6
"""What is less likely than this is no chance."""
ALIKE = 10
"""So many neighbouring rows are taken to tell no more than one: labels come in runs."""
CONTRADICTED = 0.1
"""By how much the share of twins that contradict each other must have grown."""
CORRECTED, FEWEST_CORRECTED = 0.05, 20
"""The share and the number of known rows whose label must have changed."""
FAR, WORSE = 5.0, 3.0
"""Standard deviations that numbers must have moved beyond what inputs explain, and the growth of the error."""
FAR_SHARE, WORSE_CLASSES = 0.3, 1.5
"""The same for classes: the change of a share beyond what inputs explain, and the growth of the error."""


def suspicions(labels: LabelFacts, jump: LabelJump | None) -> list[Reason]:
    """What makes the new labels suspect, each with its figures; `jump` is there where the champion was asked."""
    found = [*_constant(labels), *_vanished(labels), *_contradicted(labels), *_corrected(labels)]
    return [*found, *(() if jump is None else (*_jumped(jump), *_turned_round(jump)))]


def _constant(labels: LabelFacts) -> Iterator[Reason]:
    """All recent rows have one label, though by its share of earlier ones that is no chance."""
    if labels.only is None or not _enough(labels.recent, labels.earlier):
        return
    value, share = labels.only
    if share ** (labels.recent / ALIKE) < CHANCE:
        text = f"all {labels.recent:,} new rows have the label {value}, which {share:.1%} had before"
        yield _reason("constant_label", text, rows=labels.recent, share_before=share)


def _vanished(labels: LabelFacts) -> Iterator[Reason]:
    """A class is gone, though by its share of earlier rows that is no chance."""
    if labels.only is not None or not _enough(labels.recent, labels.earlier):
        return
    for value, share in labels.vanished:
        if (1 - share) ** (labels.recent / ALIKE) < CHANCE:
            text = f"none of the {labels.recent:,} new rows has the label {value}, which {share:.1%} had before"
            yield _reason("vanished_label", text, rows=labels.recent, share_before=share)


def _contradicted(labels: LabelFacts) -> Iterator[Reason]:
    """Rows alike in all inputs have different labels more often than they did (z test of two shares, one-sided)."""
    tested = two_proportions(
        labels.contradicted, labels.twins, labels.earlier_contradicted, labels.earlier_twins, alternative="more"
    )
    if tested is None or tested.p_value >= CHANCE:
        return
    share, before = labels.contradicted / labels.twins, labels.earlier_contradicted / labels.earlier_twins
    if share - before >= CONTRADICTED:
        text = f"{share:.0%} of {labels.twins:,} new rows that repeat another contradict it, where {before:.0%} did"
        yield _reason("contradicted_label", text, twins=labels.twins, share=share, share_before=before)


def _corrected(labels: LabelFacts) -> Iterator[Reason]:
    """Many rows that the champion learned from have another label now."""
    if labels.corrected >= FEWEST_CORRECTED and labels.corrected >= CORRECTED * labels.known:
        share = labels.corrected / labels.known
        text = f"{labels.corrected:,} of {labels.known:,} rows that the champion learned from have another label now"
        yield _reason("corrected_label", text, rows=labels.known, share=share)


def _jumped(jump: LabelJump) -> Iterator[Reason]:
    """Labels moved far beyond what the champion makes of the inputs, and its error grew with them."""
    far, worse = (FAR_SHARE, WORSE_CLASSES) if jump.classes else (FAR, WORSE)
    if not _enough(jump.rows, jump.earlier) or jump.error < worse * jump.earlier_error:
        return
    if abs(jump.unexplained) >= far:
        moved = f"{jump.unexplained:.0%} of a share" if jump.classes else f"{jump.unexplained:+.1f} standard deviations"
        text = (
            f"the labels of the {jump.rows:,} newest rows moved by {moved} beyond what their inputs explain, "
            f"and the champion's error from {jump.earlier_error:.3g} to {jump.error:.3g}"
        )
        yield _reason("jumped_label", text, rows=jump.rows, unexplained=jump.unexplained, error=jump.error)


def _turned_round(jump: LabelJump) -> Iterator[Reason]:
    """Labels go against the champion's predictions where they went with them (Fisher's z of the correlation, 1921)."""
    now, before = jump.agreement, jump.earlier_agreement
    if now is None or before is None or before <= 0 or now > -before / 2 or not _enough(jump.rows, jump.earlier):
        return
    z = -atanh(max(now, -1 + 1e-12)) * sqrt(max(0.0, jump.rows / ALIKE - 3))
    if normal_tail(z) < CHANCE:
        text = (
            f"the labels of the {jump.rows:,} newest rows go against the champion's predictions (correlation "
            f"{now:.2f}) where they went with them ({before:.2f})"
        )
        yield _reason("turned_label", text, rows=jump.rows, agreement=now, agreement_before=before)


def _enough(recent: int, earlier: int) -> bool:
    return recent >= LEAST and earlier >= LEAST


def _reason(rule: str, text: str, **figures: float) -> Reason:
    return Reason(rule=rule, finding="warn", text=text, figures={name: float(one) for name, one in figures.items()})
