"""`loopwright data`: what it answers, and what its exit code means."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from loopwright.cli.pictures import bars, shares
from tests.cli.conftest import Command
from tests.loop.conftest import MODEL, rows


def spoil(project: Path, share: float) -> None:
    """A second file in which a share of the prices is far below anything seen."""
    more = rows(40, start=60)
    bad = int(share * more.height)
    prices = pl.when(pl.int_range(pl.len()) < bad).then(pl.lit(-9999.0)).otherwise(pl.col("price"))
    more.with_columns(price=prices).write_csv(project / "data" / "b.csv")


def test_check_says_that_sound_data_is_sound_and_leaves_no_contract_behind(command: Command, project: Path) -> None:
    said = command("data", "check", "--json")
    assert said.code == 0
    assert said.json["version"]["rows"] == 480
    assert said.json["report"]["decision"]["passed"] is True
    assert said.json["contract"] is None
    assert not (project / "contracts").exists()
    told = command("data", "check", "demand")
    assert (told.code, "480 rows, 6 columns" in told.out) == (0, True)


def test_check_ends_with_1_where_a_run_would_stop(command: Command, project: Path) -> None:
    command("data", "contract")
    spoil(project, 0.5)
    said = command("data", "check", "--json")
    assert said.code == 1
    assert said.json["report"]["bad_rows"] == 160
    assert "break the contract" in command("data", "check").out


def test_check_names_a_column_that_is_not_there(command: Command, project: Path) -> None:
    (project / "demand.py").write_text(MODEL.replace('target="sold"', 'target="sales"'))
    said = command("data", "check", "--json")
    assert said.code == 1
    assert said.json["error"] == "DeclarationError"
    assert "sales" in said.json["message"]


def test_profile_shows_each_column_with_its_figures(command: Command) -> None:
    columns = {one["name"]: one for one in command("data", "profile", "--json").json["columns"]}
    assert columns["price"]["minimum"] >= 1
    assert columns["shop"]["distinct"] == 8
    drawn = command("data", "profile").out
    (price,) = [line for line in drawn.splitlines() if line.startswith("price")]
    assert any(block in price for block in "▁▂▃▄▅▆▇█")
    assert "north 12%" in drawn or "%" in next(line for line in drawn.splitlines() if line.startswith("shop"))


def test_versions_say_which_runs_and_models_used_them(command: Command, project: Path) -> None:
    command("data", "check")
    command("run")
    rows(10, start=60).write_csv(project / "data" / "b.csv")
    command("data", "check")
    found = command("data", "versions", "--json").json
    assert [(one["version"]["rows"], one["learned"], len(one["runs"])) for one in found] == [
        (480, [1], 1),
        (560, [], 0),
    ]
    assert "v1" in command("data", "versions").out


def test_quarantine_shows_reasons_and_copies_the_rows_out(command: Command, project: Path, tmp_path: Path) -> None:
    command("run")
    assert command("data", "quarantine").code == 1
    spoil(project, 0.02)
    command("run")
    said = command("data", "quarantine", "demand", "--output", tmp_path / "bad.csv", "--json")
    assert said.code == 0
    (reason,) = said.json["reasons"]
    assert "price" in reason
    bad = pl.read_csv(tmp_path / "bad.csv")
    assert bad.height == said.json["rows"] == 6
    assert set(bad["price"]) == {-9999.0}
    assert "price" in command("data", "quarantine").out


def test_a_contract_is_written_once_and_renewed_when_asked(command: Command, project: Path) -> None:
    first = command("data", "contract", "--json").json
    path = Path(first["path"])
    assert first["written"]
    written = path.read_text()
    rows(40, start=60).with_columns(price=pl.col("price") * 100).write_csv(project / "data" / "b.csv")
    again = command("data", "contract", "--json").json
    assert (again["written"], path.read_text()) == (False, written)
    renewed = command("data", "contract", "--renew", "--json").json
    assert renewed["written"]
    assert "price" in renewed["changed"]
    assert "shop" not in renewed["changed"]
    assert path.read_text() != written


def test_bars_are_as_high_as_their_counts() -> None:
    assert bars([0, 1, 8]) == " ▁█"
    assert bars([1] * 64) == "█" * 16
    assert bars([]) == ""
    assert shares([("a", 3), ("b", 1)], 4) == "a 75%, b 25%"
