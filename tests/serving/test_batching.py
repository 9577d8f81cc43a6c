"""Micro-batches: as large as the load makes them, and no request fails for another's sake."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.errors import RequestError
from loopwright.serving.batching import Batcher, BatchLimits, DeadlineError, Outputs, OverloadError
from loopwright.serving.pace import Pace


class Gated:
    """A model that doubles x; its first prediction lasts until the gate opens, and -1 is poison to it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.sizes: list[int] = []

    def __call__(self, columns: Any, rows: int) -> Outputs:
        self.begun.set()
        self.gate.wait(10)
        self.sizes.append(rows)
        x = np.asarray(columns["x"], dtype=np.float64)
        if (x == -1).any():
            raise RequestError("x is -1")
        return {"prediction": 2 * x}


@pytest.fixture
def model() -> Gated:
    return Gated()


def batcher(model: Gated, **limits: Any) -> Batcher:
    return Batcher("doubles", model, Pace(), BatchLimits(**limits))


async def behind(queue: Batcher, model: Gated, *asked: Any, then: Callable[[], None] = lambda: None) -> list[Any]:
    """What comes of requests that arrive while a first one (x = 0) is predicted; `then` happens before that ends."""
    first = asyncio.create_task(queue.predict({"x": [0.0]}, 1))
    await asyncio.to_thread(model.begun.wait, 10)
    tasks = [asyncio.create_task(queue.predict(columns, len(columns["x"]), **more)) for columns, more in asked]
    await asyncio.sleep(0)
    then()
    model.gate.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_a_lone_request_waits_for_nobody(model: Gated) -> None:
    model.gate.set()
    answer = asyncio.run(batcher(model).predict({"x": [3.0]}, 1))
    assert answer["prediction"].tolist() == [6.0]
    assert model.sizes == [1]


def test_requests_that_come_meanwhile_are_predicted_together(model: Gated) -> None:
    asked = [({"x": [float(number)]}, {}) for number in range(1, 8)]
    answers = asyncio.run(behind(batcher(model), model, *asked))
    assert [one["prediction"].tolist() for one in answers] == [[2.0 * number] for number in range(1, 8)]
    assert model.sizes == [1, 7]


@settings(max_examples=25, deadline=None)
@given(
    requests=st.lists(st.lists(st.integers(-1, 50).map(float), min_size=1, max_size=5), min_size=1, max_size=12),
    arrays=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_each_gets_what_it_would_have_got_alone(requests: list[list[float]], arrays: list[bool]) -> None:
    model = Gated()
    asked = [({"x": np.array(x) if array else x}, {}) for x, array in zip(requests, arrays, strict=False)]
    answers = asyncio.run(behind(batcher(model, rows=16), model, *asked))
    for x, answer in zip(requests, answers, strict=True):
        if -1 in x:
            assert isinstance(answer, RequestError)
        else:
            assert answer["prediction"].tolist() == [2 * one for one in x]


def test_a_batch_has_no_more_rows_than_allowed_but_a_request_is_never_split(model: Gated) -> None:
    asked = [({"x": [1.0] * rows}, {}) for rows in (3, 3, 3, 20)]
    asyncio.run(behind(batcher(model, rows=6), model, *asked))
    assert model.sizes == [1, 6, 3, 20]


def test_requests_of_other_columns_go_apart(model: Gated) -> None:
    asked: list[Any] = [({"x": [1.0]}, {}), ({"x": [2.0], "y": [1.0]}, {}), ({"x": [3.0]}, {})]
    answers = asyncio.run(behind(batcher(model), model, *asked))
    assert [one["prediction"].tolist() for one in answers] == [[2.0], [4.0], [6.0]]
    assert model.sizes == [1, 2, 1]


def test_more_than_may_wait_are_told_when_to_come_back(model: Gated) -> None:
    asked = [({"x": [1.0]}, {})] * 4
    answers = asyncio.run(behind(batcher(model, waiting=3), model, *asked))
    assert [type(one) for one in answers] == [dict, dict, dict, OverloadError]
    assert answers[3].retry_after >= 1


def test_a_request_whose_time_is_over_is_not_predicted(model: Gated) -> None:
    late = {"deadline": time.perf_counter() - 1}
    answers = asyncio.run(behind(batcher(model), model, ({"x": [1.0]}, late), ({"x": [2.0]}, {})))
    assert isinstance(answers[0], DeadlineError)
    assert answers[1]["prediction"].tolist() == [4.0]
    assert model.sizes == [1, 1]


def test_nobody_waits_longer_than_patience(model: Gated) -> None:
    queue = batcher(model, patience=0.05)
    answers = asyncio.run(behind(queue, model, ({"x": [1.0]}, {}), then=lambda: time.sleep(0.06)))
    assert isinstance(answers[0], DeadlineError)


def test_work_whose_client_has_left_is_not_done(model: Gated) -> None:
    async def scene() -> list[Any]:
        left = asyncio.Event()
        queue = batcher(model)
        first = asyncio.create_task(queue.predict({"x": [0.0]}, 1))
        await asyncio.to_thread(model.begun.wait, 10)
        task = asyncio.create_task(queue.predict({"x": [1.0]}, 1, gone=left.wait))
        await asyncio.sleep(0)
        left.set()
        said = await asyncio.gather(task, return_exceptions=True)
        model.gate.set()
        await first
        return said

    assert isinstance(asyncio.run(scene())[0], DeadlineError)
    assert model.sizes == [1]


def test_the_first_of_a_batch_is_told_how_many_rows_it_has(model: Gated) -> None:
    told: list[int] = []
    asked = [({"x": [1.0] * rows}, {"batched": told.append}) for rows in (2, 3)]
    asyncio.run(behind(batcher(model), model, *asked))
    assert told == [5]


def test_a_request_is_told_when_its_time_is_over_and_not_when_its_turn_comes(model: Gated) -> None:
    async def scene() -> Outputs:
        queue = batcher(model)
        first = asyncio.create_task(queue.predict({"x": [0.0]}, 1))
        await asyncio.to_thread(model.begun.wait, 10)
        with pytest.raises(DeadlineError):
            await queue.predict({"x": [1.0]}, 1, deadline=time.perf_counter() + 0.05)
        assert (queue.waiting, model.sizes) == (0, [])  # the first is still at it
        model.gate.set()
        return await first

    assert asyncio.run(scene())["prediction"].tolist() == [0.0]


def test_an_error_does_not_keep_its_request(model: Gated) -> None:
    model.gate.set()
    columns = {"x": np.array([-1.0])}
    with pytest.raises(RequestError) as raised:
        asyncio.run(batcher(model).predict(columns, 1))
    frames = traceback.walk_tb(raised.value.__traceback__)
    assert "_work" not in {frame.f_code.co_name for frame, _ in frames}
