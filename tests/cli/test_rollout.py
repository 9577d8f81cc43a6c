"""`loopwright rollout`: stepping in by hand."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from loopwright.core.clock import SystemClock
from loopwright.traffic.predictions import segment_key
from tests.cli.conftest import Command
from tests.loop.conftest import rows


def test_a_version_that_needs_a_person_waits_for_one(command: Command, project: Path) -> None:
    model = project / "demand.py"
    model.write_text(model.read_text().replace("at_most=3.0", "at_most=3.0, approval=True"))
    assert "waits for a person" in command("rollout", "approve", "demand").err
    command("run")
    assert command("rollout", "list", "--json").json[0]["status"] == "awaiting_approval"
    for words in (("status",), ("rollout", "show", "demand")):
        assert "`loopwright rollout approve demand`" in " ".join(command(*words).out.split())
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


def test_a_rollout_is_shown_with_its_reasons(command: Command, project: Path) -> None:
    assert "demand has had no rollout" in command("rollout", "show", "demand").err
    command("run")
    said = command("rollout", "show", "demand")
    assert (said.code, "the first version goes live at once" in said.out) == (0, True)
    shown = command("rollout", "show", "demand", "--json").json
    assert [one["rule"] for one in shown["reasons"]] == ["promote"]


def test_a_shadow_is_held_against_what_was_answered(command: Command, project: Path) -> None:
    command("run")
    refused = command("rollout", "compare", "demand")
    assert (refused.code, "no shadow of demand has predicted anything" in refused.err) == (1, True)
    rows(40, start=60).write_csv(project / "data" / "b.csv")
    command("run")
    asked = rows(10)
    for version, shadow in ((1, False), (2, True)):
        _capture(project, asked, version=version, shadow=shadow)
    found = command("rollout", "compare", "demand", "--by", "shop", "--json").json
    assert (found["version"], found["against"], found["rows"]) == (2, 1, 80)
    assert {one["value"] for one in found["differences"]["segments"] if one["column"] == "shop"} >= {"north", "south"}
    page, picture = project / "shadow.html", project / "shadow.png"
    said = command("rollout", "compare", "demand", "--version", 2, "--since", "1h", "--output", page)
    assert said.code == 0
    assert "80 rows that version 1 answered" in said.out
    assert "data:image/png" in page.read_text()
    assert command("rollout", "compare", "demand", "--output", picture).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "names no format" in command("rollout", "compare", "demand", "--output", "shadow.txt").err
    assert "was not captured" in command("rollout", "compare", "demand", "--by", "weather").err
    assert "not a duration" in command("rollout", "compare", "demand", "--since", "soon").err


def _capture(project: Path, asked: pl.DataFrame, *, version: int, shadow: bool) -> None:
    """What a server would have kept just now."""
    now = SystemClock().now()
    frame = pl.DataFrame(
        {
            "prediction_id": [f"r{place}" for place in range(asked.height)],
            "version": [version] * asked.height,
            "at": [now] * asked.height,
            "key": pl.Series([None] * asked.height, dtype=pl.String),
            "shadow": [shadow] * asked.height,
            "input.shop": asked["shop"],
            "output.prediction": asked["sold"] + shadow * 0.5,
        }
    )
    sink = io.BytesIO()
    frame.write_parquet(sink)
    key = project / ".loopwright" / "store" / segment_key("demand", now, "server", version)
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_bytes(sink.getvalue())
