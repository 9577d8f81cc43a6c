"""What came of a scenario, held against what is promised."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from chaos.load import CONNECTIONS, Sent

LAST_SECOND = 1.1
"""What a killed worker had answered in its last second may be lost: its records wait so long, and are then written."""


@dataclass(kw_only=True)
class Disturbed:
    """What a scenario did: `kills` are moments of `time.time()`. `troubles` says what went otherwise than it had to."""

    happened: int = 0
    kills: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The counts of a scenario, and the rules that it broke. `uncaptured` were answered, and no record is left."""

    scenario: str
    sent: int
    answered: int
    wrong: int
    refused: dict[int, int]
    lost: int
    uncaptured: int
    happened: int
    broken: list[str]


def judge(
    scenario: str,
    sent: list[Sent],
    captured: list[str],
    offline: dict[int, dict[float, float]],
    declared: frozenset[int],
    disturbed: Disturbed,
) -> Verdict:
    """Every rule, on every request."""
    answered = [one for one in sent if one.status == 200]
    wrong = [one for one in answered if offline[one.version].get(one.x) != one.value]
    refused = Counter(one.status for one in sent if one.status not in (0, 200))
    lost = {one.prediction_id for one in sent if one.status == 0}
    records = Counter(captured)
    uncaptured = [one for one in answered if one.prediction_id not in records]
    excused = [one for one in uncaptured if any(-LAST_SECOND < one.at - kill < 0.1 for kill in disturbed.kills)]
    unanswered = records.keys() - {one.prediction_id for one in answered}
    broken = disturbed.troubles + [
        text
        for text, holds in {
            f"{len(wrong)} answers are not the offline prediction": not wrong,
            f"refused with {sorted(refused.keys() - declared)}": refused.keys() <= declared,
            f"{len(lost)} requests lost": len(lost) <= len(disturbed.kills) * CONNECTIONS,
            f"{len(uncaptured) - len(excused)} answers have no record": len(uncaptured) == len(excused),
            "predictions recorded twice": max(records.values(), default=1) == 1,
            f"{len(unanswered - lost)} records of what was not answered": unanswered <= lost,
            "nothing was answered": answered,
            "nothing was disturbed": disturbed.happened,
        }.items()
        if not holds
    ]
    return Verdict(
        scenario=scenario, sent=len(sent), answered=len(answered) - len(wrong), wrong=len(wrong),
        refused=dict(refused), lost=len(lost), uncaptured=len(uncaptured), happened=disturbed.happened, broken=broken,
    )  # fmt: skip
