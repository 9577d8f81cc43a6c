"""`loopwright run`: what a person is told of a run, also of one that fails."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command


def test_a_run_shows_its_stages_and_why_it_passed(command: Command) -> None:
    said = command("run")
    assert said.code == 0
    assert "480 rows, 6 columns" in said.out
    assert "version 1 of demand passed its gate" in said.out
    assert "version 1 is champion" in command("runs", "list").out


def test_a_run_that_fails_says_why_once_and_what_to_do(command: Command, project: Path) -> None:
    (project / "data" / "a.csv").unlink()
    said = command("run")
    assert said.code == 1
    assert said.out.count("nothing matches data/*.csv") == 1
    assert "paths are relative to" in said.out


def test_brackets_in_a_message_are_shown(command: Command, project: Path) -> None:
    model = project / "demand.py"
    model.write_text(model.read_text().replace('"data/*.csv"', '"data/[ab].csv"'))
    (project / "data" / "a.csv").rename(project / "data" / "c.csv")
    assert "nothing matches data/[ab].csv" in command("run").out
