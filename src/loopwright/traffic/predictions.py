"""What was predicted: one record a row, kept in Parquet segments.

A segment has these columns, then one `input.<column>` per raw column (not redacted) and one `output.<name>` per output.
"""

from __future__ import annotations

from datetime import datetime

FIELDS = ("prediction_id", "endpoint", "revision", "variant", "version", "at", "key", "latency_ms", "shadow")
"""The columns every segment begins with. `prediction_id` is `<request id>` or `<request id>:<row>` where rows > 1.
`shadow` says that the variant saw a copy, and another one answered under the same id; early segments lack it.
"""

INPUT = "input."
OUTPUT = "output."


def row_ids(request_id: str, rows: int) -> list[str]:
    """The prediction ids of a request's rows."""
    return [request_id] if rows == 1 else [f"{request_id}:{row}" for row in range(rows)]


def predictions_folder(endpoint: str, day: datetime | None = None) -> str:
    """The object-store folder of an endpoint's segments, or of one UTC day of them."""
    return f"predictions/{endpoint}/" + (f"{day:%Y-%m-%d}/" if day else "")


def segment_key(endpoint: str, first: datetime, server: str, sequence: int) -> str:
    """Where a segment lies: by the UTC time of its first record, the server that wrote it, and its place there."""
    return f"{predictions_folder(endpoint, first)}{first:%H%M%S}-{server}-{sequence:06d}.parquet"
