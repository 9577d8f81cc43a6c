"""A retail chain that does not exist: simulated sales of items in stores, day by day, before and during a price war."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Row = dict[str, Any]

START = date(2026, 1, 1)
STORES = ("Harbour", "Market Square", "Station", "University", "Old Town", "Airport Road")
CATEGORIES = ("bakery", "dairy", "drinks", "household")
ITEMS_PER_CATEGORY = 4
COLUMNS = ("id", "day", "store", "item", "category", "price", "promotion", "discount", "sold")


@dataclass(frozen=True, kw_only=True, slots=True)
class Regime:
    """How the market stands. `elasticity` is by how many percent demand falls when a price rises by one percent.

    `promoted` is the share of prices on promotion and `depth` how far these are cut, as shares; `demand` scales what
    is sold at full price.
    """

    promoted: float
    depth: tuple[float, float]
    elasticity: float
    demand: float


CALM = Regime(promoted=0.25, depth=(0.1, 0.3), elasticity=1.8, demand=1.0)
PRICE_WAR = Regime(promoted=0.6, depth=(0.15, 0.45), elasticity=3.5, demand=0.6)
"""A discounter opens next door: far more and deeper promotions, and customers who compare prices."""


class Chain:
    """The chain with its customers: what follows from `seed` and stays as it is while regimes come and go."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        items = len(CATEGORIES) * ITEMS_PER_CATEGORY
        self.seed = seed
        self._usual = np.round(random.uniform(1.5, 12.0, items), 1) - 0.01
        self._popularity = random.lognormal(2.4, 0.5, items)
        self._size = random.lognormal(0.0, 0.35, len(STORES))
        self._week = 1 + np.array([-0.15, -0.12, -0.05, 0.0, 0.25, 0.45, -0.3]) * random.uniform(0.7, 1.2)
        self._peak = random.uniform(0, 365, len(CATEGORIES))

    def sales(self, first: int, days: int, regime: Regime) -> list[Row]:
        """Every store's sales of every item on `days` days from day number `first` on, a row each, in order."""
        random = np.random.default_rng((self.seed, first))
        return [row for day in range(first, first + days) for row in self._day(day, regime, random)]

    def _day(self, number: int, regime: Regime, random: np.random.Generator) -> Iterator[Row]:
        day = START + timedelta(days=number)
        stores, items = len(STORES), len(self._usual)
        category = np.repeat(np.arange(len(CATEGORIES)), ITEMS_PER_CATEGORY)
        promoted = random.random((stores, items)) < regime.promoted
        discount = np.where(promoted, np.round(random.uniform(*regime.depth, (stores, items)), 2), 0.0)
        season = 1 + 0.25 * np.cos(2 * np.pi * (day.timetuple().tm_yday - self._peak[category]) / 365)
        sold = random.poisson(
            regime.demand
            * self._popularity
            * season
            * self._size[:, None]
            * self._week[day.weekday()]
            * (1 - discount) ** -regime.elasticity
            * random.gamma(20, 1 / 20, (stores, items))  # what no column tells
        )
        for store, item in np.ndindex(stores, items):
            yield {
                "id": (number * stores + store) * items + item,
                "day": day.isoformat(),
                "store": STORES[store],
                "item": f"{CATEGORIES[category[item]]}-{item % ITEMS_PER_CATEGORY + 1}",
                "category": CATEGORIES[category[item]],
                "price": round(float(self._usual[item] * (1 - discount[store, item])), 2),
                "promotion": bool(promoted[store, item]),
                "discount": float(discount[store, item]),
                "sold": int(sold[store, item]),
            }


def write_sales(rows: list[Row], path: Path) -> None:
    """Write rows as CSV, whole or not at all: whoever watches the folder never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    unfinished.rename(path)
