"""The registry: numbers in order, given once, on both databases."""

from __future__ import annotations

import threading

import pytest

from loopwright.core.clock import VirtualClock
from loopwright.core.decision import Decision, Reason
from loopwright.errors import NotFoundError
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.state.engine import State


@pytest.fixture
def registry(state: State, clock: VirtualClock) -> Registry:
    return Registry(state, clock)


def made(version_id: str, model: str = "demand") -> ModelVersion:
    return ModelVersion(
        id=version_id,
        model=model,
        number=0,
        run=f"run-{version_id}",
        task="regression",
        folder=f"bundles/{version_id}",
        digest="0" * 64,
        evaluated="candidates/c",
        dataset="1" * 64,
        code="2" * 64,
        created=VirtualClock().now(),
        gate=Decision(passed=True, reasons=(Reason(rule="dummy", finding="pass", text="better", figures={"a": 1.5}),)),
        metrics={"rmse": 61.5},
    )


def test_versions_count_from_one_for_each_model(registry: Registry) -> None:
    assert [registry.register(made(name)).number for name in ("a", "b")] == [1, 2]
    assert registry.register(made("c", "churn")).number == 1


def test_registering_the_same_id_again_gives_the_number_it_has(registry: Registry) -> None:
    first = registry.register(made("a"))
    registry.register(made("b"))
    assert registry.register(made("a")) == first
    assert len(registry.versions("demand")) == 2


def test_what_was_registered_comes_back_whole(registry: Registry) -> None:
    registry.register(made("a"))
    found = registry.get("demand", 1)
    assert found.gate == made("a").gate
    assert found.metrics == {"rmse": 61.5}
    assert found.created == VirtualClock().now()


def test_an_unknown_version_says_which_there_are(registry: Registry) -> None:
    registry.register(made("a"))
    with pytest.raises(NotFoundError, match="no version 7") as caught:
        registry.get("demand", 7)
    assert caught.value.remedy == "it has: 1"


def test_many_at_once_get_different_numbers(registry: Registry) -> None:
    threads = [threading.Thread(target=registry.register, args=(made(f"v{n}"),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.number for one in registry.versions("demand")] == [8, 7, 6, 5, 4, 3, 2, 1]
