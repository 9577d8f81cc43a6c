"""Scenarios: ours, and those in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.errors import DeclarationError, NotFoundError
from loopwright.simulation.records import BadBatch, Drift, Labels, Scenario
from loopwright.simulation.scenarios import check_scenario, find_scenario, scenarios


def test_each_of_ours_has_a_name_and_says_what_happens() -> None:
    names = [one.name for one in scenarios()]
    assert "quiet" in names
    assert len(set(names)) == len(names) >= 9
    assert all(one.summary for one in scenarios())


def test_a_file_is_read_and_named_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "storm.toml"
    path.write_text('[[drift]]\nkind = "concept"\nat = 3\n[labels]\ndelay = 0.5\n')
    found = find_scenario(str(path))
    assert (found.name, found.drift, found.labels) == ("storm", (Drift(kind="concept", at=3),), Labels(delay=0.5))


def test_a_name_that_nothing_answers_to_is_refused_with_those_there_are() -> None:
    with pytest.raises(NotFoundError, match="strom") as caught:
        find_scenario("strom")
    assert "quiet" in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "weather = 3",
        "[labels]\ndely = 3",
        '[[drift]]\nkind = "flood"\nat = 1',
        '[[drift]]\nkind = "concept"\nat = 1\ncolumm = "x"',
        "history",
    ],
)
def test_what_means_nothing_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(DeclarationError, match=r"wrong\.toml"):
        find_scenario(str(path))


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(history=10),
        Scenario(labels=Labels(delay=-1)),
        Scenario(drift=(Drift(kind="concept", at=-1),)),
        Scenario(drift=(Drift(kind="concept", at=1, every=5),)),
        Scenario(bad_batch=(BadBatch(kind="nulls", at=1, share=2),)),
        Scenario(bad_batch=(BadBatch(kind="nulls", at=1, lasts=0),)),
    ],
)
def test_what_cannot_be_is_refused(scenario: Scenario) -> None:
    with pytest.raises(DeclarationError):
        check_scenario(scenario)
