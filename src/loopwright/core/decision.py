"""A decision: whether something may go on, and why. Every rule returns one; none acts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Finding = Literal["pass", "fail", "warn"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One thing that was looked at: the rule's name, what came of it, a sentence, and its figures."""

    rule: str
    finding: Finding
    text: str
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Passed or not, with every reason looked at, failed ones and passed ones alike."""

    passed: bool
    reasons: tuple[Reason, ...]

    @property
    def failures(self) -> tuple[Reason, ...]:
        return tuple(reason for reason in self.reasons if reason.finding == "fail")

    def because(self) -> str:
        """The failed reasons as one sentence; where all passed, the passed ones."""
        return "; ".join(reason.text for reason in (self.failures or self.reasons))


def decide(reasons: Iterable[Reason]) -> Decision:
    """Passed if no reason failed."""
    kept = tuple(reasons)
    return Decision(passed=all(reason.finding != "fail" for reason in kept), reasons=kept)
