"""A drafted model file: it loads, says what the data hold, and guesses a time and a key only where they show."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from loopwright.bundle.code import find_models, load_module
from loopwright.declare import Declaration
from loopwright.draft import Draft, draft_model, write_new
from loopwright.errors import ConflictError, DeclarationError, SourceError

ROWS = 60
DAYS = [date(2026, 1, 1) + timedelta(days=one // 2) for one in range(ROWS)]


def draft(folder: Path, source: str = "Sales 2026.csv", target: str = "sold", **columns: object) -> Draft:
    rows = {"sold": [one % 37 + 0.5 for one in range(ROWS)], "shop": ["a", "b"] * (ROWS // 2), **columns}
    pl.DataFrame(rows).write_csv(folder / "Sales 2026.csv")
    return draft_model(source, target, folder)


def declared(folder: Path, drafted: Draft) -> Declaration:
    (folder / "model.py").write_text(drafted.text)
    (model,) = find_models(load_module(folder, "model.py")).values()
    return model.declaration


def test_a_draft_is_a_model_file_that_loads(tmp_path: Path) -> None:
    drafted = draft(tmp_path, day=DAYS, order_id=range(100, 100 + ROWS))
    said = declared(tmp_path, drafted)
    assert (said.name, said.source, said.target) == ("sales-2026", "Sales 2026.csv", "sold")
    assert (said.time, said.key) == ("day", "order_id") == (drafted.time, drafted.key)
    assert said.gate.metric == "rmse"
    assert "first 60 rows" in drafted.text
    assert max(map(len, drafted.text.splitlines())) <= 120


def test_without_dates_and_keys_the_draft_says_how_to_name_them(tmp_path: Path) -> None:
    drafted = draft(tmp_path, size=range(0, 2 * ROWS, 2))
    said = declared(tmp_path, drafted)
    assert (said.time, said.order, said.key) == (None, None, None)
    assert 'say order="rows"' in drafted.text
    assert "perhaps size" in drafted.text


@pytest.mark.parametrize(
    ("column", "values", "guessed"),
    [
        ("instant", range(1, ROWS + 1), True),  # counts on by one
        ("customerId", [f"c{one}" for one in range(ROWS)], True),
        ("order_id", [1, *range(1, ROWS)], False),  # one stands twice
        ("order_id", [None, *range(1, ROWS)], False),
        ("price", [one * 3 for one in range(ROWS)], False),  # different, but perhaps something to learn from
        ("paid", [one * 3 for one in range(ROWS)], False),  # ends in "id", and is no id
    ],
)
def test_a_key_is_guessed_where_name_or_values_say_so(
    tmp_path: Path, column: str, values: list[object], guessed: bool
) -> None:
    assert draft(tmp_path, **{column: list(values)}).key == (column if guessed else None)


def test_of_several_dates_the_one_the_rows_follow_is_the_time(tmp_path: Path) -> None:
    drafted = draft(tmp_path, born=DAYS[::-1], seen=DAYS)
    assert drafted.time == "seen"
    assert "other dates: born" in drafted.text


def test_a_classification_is_gated_on_a_metric_of_its_own(tmp_path: Path) -> None:
    drafted = draft(tmp_path, target="shop")
    assert declared(tmp_path, drafted).gate.metric == "roc_auc"
    assert "at_least" in drafted.text


def test_a_target_that_does_not_vary_yet_is_said(tmp_path: Path) -> None:
    drafted = draft(tmp_path, target="won", won=["no"] * ROWS)
    assert "In these rows the target 'won' is always no" in drafted.text
    assert declared(tmp_path, drafted).gate.metric is None


def test_a_query_is_a_source_too(tmp_path: Path) -> None:
    drafted = draft(tmp_path, source="SELECT *, sold > 10 AS \"many\"\nFROM 'Sales 2026.csv'", target="many")
    said = declared(tmp_path, drafted)
    assert said.source == "SELECT *, sold > 10 AS \"many\"\nFROM 'Sales 2026.csv'"
    assert said.name == "model"


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="'price'"):
        draft(tmp_path, target="price")
    with pytest.raises(SourceError, match=r"nothing\.csv"):
        draft_model("nothing.csv", "sold", tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine")
    assert write_new(tmp_path, {"model.py": "1", ".gitignore": "theirs"}) == ["model.py"]
    assert (tmp_path / ".gitignore").read_text() == "mine"
    with pytest.raises(ConflictError, match=r"model\.py already"):
        write_new(tmp_path, {"model.py": "2", "more.toml": ""})
    assert (tmp_path / "model.py").read_text() == "1"
    assert not (tmp_path / "more.toml").exists()
