"""Segments hold what `traffic.predictions` says, typed by the signature."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.serving.batch import Batch, gather, join
from loopwright.serving.capture import segment, write_segment
from loopwright.traffic.predictions import FIELDS
from loopwright.traffic.records import CapturePolicy

AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
COLUMNS = {"x": [1.5], "n": [2], "shop": ["a"], "day": ["2026-01-02"], "unknown": [7]}


def batch(*records: Any) -> Batch:
    return join(gather(records))


def test_a_segment_has_the_documented_schema(served: Callable[..., Any]) -> None:
    table = pq.read_table(io.BytesIO(write_segment(segment(batch(served(COLUMNS, [21.5], at=AT, key="k"))))))
    assert tuple(table.column_names[: len(FIELDS)]) == FIELDS
    types = {name: table.schema.field(name).type for name in table.column_names}
    assert types == {
        "prediction_id": pa.string(), "endpoint": pa.string(), "revision": pa.int64(), "variant": pa.string(),
        "version": pa.int64(), "at": pa.timestamp("us", "UTC"), "key": pa.string(), "latency_ms": pa.float64(),
        "shadow": pa.bool_(), "input.x": pa.float64(), "input.n": pa.int64(), "input.shop": pa.string(),
        "input.open": pa.bool_(), "input.day": pa.date32(), "output.prediction": pa.float64(),
    }  # fmt: skip
    assert table.to_pylist() == [
        {
            "prediction_id": "p", "endpoint": "demand", "revision": 1, "variant": "champion", "version": 1, "at": AT,
            "key": "k", "latency_ms": 1.0, "shadow": False, "input.x": 1.5, "input.n": 2, "input.shop": "a",
            "input.open": None, "input.day": date(2026, 1, 2), "output.prediction": 21.5,
        }
    ]  # fmt: skip


def test_rows_of_one_request_are_told_apart_by_their_place(served: Callable[..., Any]) -> None:
    two = served({"x": [1, 2], "n": [0, 0], "shop": ["a", "b"]}, [1.0, 2.0], id="q", latency_ms=3.0)
    table = segment(batch(served(COLUMNS, [21.5]), two))
    assert table["prediction_id"].to_pylist() == ["p", "q:0", "q:1"]
    assert table["latency_ms"].to_pylist() == [1.0, 3.0, 3.0]
    assert table["input.day"].to_pylist()[1:] == [None, None]


def test_the_models_key_column_is_the_key(
    project: Any, bring_up: Callable[..., Any], served: Callable[..., Any]
) -> None:
    live = bring_up(project.bundle(key="instant")).variants[0]
    rows = served({**COLUMNS, "instant": [7.0]}, [1.0], live=live, key="session")
    assert segment(batch(rows))["key"].to_pylist() == ["7"]
    assert segment(batch(served(COLUMNS, [1.0], key="session")))["key"].to_pylist() == ["session"]


def test_the_sticky_column_is_the_key_where_there_is_no_other(bring_up: Callable[..., Any], served: Any) -> None:
    live = bring_up(sticky_by="user").variants[0]
    assert segment(batch(served({**COLUMNS, "user": ["u1"]}, [1.0], live=live)))["key"].to_pylist() == ["u1"]


def test_redacted_columns_are_left_out(project: Any, bring_up: Callable[..., Any], served: Callable[..., Any]) -> None:
    variant = project.bundle(key="shop", redact=("shop",))
    live = bring_up(variant, capture=CapturePolicy(redact=("x",))).variants[0]
    table = segment(batch(served(COLUMNS, [1.0], live=live)))
    assert not {"input.x", "input.shop"} & set(table.column_names)
    assert table["key"].to_pylist() == [None]


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.25, 180, 320), (1.0, 1000, 1000)])
def test_a_share_is_kept(bring_up: Any, served: Any, share: float, low: int, high: int) -> None:
    live = bring_up(capture=CapturePolicy(share=share)).variants[0]
    records = [served(COLUMNS, [1.0], live=live, id=f"p{number}") for number in range(1000)]
    assert low <= batch(*records).sampled(share).rows <= high
