"""A loaded model: quick predictions where they are asked for, slow ones in a thread, and never without end."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopwright.bundle.outputs import Outputs
from loopwright.errors import BundleError, FeatureError
from loopwright.serving.models import SAMPLED, LoadedModel, Shelf

COLUMNS: dict[str, list[Any]] = {"x": [1.0]}


class Scripted:
    """A predictor that does what it is told."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act

    def predict(self, columns: Any) -> Outputs:
        self.act()
        return {"prediction": np.array([float(threading.get_ident())])}


@pytest.fixture
def model(bring_up: Any) -> Callable[[Callable[[], None]], LoadedModel]:
    manifest = replace(bring_up().variants[0].model.manifest, runtime="onnx")
    return lambda act: LoadedModel("digest", manifest, None, Scripted(act))


def raising(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def test_a_quick_model_may_answer_in_the_thread_that_asks(model: Any) -> None:
    quick = model(lambda: None)
    quick.warm(COLUMNS, 1)
    assert quick.quick_rows >= 1
    assert quick.predict_quick(COLUMNS, 1)["prediction"][0] == float(threading.get_ident())


def test_a_users_own_code_never_holds_up_the_event_loop(bring_up: Any) -> None:
    own = bring_up().variants[0].model
    columns = {"x": [1.0], "n": [1], "shop": ["a"]}
    own.warm(columns, 1)

    async def scene() -> bool:
        task = asyncio.create_task(own.predict(columns, 1))
        await asyncio.sleep(0)
        assert own.quick_rows == 0
        return own.busy_since is not None and (await task)["prediction"].tolist() == [11.0]

    assert asyncio.run(scene())


def test_a_model_found_slow_answers_in_a_thread_of_its_own(model: Any) -> None:
    slow = model(lambda: time.sleep(0.01))

    async def scene() -> list[Outputs]:
        slow.warm(COLUMNS, 1)
        return [await slow.predict(COLUMNS, 1) for _ in range(2)]

    threads = {one["prediction"][0] for one in asyncio.run(scene())}
    assert len(threads) == 1
    assert float(threading.get_ident()) not in threads


def test_a_model_that_becomes_slow_is_found_out_and_is_quick_again_in_time(model: Any) -> None:
    seconds = 0.0

    def work() -> None:
        until = time.thread_time() + seconds
        while time.thread_time() < until:
            pass

    changing = model(work)
    changing.warm(COLUMNS, 1)
    assert changing.quick_rows >= 1
    seconds = 0.02
    calls = 0
    while changing.quick_rows:
        changing.predict_quick(COLUMNS, 1)
        calls += 1
    assert calls <= SAMPLED
    seconds = 0.0

    async def recover() -> None:
        while not changing.quick_rows:
            await changing.predict(COLUMNS, 1)

    asyncio.run(asyncio.wait_for(recover(), 30))


def test_being_interrupted_is_not_being_slow(model: Any) -> None:
    interrupted = model(lambda: time.sleep(0.001))
    for _ in range(2 * SAMPLED):
        interrupted.predict_quick(COLUMNS, 1)
    assert interrupted.quick_rows >= 1


def test_whatever_a_model_raises_is_one_of_ours(model: Any) -> None:
    with pytest.raises(BundleError, match="raised KeyError: 'x'"):
        model(raising(KeyError("x"))).predict_quick(COLUMNS, 1)
    with pytest.raises(FeatureError, match="ours"):
        asyncio.run(model(raising(FeatureError("ours"))).predict(COLUMNS, 1))


def test_warming_teaches_what_a_model_costs_and_forgives_it_everything(model: Any) -> None:
    calls: list[int] = []
    model(lambda: calls.append(1)).warm(COLUMNS, 1)
    assert len(calls) == 4
    model(raising(ValueError("broken"))).warm(COLUMNS, 1)


def test_a_bundle_that_carries_a_sample_is_warmed_with_its_first_row(project: Any, tmp_path: Path) -> None:
    asked: list[Any] = []

    class Noting:
        def predict(self, columns: Any) -> Outputs:
            asked.append(dict(columns))
            return {}

    variant = project.bundle(sample={"inputs": {"x": [1.0, 2.0], "shop": ["a", "b"]}, "outputs": {}})
    Shelf(project.storage, tmp_path / "cache", lambda folder: Noting()).take(variant)
    assert asked == [{"x": [1.0], "shop": ["a"]}] * 4


def test_a_model_that_is_let_go_is_gone_without_the_collector(bring_up: Any) -> None:
    model = LoadedModel("digest", bring_up().variants[0].model.manifest, None, Scripted(lambda: None))
    asyncio.run(model.predict(COLUMNS, 1))
    gc.collect()
    gc.disable()
    try:
        gone = weakref.ref(model)
        del model
        assert gone() is None
    finally:
        gc.enable()
