"""The simulated chain: the same seed the same sales, rows that hang together, and a price war that is one."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from loopwright.demo.retail import CALM, CATEGORIES, COLUMNS, PRICE_WAR, STORES, Chain, Regime, Row, write_sales

ROWS_A_DAY = len(STORES) * len(CATEGORIES) * 4


def column(rows: list[Row], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows])


def test_a_seed_says_everything() -> None:
    assert Chain(3).sales(5, 2, CALM) == Chain(3).sales(5, 2, CALM)
    assert Chain(3).sales(5, 2, CALM) != Chain(4).sales(5, 2, CALM)


def test_every_store_sells_every_item_every_day_under_an_id_of_its_own() -> None:
    rows = Chain(0).sales(0, 3, CALM) + Chain(0).sales(3, 2, PRICE_WAR)
    assert len(rows) == 5 * ROWS_A_DAY
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({(row["day"], row["store"], row["item"]) for row in rows}) == len(rows)
    assert [row["day"] for row in rows] == sorted(row["day"] for row in rows)


def test_a_price_says_what_the_discount_says() -> None:
    rows = Chain(1).sales(0, 20, PRICE_WAR)
    for item in {row["item"] for row in rows}:
        full = {row["price"] for row in rows if row["item"] == item and not row["promotion"]}
        assert len(full) == 1
        (usual,) = full
        for row in rows:
            if row["item"] == item:
                assert row["price"] == pytest.approx(usual * (1 - row["discount"]), abs=0.01)
                assert row["promotion"] == (row["discount"] > 0)


@pytest.mark.parametrize("seed", range(3))
def test_in_the_price_war_promotions_are_more_deeper_and_matter_more(seed: int) -> None:
    def facts(regime: Regime) -> tuple[float, float, float]:
        rows = Chain(seed).sales(30, 60, regime)
        promoted, sold = column(rows, "promotion"), column(rows, "sold")
        return (
            promoted.mean(),
            column(rows, "discount")[promoted].mean(),
            sold[promoted].mean() / sold[~promoted].mean(),
        )

    for calm, war in zip(facts(CALM), facts(PRICE_WAR), strict=True):
        assert war > 1.2 * calm


def test_a_file_of_sales_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    rows = Chain(0).sales(0, 2, CALM)
    write_sales(rows, tmp_path / "data" / "sales.csv")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["sales.csv"]
    with (tmp_path / "data" / "sales.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert tuple(read[0]) == COLUMNS
    assert [int(row["sold"]) for row in read] == [row["sold"] for row in rows]
