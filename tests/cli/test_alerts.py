"""`loopwright monitor alerts` and what belongs to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.bootstrap.platform import open_platform
from tests.cli.conftest import Command


@pytest.fixture
def failed(project: Path) -> str:
    """The id of an alert: a run has failed, and that was told."""
    platform = open_platform(project)
    platform.journal.submit("demand", cause="test", actor="test")
    claim = platform.journal.claim("worker")
    assert claim is not None
    platform.journal.finish(claim, "failed", summary="it broke")
    platform.monitors.tick({"demand": platform.project.model("demand").declaration})
    platform.alerting.tell(platform.destinations)
    (alert,) = platform.alerting.alerts()
    platform.close()
    return alert.id


def test_an_alert_is_shown_with_its_evidence_and_who_sees_to_it(command: Command, failed: str) -> None:
    command("monitor", "ack", failed, "--because", "the disk was full")
    (alert,) = command("monitor", "alerts", "--open", "--json").json
    assert (alert["id"], alert["acknowledged_because"]) == (failed, "the disk was full")
    assert alert["acknowledged_by"]
    shown = command("monitor", "alerts")
    assert shown.code == 0
    assert "sees to it" in " ".join(shown.out.split())


def test_a_silence_is_made_listed_and_lifted(command: Command, project: Path) -> None:
    made = command(
        "monitor", "silence", "demand", "--rule", "drift", "--for", "2h", "--because", "a sale", "--json"
    ).json
    assert [one["id"] for one in command("monitor", "silences", "--json").json] == [made["id"]]
    assert command("status", "--json").json["silences"] == [made]
    assert command("monitor", "lift", made["id"], "--json").json["lifted_by"]
    assert command("monitor", "silences", "--json").json == []
    assert len(command("monitor", "silences", "--all", "--json").json) == 1


def test_a_silence_of_a_model_that_is_not_there_or_for_no_time_is_refused(command: Command, project: Path) -> None:
    assert command("monitor", "silence", "nobody", "--because", "x").code == 1
    assert command("monitor", "silence", "demand", "--because", "x", "--for", "soon").code == 1
    assert command("monitor", "silence", "demand", "--because", " ").code == 1


def test_notices_say_how_they_got_to_each_destination(command: Command, failed: str) -> None:
    (notice,) = command("monitor", "notices", "--json").json
    assert notice["alerts"] == [failed]
    assert [one["destination"] for one in notice["deliveries"]] == ["log"]


def test_a_destination_that_cannot_be_reached_is_shown_and_the_log_is_told(command: Command, project: Path) -> None:
    (project / "loopwright.toml").write_text('notify = { oncall = "nonsense://secret" }\n')
    platform = open_platform(project)
    assert list(platform.destinations) == ["log", "oncall"]
    checks = [one for one in command("doctor", "--json").json if one["name"] == "notices"]
    assert [(one["finding"], "secret" in one["text"]) for one in checks] == [("ok", False), ("fail", False)]
