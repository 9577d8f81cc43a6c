"""The anchor: the version that those after it may not fall behind, however many of them are promoted."""

from __future__ import annotations

from loopwright.core.decision import Decision
from loopwright.evaluation.records import Champion


def anchor_after(decision: Decision, champion: Champion | None) -> int | None:
    """The version that stays the measure once the gate has let a candidate pass; None where the candidate becomes it.

    One that is shown to be better than the measure, at the gate's own level, becomes it, as does a first version, or
    one that a person let pass where nothing could be compared. One that is only not inferior leaves the measure where
    it is: so the margin is allowed once, not once a promotion. Where the anchor cannot be compared any more, the
    champion takes its place.
    """
    if champion is None:
        return None
    reasons = {reason.rule: reason for reason in decision.reasons}
    measure, held = champion.version, reasons.get("champion")
    if champion.anchor is not None and "anchor" in reasons:
        measure, held = champion.anchor.version, reasons["anchor"]
    if held is None or not held.figures:
        return None
    better = held.figures.get("p_better", 1.0) <= held.figures["alpha"]
    return None if better else measure
