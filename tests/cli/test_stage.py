"""`loopwright stage`: a run driven from outside, a stage a call."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.bootstrap.steps import STAGE_NAMES
from tests.cli.conftest import Command
from tests.loop.conftest import MODEL, open_here


def test_the_stages_are_listed_in_their_order(command: Command) -> None:
    listed = command("stage", "--list", "--json").json
    assert tuple(one["name"] for one in listed) == STAGE_NAMES
    assert all(one["makes"] for one in listed)
    assert "evaluation_report" in command("stage", "--list").out


def test_a_run_is_driven_stage_by_stage_to_its_end(command: Command) -> None:
    first = command("stage", "new", STAGE_NAMES[0], "--json")
    run = first.json["run"]["id"]
    statuses = [first.json["run"]["status"]]
    for name in STAGE_NAMES[1:]:
        said = command("stage", run, name, "--json")
        assert (said.code, said.json["stage"]["status"]) == (0, "succeeded")
        statuses.append(said.json["run"]["status"])
    assert statuses == ["queued"] * (len(STAGE_NAMES) - 1) + ["succeeded"]
    assert command("models", "--json").json[0]["aliases"] == ["champion"]


def test_a_stage_that_is_done_is_not_done_again(command: Command) -> None:
    run = command("stage", "new", "code_version", "--json").json["run"]["id"]
    once = command("stage", run, "dataset_version", "--json").json["stage"]
    again = command("stage", run, "dataset_version", "--json")
    assert (again.code, again.json["stage"]) == (0, once)


def test_a_stage_before_its_turn_is_refused_with_the_one_that_is_missing(command: Command) -> None:
    run = command("stage", "new", "code_version", "--json").json["run"]["id"]
    said = command("stage", run, "candidate", "--json")
    assert (said.code, said.json["error"]) == (1, "ConflictError")
    assert "dataset_version comes first" in said.json["message"]


def test_a_failed_stage_ends_with_1_and_is_tried_again_when_asked(command: Command, project: Path) -> None:
    run = command("stage", "new", "code_version", "--json").json["run"]["id"]
    file = project / "data" / "a.csv"
    kept = file.read_bytes()
    file.write_text("")
    failed = command("stage", run, "dataset_version", "--json")
    assert (failed.code, failed.json["stage"]["status"], failed.json["run"]["status"]) == (1, "failed", "failed")
    file.write_bytes(kept)
    mended = command("stage", run, "dataset_version", "--json")
    assert (mended.code, mended.json["run"]["attempt"]) == (0, 2)


def test_a_refused_run_ends_with_1_at_its_gate_and_ever_after(command: Command, project: Path) -> None:
    (project / "demand.py").write_text(MODEL.replace("at_most=3.0", "at_most=0.1"))
    run = command("stage", "new", STAGE_NAMES[0], "--json").json["run"]["id"]
    codes = [command("stage", run, name).code for name in STAGE_NAMES[1:]]
    gate = STAGE_NAMES.index("gate_decision") - 1
    assert codes == [0] * gate + [1] * (len(codes) - gate)


@pytest.mark.parametrize(
    ("words", "error"),
    [(("stage", "new", "train"), "NotFoundError"), (("stage", "run-none", "profile"), "NotFoundError")],
)
def test_names_that_nothing_answers_to(command: Command, words: tuple[str, ...], error: str) -> None:
    said = command(*words, "--json")
    assert (said.code, said.json["error"]) == (1, error)
    assert command("stage", "--json").json["error"] == "RequestError"
    assert command("runs", "list", "--json").json == []


def test_a_run_that_another_worker_has_is_not_taken(command: Command, project: Path) -> None:
    run = command("stage", "new", "code_version", "--json").json["run"]["id"]
    session = open_here(project)
    session.platform.journal.claim("elsewhere/1", run_id=run)
    said = command("stage", run, "dataset_version", "--json")
    assert (said.code, said.json["error"]) == (1, "ConflictError")
    session.close()
