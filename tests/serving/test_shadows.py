"""Shadows predict copies of what was answered, aside; they are marked, counted and bounded."""

from __future__ import annotations

from collections.abc import Callable
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
