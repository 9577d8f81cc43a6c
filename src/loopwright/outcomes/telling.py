"""Telling what came true. The ledger is append-only: of several outcomes the one known last counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isinf

from loopwright.bundle.values import category_text
from loopwright.errors import DataError
from loopwright.ports.storage import Storage
from loopwright.traffic.outcomes import Outcome, encode_outcomes, outcomes_key


def record_outcomes(storage: Storage, outcomes: Sequence[Outcome], now: datetime) -> str | None:
    """Keep outcomes of one endpoint, told at `now`; the object's key, or None where there are none.

    The same outcomes again on the same UTC day change nothing. Raises `DataError` that names the first bad one; then
    none is kept.
    """
    if not outcomes:
        return None
    check_outcomes(outcomes)
    endpoint, batch = outcomes[0].endpoint, encode_outcomes(outcomes)
    key = outcomes_key(endpoint, now, batch)
    storage.create(key, batch)
    return key


def check_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Raise `DataError` that names the first one that cannot be kept with the others."""
    for place, outcome in enumerate(outcomes, start=1):
        _check(f"outcome {place} of {outcomes[0].endpoint}", outcomes[0].endpoint, outcome)


def _check(what: str, endpoint: str, outcome: Outcome) -> None:
    if outcome.endpoint != endpoint:
        raise DataError(f"{what} is of {outcome.endpoint}", remedy="tell each endpoint's outcomes by themselves")
    if not outcome.prediction_id and not outcome.key:
        raise DataError(f"{what} names no prediction", remedy="give a prediction_id, or the row's key")
    if outcome.at.tzinfo is None:
        raise DataError(f"{what} is of {outcome.at}, without a zone", remedy="add +00:00 for UTC")
    if category_text(outcome.value) is None:
        raise DataError(f"{what} has no value", remedy="leave it out until it is known")
    if isinstance(outcome.value, float) and isinf(outcome.value):  # which JSON has no word for
        raise DataError(f"{what} is {outcome.value}", remedy="leave it out, or tell a number")
