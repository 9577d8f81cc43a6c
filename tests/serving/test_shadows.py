"""Shadows predict copies of what was answered, aside; they are marked, counted and bounded."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from loopwright.core.clock import SystemClock
from loopwright.serving.background import Writer
from loopwright.serving.endpoints import LiveEndpoint
from loopwright.serving.recorder import Recorder
from loopwright.serving.shadows import Shadows
from loopwright.serving.spool import Spool
from loopwright.serving.summaries import Windows
from loopwright.serving.totals import Totals
from loopwright.testing.storage import MemoryStorage

COLUMNS = {"x": [1.5], "n": [2], "shop": ["a"]}


@pytest.fixture
def shadowed(project: Any, bring_up: Callable[..., LiveEndpoint]) -> Callable[..., LiveEndpoint]:
    """An endpoint whose champion has a shadow that answers ten times as much."""

    def make(share: int = 100) -> LiveEndpoint:
        shadow = project.bundle(project.linear(10.0), version=2)
        return bring_up(project.bundle(), replace(shadow, name="shadow", shadow=True, weight=share))

    return make


def test_a_shadow_answers_nobody(shadowed: Callable[..., LiveEndpoint]) -> None:
    endpoint = shadowed()
    assert [one.variant.name for one in endpoint.variants] == ["champion"]
    assert {endpoint.route(str(number)).variant.name for number in range(200)} == {"champion"}
    with pytest.raises(Exception, match="no variant 'shadow'"):
        endpoint.named("shadow")


def test_a_copy_has_the_same_id_and_the_shadows_own_answer(shadowed: Any, served: Any) -> None:
    live = shadowed().variants[0]
    shadows = Shadows(10, SystemClock())
    recorder = Recorder(10, shadows.copy)
    recorder.served(record := served(COLUMNS, [21.5], live=live, id="p1", key="k"))
    assert shadows.recorder.waiting == 0  # nothing is predicted where the answer is given
    shadows.work()
    ((copy,), failed, lost) = shadows.recorder.take()
    assert (copy.ids, copy.keys, copy.at) == (["p1"], ["k"], [record.at])
    assert (copy.live.variant.name, copy.outputs["prediction"].tolist()) == ("shadow", [215.0])
    assert (failed, lost, recorder.take()[0][0].ids) == ({}, {}, ["p1"])


def test_a_shadow_that_fails_or_has_no_room_is_told_by_its_own_errors(shadowed: Any, served: Any) -> None:
    live = shadowed().variants[0]
    shadows = Shadows(2, SystemClock())
    recorder = Recorder(10, shadows.copy)
    for x in (-1, 1, 1, 1):
        recorder.served(served({**COLUMNS, "x": [x]}, [1.0], live=live))
    shadows.work()
    copies, failed, _ = shadows.recorder.take()
    assert [one.requests for one in copies] == [1]
    kinds: dict[str, int] = {}
    for failure, count in failed.items():
        assert failure.live.variant.shadow
        kinds[failure.kind] = kinds.get(failure.kind, 0) + count
    assert kinds == {"model": 1, "overload": 2}
    assert ([one.requests for one in recorder.take()[0]], shadows.waiting) == ([4], 0)


def test_what_waits_when_the_server_ends_is_counted(shadowed: Any, served: Any) -> None:
    live = shadowed().variants[0]
    shadows = Shadows(10, SystemClock())
    for _ in range(3):
        shadows.copy(served(COLUMNS, [1.0], live=live))
    shadows.end()
    shadows.work()
    copies, failed, _ = shadows.recorder.take()
    assert (copies, list(failed.values())) == ([], [3])


def test_a_model_that_hangs_is_given_up_until_it_comes_back(
    shadowed: Any, served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    live = shadowed().variants[0]
    shadows = Shadows(10, SystemClock(), patience=0.1)
    for x in (-2, 1, 1):  # the first takes the model a second
        shadows.copy(served({**COLUMNS, "x": [x]}, [1.0], live=live))
    assert not shadows.give_up_hung()
    with ThreadPoolExecutor(1) as thread:
        lost = thread.submit(shadows.work)
        wait_until(shadows.give_up_hung)
        assert not shadows.give_up_hung()
        assert (shadows.hung, shadows.waiting) == (1, 2)
        assert shadows.work()  # another thread, in its place
        assert (sum(shadows.recorder.take()[1].values()), shadows.waiting) == (3, 0)
        assert lost.result() is False
    assert shadows.hung == 0
    shadows.copy(served(COLUMNS, [1.0], live=live))
    assert shadows.work()
    copies, failed, _ = shadows.recorder.take()
    assert ([one.requests for one in copies], failed) == ([1], {})
    assert [record.message.partition("(version 2) ")[2] for record in caplog.records] == [
        "has not come back for 0 s", "came back"
    ]  # fmt: skip


def test_copies_that_are_dropped_are_told_once_until_there_is_room_again(
    shadowed: Any, served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    live = shadowed().variants[0]
    shadows = Shadows(2, SystemClock())
    for _ in range(2):
        for _ in range(9):
            shadows.copy(served(COLUMNS, [1.0], live=live))
        shadows.work()
    assert [record.message for record in caplog.records] == [
        "demand: the shadows' queue is full, copies are dropped and counted"
    ] * 2


def test_the_end_does_not_wait_for_a_model_that_hangs(shadowed: Any, served: Any) -> None:
    live = shadowed().variants[0]
    shadows = Shadows(10, SystemClock())
    for x in (-2, 1):
        shadows.copy(served({**COLUMNS, "x": [x]}, [1.0], live=live))
    with ThreadPoolExecutor(1) as thread:
        lost = thread.submit(shadows.work)
        wait_until(lambda: len(shadows._queue) == 1)
        shadows.end()
        assert shadows.give_up_hung()
        assert shadows.work()
        failed = shadows.recorder.take()[1]
        assert {failure.kind for failure in failed} == {"overload"}
        assert (sum(failed.values()), shadows.waiting) == (2, 0)
        assert lost.result() is False


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_share_is_a_fair_one_and_the_same_for_an_id(shadowed: Any, served: Any) -> None:
    live = shadowed(25).variants[0]
    shadows = Shadows(10_000, SystemClock())
    for number in range(1000):
        shadows.copy(served(COLUMNS, [1.0], live=live, id=f"p{number}"))
    shadows.work()
    copied = {one for batch in shadows.recorder.take()[0] for one in batch.ids}
    assert 180 <= len(copied) <= 320
    for number in range(1000):
        shadows.copy(served(COLUMNS, [1.0], live=live, id=f"p{number}"))
    shadows.work()
    assert {one for batch in shadows.recorder.take()[0] for one in batch.ids} == copied


def test_rows_and_summaries_of_shadows_are_marked(shadowed: Any, served: Any, tmp_path: Any) -> None:
    clock, store = SystemClock(), MemoryStorage()
    shadows = Shadows(10, clock)
    recorder = Recorder(10, shadows.copy)
    recorder.served(served(COLUMNS, [21.5], live=shadowed().variants[0]))
    shadows.work()
    spool, totals = Spool(tmp_path / "spool", "s", store, 10**6, clock), Totals()
    writer = Writer((recorder, shadows.recorder), spool, Windows(60), totals, "s")
    writer.write(clock, everything=True)
    assert spool.send()
    spool.close()
    marks = {}
    for key, data in store.objects.items():
        if key.startswith("summaries/"):
            marks[key.split("/")[-1].split("-")[1]] = (b'"shadow":true' in data, b'"requests":1' in data)
    assert marks == {"champion": (False, True), "shadow": (True, True)}
    assert {labels[1]: tally.requests for labels, tally in totals.tallies.items()} == {"champion": 1, "shadow": 1}
