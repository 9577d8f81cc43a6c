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


def test_what_waits_for_a_person_is_shown_and_approved(command: Command, project: Path) -> None:
    model = project / "demand.py"
    model.write_text(model.read_text().replace('Governor("1s")', 'Governor("0s", approval="always")'))
    command("run")
    rows(40, start=60).write_csv(project / "data" / "b.csv")
    assert command("tick", "--json").json["runs"] == []
    (waiting,) = command("status", "--json").json["requests"]
    assert f"loopwright retrain --approve {waiting['id']}" in command("status").out.replace("\n", " ")
    assert "waits for a person" in command("monitor", "requests").out.replace("\n", " ")
    approved = command("retrain", "--approve", waiting["id"], "--json")
    assert (approved.code, approved.json["status"]) == (0, "accepted")
    assert command("retrain", "--approve", waiting["id"]).code == 1
    assert command("retrain", "demand", "--approve", waiting["id"]).code == 1


def test_a_request_that_is_to_be_tried_out_says_what_came_of_it(command: Command, project: Path) -> None:
    command("run")
    rows(40, start=60, slope=-2.0).write_csv(project / "data" / "b.csv")
    model = project / "demand.py"
    always = model.read_text().replace('Governor("1s")', 'Governor("0s", backtest="always")')
    model.write_text(always)
    command("tick")
    (asked,) = [one for one in command("monitor", "requests", "--json").json if one["trigger"] == "new_data"]
    report = asked["backtest"]["report"]
    assert (asked["status"], report["trouble"]) == ("accepted", ""), asked
    assert report["low"] > 0
    (said,) = [one["text"] for one in asked["decision"]["reasons"] if one["rule"] == "backtest"]
    assert said.startswith("worth it: on the ")


def test_the_breaker_is_reset_by_hand(command: Command) -> None:
    assert "may be retrained again" in command("monitor", "breaker", "reset").out
    assert command("monitor", "breaker", "reset", "demand", "--json").json["model"] == "demand"
