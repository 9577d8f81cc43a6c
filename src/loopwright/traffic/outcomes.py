"""What turned out: the ground truth of a served prediction, known later. Kept in batches of JSON lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from loopwright.core.codec import from_json, to_json
from loopwright.core.digest import digest_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came true, known `at`: of the prediction `prediction_id`, or of the row that the model's key names `key`.

    Of several the one known last counts. `value` is the target as it would stand in the source.
    """

    endpoint: str
    value: float | bool | str
    at: datetime
    prediction_id: str | None = None
    key: str | None = None


def outcomes_folder(endpoint: str) -> str:
    """The object-store folder of an endpoint's outcomes."""
    return f"outcomes/{endpoint}/"


def outcomes_key(endpoint: str, received: datetime, batch: bytes) -> str:
    """Where a batch lies: by the UTC day it came and by its content, so that the same one again is the same object."""
    return f"{outcomes_folder(endpoint)}{received:%Y-%m-%d}/{digest_bytes(batch)[:32]}.jsonl"


def encode_outcomes(outcomes: Iterable[Outcome]) -> bytes:
    return b"".join(to_json(one) + b"\n" for one in outcomes)


def decode_outcomes(data: bytes) -> list[Outcome]:
    """Raises `ValueError` where a line is no outcome."""
    return [from_json(line, Outcome) for line in data.splitlines()]
