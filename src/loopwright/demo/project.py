"""The demonstration's project on disk, as a user would write it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from loopwright.demo.retail import CALM, Chain, write_sales
from loopwright.draft import write_new
from loopwright.errors import ConflictError

MODEL = "retail-demand"
HISTORY_DAYS = 120
"""How many days of sales the project begins with."""

MODEL_FILE = '''"""demand.py: how many of an item a store sells on a day."""

import polars as pl

from loopwright import Canary, Decay, Drift, Gate, Governor, Model, Split

model = Model(
    "retail-demand",
    source="data/*.csv", target="sold", time="day", key="id",
    split=Split(validation=0.1, test=0.1),           # the newest days test what the older ones taught
    gate=Gate("wape", at_most=0.5),                  # binds the first version; later ones must not be worse
    rollout=Canary(steps=(25, 50, 100), {canary}),
    retrain=[Drift({drift}), Decay()],               # other inputs came, or predictions have become worse
    governor=Governor("{cooldown}"),
)


@model.features
def features(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(weekday=pl.col("day").dt.weekday()).drop("day")
'''

PATIENT = {"canary": 'interval="10m"', "drift": 'window="1d"', "cooldown": "1h"}
QUICK = {
    "canary": 'interval="2s", min_requests=10, max_latency_ratio=5',
    "drift": 'window="4s"',
    "cooldown": "1s",
}
"""The policies' paces: for real use, and for a demonstration in which a day takes less than a second."""

GITIGNORE = """.loopwright/
__pycache__/
data/
"""


SETTINGS = """# What this project sets; every other setting has a default.
models = ["demand.py"]
"""


def write_project(
    folder: Path, chain: Chain, pace: Mapping[str, str] = PATIENT, settings: Mapping[str, float] | None = None
) -> list[str]:
    """Write the model file, settings (`settings` beside the usual) and first simulated sales; says which files.

    Raises `ConflictError`, and writes nothing, where one of them is there already.
    """
    sales = "data/sales-1.csv"
    more = "".join(f"{name} = {value}\n" for name, value in (settings or {}).items())
    files = {"demand.py": MODEL_FILE.format(**pace), "loopwright.toml": SETTINGS + more, ".gitignore": GITIGNORE}
    if (folder / sales).exists():
        raise ConflictError(f"{folder.resolve()} has {sales} already", remedy="nothing was written; move it away")
    written = write_new(folder, files)
    write_sales(chain.sales(0, HISTORY_DAYS, CALM), folder / sales)
    return [*written, sales]
