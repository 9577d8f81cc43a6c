"""`loopwright retrain`: the governor's word, and the run that follows."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.loop.conftest import rows


def test_nothing_to_learn_is_refused_with_its_reasons(command: Command) -> None:
    command("run")
    said = command("retrain", "demand", "--json")
    assert said.code == 1
    assert said.json["status"] == "refused"
    assert "nothing to learn" in command("retrain").out
    asked = command("monitor", "requests", "demand", "--json").json
    assert [one["status"] for one in asked] == ["refused", "refused"]
    assert "nothing to learn" in command("monitor", "requests").out


def test_new_rows_are_accepted_and_the_next_tick_learns_from_them(command: Command, project: Path) -> None:
    command("run")
    rows(40, start=60).write_csv(project / "data" / "b.csv")
    asked = command("retrain", "--reason", "a new season", "--force", "--json")
    assert (asked.code, asked.json["status"], asked.json["force"]) == (0, "accepted", True)
    (run,) = command("tick", "--json").json["runs"]
    assert (run["id"], run["status"]) == (asked.json["run"], "succeeded")
    assert "a new season" in run["cause"]


def test_force_overrules_all_but_one_at_a_time(command: Command) -> None:
    command("run")
    assert "accepted" in command("retrain", "--force").out
    again = command("retrain", "--force", "--json")
    assert (again.code, again.json["status"]) == (1, "refused")
