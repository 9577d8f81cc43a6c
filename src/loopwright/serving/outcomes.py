"""Ground truth told to the server: checked row by row, and kept in the spool for the ledger of outcomes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec

from loopwright.core.clock import Clock
from loopwright.errors import HostingError, RequestError
from loopwright.serving.spool import Spool
from loopwright.traffic.outcomes import Outcome, encode_outcomes, outcomes_key

MOST = 10_000
"""Outcomes that may be told at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomesTold:
    """How many rows were kept and refused; why, for the first hundred refused ones, by their place from 1 on."""

    kept: int
    refused: int
    errors: tuple[str, ...]


def tell_outcomes(spool: Spool, clock: Clock, endpoint: str, body: bytes, content_type: str) -> OutcomesTold:
    """Keep what can be kept until the store takes it. The same batch, with its times, again is the same object.

    The body is a list of `{"prediction_id" or "key", "value", "at"?}`, one of them alone, `{"outcomes": [...]}`, or
    one a line. Raises `RequestError` where it is none of these, and `HostingError` where the spool is full.
    """
    now = clock.now()
    outcomes: list[Outcome] = []
    errors: list[str] = []
    for number, row in enumerate(_rows(body, content_type), start=1):
        try:
            outcomes.append(_outcome(endpoint, row, now))
        except ValueError as error:
            errors.append(f"row {number}: {error}")
    if outcomes:
        batch = encode_outcomes(outcomes)
        if not spool.add(outcomes_key(endpoint, now, batch), batch):
            raise HostingError("the spool is full: no outcome was kept", remedy="tell them again later")
    return OutcomesTold(kept=len(outcomes), refused=len(errors), errors=tuple(errors[:100]))


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    value: float | bool | str
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    prediction_id: Annotated[str, msgspec.Meta(min_length=1, max_length=140)] | None = None
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None


def _rows(body: bytes, content_type: str) -> list[Any]:
    try:
        if any(name in content_type.lower() for name in ("jsonl", "ndjson")):
            rows: Any = [msgspec.Raw(line) for line in body.splitlines() if line.strip()]
        else:
            document = msgspec.json.decode(body)
            rows = document.get("outcomes", [document]) if isinstance(document, dict) else document
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"the body is no JSON: {error}", remedy=_REMEDY) from None
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST:
        raise RequestError(f"the body is no list of 1 to {MOST:,} outcomes", remedy=_REMEDY)
    return rows


def _outcome(endpoint: str, row: Any, now: datetime) -> Outcome:
    """Raises `ValueError`."""
    try:
        given = msgspec.json.decode(row, type=_Given) if isinstance(row, msgspec.Raw) else msgspec.convert(row, _Given)
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from None
    if given.prediction_id is None and given.key is None:
        raise ValueError("it names no prediction: give a prediction_id, or the row's key")
    if isinstance(given.value, float) and not math.isfinite(given.value):
        raise ValueError("its value is not finite")
    return Outcome(
        endpoint=endpoint,
        value=given.value,
        at=given.at or now,
        prediction_id=given.prediction_id,
        key=given.key,
    )


_REMEDY = 'send [{"prediction_id": …, "value": …, "at": …}, …], or one such object a line as application/jsonlines'
