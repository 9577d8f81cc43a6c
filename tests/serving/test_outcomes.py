"""Outcomes told to the server are checked row by row, kept in the spool, and kept once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from loopwright.core.clock import SystemClock
from loopwright.errors import HostingError, RequestError
from loopwright.serving.outcomes import MOST, OutcomesTold, tell_outcomes
from loopwright.serving.spool import Spool
from loopwright.testing.storage import MemoryStorage
from loopwright.traffic.outcomes import Outcome, decode_outcomes

AT = "2026-01-02T03:04:05Z"
ROW = {"prediction_id": "p1", "value": 2.5, "at": AT}


@pytest.fixture
def store() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def tell(tmp_path: Path, store: MemoryStorage) -> Iterator[Callable[..., OutcomesTold]]:
    spool = Spool(tmp_path, "one", store, 1_000_000, SystemClock())

    def told(body: Any, kind: str = "application/json") -> OutcomesTold:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = tell_outcomes(spool, SystemClock(), "demand", data, kind)
        assert spool.send()
        return answer

    yield told
    spool.close()


def kept(store: MemoryStorage) -> list[Outcome]:
    return [
        one
        for key, data in store.objects.items()
        if key.startswith("outcomes/demand/")
        for one in decode_outcomes(data)
    ]


@pytest.mark.parametrize("body", [[ROW], ROW, {"outcomes": [ROW]}, json.dumps(ROW).encode() + b"\n\n"])
def test_every_shape_is_the_same_outcome(tell: Any, store: MemoryStorage, body: Any) -> None:
    assert tell(body, "application/jsonlines" if isinstance(body, bytes) else "application/json").kept == 1
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert kept(store) == [Outcome(endpoint="demand", value=2.5, at=at, prediction_id="p1")]


def test_the_same_batch_again_is_kept_once(tell: Any, store: MemoryStorage) -> None:
    tell([ROW])
    tell([ROW])
    assert len(kept(store)) == 1


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"value": 1}, "names no prediction"),
        ({"prediction_id": "p"}, "value"),
        ({"prediction_id": "p", "value": None}, "value"),
        ({"prediction_id": "p", "value": [1]}, "value"),
        ({"prediction_id": "p", "value": 1, "at": "2026-01-02T03:04:05"}, "at"),
        ({"prediction_id": "p", "value": 1, "truth": 1}, "truth"),
        ({"prediction_id": "", "value": 1}, "prediction_id"),
        (3, "object"),
    ],
)
def test_a_bad_row_is_named_and_the_others_are_kept(tell: Any, store: MemoryStorage, bad: Any, why: str) -> None:
    told = tell([ROW, bad, {"key": "7", "value": True}])
    assert (told.kept, told.refused) == (2, 1)
    assert told.errors[0].startswith("row 2: ")
    assert why in told.errors[0]
    assert [(one.prediction_id, one.key) for one in kept(store)] == [("p1", None), (None, "7")]


def test_a_line_that_is_no_json_is_named(tell: Any) -> None:
    told = tell(json.dumps(ROW).encode() + b"\n{oops\n\xff\n", "application/x-ndjson")
    assert (told.kept, told.refused, [one[:6] for one in told.errors]) == (1, 2, ["row 2:", "row 3:"])


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b'{"outcomes": 3}', b"[" * 5000, b"\xff"])
def test_what_is_no_list_of_outcomes_is_refused(tell: Any, body: bytes) -> None:
    with pytest.raises(RequestError):
        tell(body)


def test_too_many_at_once_are_refused(tell: Any) -> None:
    with pytest.raises(RequestError):
        tell([ROW] * (MOST + 1))


def test_a_full_spool_is_said_and_not_silent(tmp_path: Path, store: MemoryStorage) -> None:
    spool = Spool(tmp_path, "one", store, 10, SystemClock())
    with pytest.raises(HostingError, match="spool is full"):
        tell_outcomes(spool, SystemClock(), "demand", json.dumps(ROW).encode(), "")
    spool.close()
