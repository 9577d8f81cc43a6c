"""`loopwright rollout`: stepping in by hand."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.loop.conftest import rows


def test_a_version_that_needs_a_person_waits_for_one(command: Command, project: Path) -> None:
    model = project / "demand.py"
    model.write_text(model.read_text().replace("at_most=3.0", "at_most=3.0, approval=True"))
    assert "waits for a person" in command("rollout", "approve", "demand").err
    command("run")
    assert command("rollout", "list", "--json").json[0]["status"] == "awaiting_approval"
    approved = command("rollout", "approve", "demand", "--json")
    assert (approved.code, approved.json["status"]) == (0, "promoted")


def test_a_version_may_shadow_the_champion(command: Command, project: Path) -> None:
    command("run")
    said = command("rollout", "shadow", "demand", "1", "--share", "10")
    assert (said.code, said.out) == (0, "demand serves champion v1 100 %, shadow v1 10 % (revision 2)\n")
    ended = command("rollout", "shadow", "demand", "1", "--share", "0", "--json")
    assert [one["name"] for one in ended.json["variants"]] == ["champion"]
    assert "no version 7" in command("rollout", "shadow", "demand", "7").err


def test_the_list_says_what_stopped_a_rollout(command: Command, project: Path) -> None:
    command("run")
    rows(40, start=60).write_csv(project / "data" / "b.csv")
    command("run")
    assert command("rollout", "abort", "demand", "--reason", "a doubt").code == 0
    said = command("rollout", "list").out
    assert "a doubt" in said
    assert "too few requests" not in said
    assert "sound, up to revision" in command("rollout", "verify").out
