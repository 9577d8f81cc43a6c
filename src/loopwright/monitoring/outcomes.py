"""What came true: outcomes as they are told, kept in Parquet beside the predictions.

The ledger is append-only: a later outcome of the same prediction or key counts instead of an earlier one.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq

from loopwright.bundle.values import category_text
from loopwright.core.digest import digest_bytes
from loopwright.errors import DataError
from loopwright.monitoring.records import Outcome
from loopwright.ports.storage import Storage

SCHEMA = pa.schema(
    {"prediction_id": pa.string(), "key": pa.string(), "value": pa.string(), "at": pa.timestamp("us", "UTC")}
)
"""`value` is text, exact for numbers, so that one ledger holds every task's targets."""


def record_outcomes(storage: Storage, model: str, outcomes: Sequence[Outcome], now: datetime) -> str | None:
    """Keep outcomes told at `now`; the object's key, or None where there are none.

    The same outcomes again on the same UTC day change nothing. Raises `DataError` that names the first bad one; then
    none is kept.
    """
    if not outcomes:
        return None
    sink = io.BytesIO()
    pq.write_table(_table(model, outcomes), sink, compression="zstd")
    data = sink.getvalue()
    key = f"{outcomes_folder(model)}{now:%Y-%m-%d}/{digest_bytes(data)[:32]}.parquet"
    storage.create(key, data)
    return key


def outcomes_folder(model: str) -> str:
    """The object-store folder of a model's outcomes; below it, one folder for each UTC day on which some were told."""
    return f"outcomes/{model}/"


def _table(model: str, outcomes: Sequence[Outcome]) -> pa.Table:
    texts = [_text(model, place, one) for place, one in enumerate(outcomes, start=1)]
    columns = {
        "prediction_id": [one.prediction_id for one in outcomes],
        "key": [one.key for one in outcomes],
        "value": texts,
        "at": [one.at for one in outcomes],
    }
    return pa.table(columns, schema=SCHEMA)


def _text(model: str, place: int, outcome: Outcome) -> str:
    if not outcome.prediction_id and not outcome.key:
        raise DataError(
            f"outcome {place} of {model} names no prediction", remedy="give a prediction_id, or the row's key"
        )
    if outcome.at.tzinfo is None:
        raise DataError(f"outcome {place} of {model} is of {outcome.at}, without a zone", remedy="add +00:00 for UTC")
    text = category_text(outcome.value)
    if text is None:
        raise DataError(f"outcome {place} of {model} has no value", remedy="leave it out until it is known")
    return text
