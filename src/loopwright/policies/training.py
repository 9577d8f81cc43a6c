"""How rows are parted, and from which probability on a row is positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loopwright.errors import DeclarationError
from loopwright.policies.checks import check_fields, check_share


@dataclass(frozen=True, slots=True)
class Split:
    """Shares of the rows kept for validation (early stopping, tuning, threshold) and for the test."""

    validation: float = 0.15
    test: float = 0.2

    def __post_init__(self) -> None:
        check_fields(self)
        check_share("Split validation", self.validation)
        check_share("Split test", self.test)
        if not self.validation or not self.test:
            raise DeclarationError(
                f"Split keeps {self.validation:.0%} of the rows for validation and {self.test:.0%} for the test",
                remedy="leave some for each: models are stopped and tuned by the one and judged by the other",
            )
        if self.validation + self.test >= 0.9:
            raise DeclarationError(
                f"Split keeps {self.validation + self.test:.0%} of the rows from training",
                remedy="leave at least a tenth of the rows to train on",
            )


@dataclass(frozen=True, slots=True)
class Threshold:
    """The probability from which a row is called positive, chosen on validation rows to maximise `objective`.

    `objective`: `f1`, `accuracy`, `youden` (recall + specificity), or a number, which is the threshold itself.
    """

    objective: Literal["f1", "accuracy", "youden"] | float = "f1"

    def __post_init__(self) -> None:
        check_fields(self)
        if not isinstance(self.objective, str):
            check_share("Threshold", self.objective)
