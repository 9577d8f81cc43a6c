"""The referee: what the loop cannot know. Which of two models is better now, and how well a perfect loop would do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from loopwright.bundle.read import read_manifest
from loopwright.bundle.records import Manifest
from loopwright.evaluation.tasks import TASKS, Scores, Task, headline
from loopwright.policies.tasks import METRICS
from loopwright.ports.predictor import Predictor
from loopwright.ports.storage import fetch_folder
from loopwright.simulation.laboratory import Laboratory
from loopwright.simulation.records import Judged
from loopwright.simulation.traffic import as_columns
from loopwright.simulation.world import World
from loopwright.statistics.metrics import metric

ORACLE_ROWS = 10_000
"""So many rows of the world as it is teach the oracle, where rows are drawn."""

ORACLE_DAYS = 7
"""How often it learns anew from rows that come in their order, where the world may change on any day."""

JUDGED_ROWS = 4_000
"""So many rows tell two models apart, where rows are drawn."""


class Referee:
    """Scores bundles of the laboratory on rows of the world. `first` is the folder of the first version's bundle."""

    def __init__(self, lab: Laboratory, world: World, first: str) -> None:
        self._lab, self._world, self.first = lab, world, first
        self._opened: dict[str, tuple[Manifest, Predictor]] = {}
        manifest = self._open(first)[0]
        self.task: Task = TASKS[manifest.task]
        self.classes = self.task.classes(manifest)
        self.metric = headline(lab.model.declaration.gate, manifest.task)
        self._oracle: tuple[str, int, tuple[float, ...]] = ("", -1, ())

    def scores(self, folder: str, rows: pl.DataFrame) -> Scores:
        """What the bundle in `folder` says of `rows`."""
        manifest, predictor = self._open(folder)
        columns = as_columns(rows)
        asked = {one.name: columns[one.name] for one in manifest.signature.inputs}
        return self.task.scores(manifest, predictor.predict(asked), self.classes)

    def truth(self, rows: pl.DataFrame) -> Scores:
        return self.task.truth(rows[self._lab.model.declaration.target], self.classes)

    def error(self, truth: Scores, scores: Scores) -> float | None:
        """The model's metric; 1 less it, where more of it is better. None where it has no meaning."""
        known = ~np.isnan(scores if scores.ndim == 1 else scores[:, 0])
        if not known.any():
            return None
        value = metric(self.task.name, self.metric, truth[known], scores[known])
        return value if value is None or not METRICS[self.metric][1] else 1 - value

    def oracle(self, day: int) -> str:
        """The bundle of a model that was trained on what is true on that day, at no cost and with no delay."""
        folder, made, state = self._oracle
        changed = self._world.state(day) != state
        if not folder or changed or (self._world.mode == "replay" and day - made >= ORACLE_DAYS):
            rows = self._world.sample(day, ORACLE_ROWS, days=60)
            self._opened.pop(folder, None)
            self._oracle = (self._lab.fit(f"oracle-{day}", rows), day, self._world.state(day))
        return self._oracle[0]

    def judge(
        self, day: float, challenger: str, champion: str, *, version: int | None, promoted: bool
    ) -> Judged | None:
        """Whether it was right to let `challenger` in, or to keep it out. None where no row can tell."""
        rows = self._world.ahead(int(day), JUDGED_ROWS)
        if rows.height < 2:
            return None
        truth = self.truth(rows)
        new, old = (self.error(truth, self.scores(folder, rows)) for folder in (challenger, champion))
        if new is None or old is None:
            return None
        figure = 1 - old if METRICS[self.metric][1] else old
        margin = self._lab.model.declaration.gate.margin * abs(figure)
        wrong = new - old > margin if promoted else old - new > margin
        return Judged(day=day, version=version, promoted=promoted, challenger=new, champion=old, wrong=wrong)

    def _open(self, folder: str) -> tuple[Manifest, Predictor]:
        if folder not in self._opened:
            place: Path = fetch_folder(self._lab.storage, folder, self._lab.home / "refereed" / folder)
            self._opened[folder] = (read_manifest(place), self._lab.load(place))
        return self._opened[folder]
