"""The champion on the test rows: which of them it has not seen, and as which of its two selves it is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from loopwright.errors import BundleError, LoopwrightError, StorageError
from loopwright.evaluation.bench import Bench, Contender
from loopwright.evaluation.opened import open_bundle
from loopwright.evaluation.records import Champion
from loopwright.evaluation.rows import Mask, moment
from loopwright.ports.workspace import Workspace
from loopwright.training.records import Candidate, SplitPlan
from loopwright.training.split import assign

FEWEST = 50
"""Rows that a comparison with the champion must have, where it is not on all test rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The folder that stands for the champion, and which test rows it was not trained on `[n]`."""

    folder: str
    unseen: Mask
    sibling: bool
    until: str | None

    def words(self, who: str) -> str:
        """On what it is held against, for the report's notes."""
        who = f"the {who}, as it was before its refit," if self.sibling else f"the {who}"
        which = f"newer than {self.until}" if self.until else "of the test, on which it was never trained"
        return f"{who} is compared on {int(self.unseen.sum()):,} rows {which}"


def contend(
    who: Literal["champion", "anchor"],
    champion: Champion,
    candidate: Candidate,
    rows: pl.DataFrame,
    bench: Bench,
    workspace: Workspace,
) -> tuple[Contender | None, str]:
    """Its predictions for the test `rows`, or None where it cannot be compared; and a note that says how."""
    name = f"the {who} (version {champion.version})"
    standing = stand(champion, candidate, rows, bench)
    if isinstance(standing, str):
        return None, f"{name} cannot be compared: {standing}"
    try:
        opened = open_bundle(name, standing.folder, workspace)
        if (opened.manifest.task == "regression") != (bench.task.name == "regression"):
            return None, f"{name} cannot be compared: its task is {opened.manifest.task}, not {bench.task.name}"
        scores = opened.scores(bench.task, opened.predict(rows), bench.classes)
    except StorageError:
        raise  # the store will be back, and whom it passed by would be the measure no more
    except LoopwrightError as error:  # a champion of other columns must not keep its successor from coming
        if who == "champion" and isinstance(error, BundleError):
            raise  # one that is damaged must be mended or rolled back, not passed by
        return None, f"{name} cannot be compared: {error.message}"
    threshold, sibling = opened.manifest.threshold, standing.sibling
    found = Contender(who=who, scores=scores, unseen=standing.unseen, threshold=threshold, sibling=sibling)
    return found, standing.words(who)


def stand(champion: Champion, candidate: Candidate, rows: pl.DataFrame, bench: Bench) -> Standing | str:
    """As which self, and on which of the test `rows`, the champion can be compared; or why it cannot.

    By a hash, the champion was never trained on rows that its own split kept for the test. Where rows are ordered,
    it has not seen those newer than what it was trained on. A live champion that was refitted on newer rows than the
    candidate was trained on has a lead that the candidate's own refit would make up for: then the candidate that the
    champion once was stands for it. Otherwise the live champion does, where there are `FEWEST` such rows.
    """
    if champion.split is not None and _way(champion.split) != _way(candidate.split):
        return f"its rows were split by {_way(champion.split)}, the candidate's by {_way(candidate.split)}"
    if candidate.split.kind == "hash":
        return _stand_by_hash(champion, rows)
    return _stand_in_order(champion, candidate, bench)


def _way(split: SplitPlan) -> str:
    return {
        "time": f"the time {split.column}",
        "rows": "row number",
        "hash": f"a hash of {split.column or 'each row'}",
    }[split.kind]


def _stand_by_hash(champion: Champion, rows: pl.DataFrame) -> Standing | str:
    unseen = np.ones(rows.height, dtype=bool)
    if champion.split is not None:
        gone = [name for name in champion.split.columns if name not in rows.columns]
        if gone:
            return f"its rows were split by columns of which {gone[0]!r} is gone"
        unseen = (assign(champion.split, rows) == "test").to_numpy()
    if not _enough(unseen):
        return f"only {int(unseen.sum())} test rows are such as it was surely not trained on, fewer than {FEWEST}"
    return Standing(folder=champion.folder, unseen=unseen, sibling=False, until=None)


def _stand_in_order(champion: Champion, candidate: Candidate, bench: Bench) -> Standing | str:
    selves = [(champion.folder, champion.trained_until, False)]
    if champion.evaluated_folder is not None:
        leads = _reached(champion.trained_until) > _reached(candidate.trained_until)
        selves.insert(0 if leads else 1, (champion.evaluated_folder, champion.evaluated_trained_until, True))
    most = None
    for folder, until, sibling in selves:
        if until is not None:
            unseen = _newer(until, candidate.split, bench)
            if _enough(unseen):
                return Standing(folder=folder, unseen=unseen, sibling=sibling, until=until)
            most = max(most or 0, int(unseen.sum()))
    if most is None:
        return "it is not known which rows it was trained on"
    return f"only {most} test rows are newer than those it was trained on, fewer than {FEWEST}"


def _enough(unseen: Mask) -> bool:
    return bool(unseen.all() or unseen.sum() >= FEWEST)


def _newer(until: str, split: SplitPlan, bench: Bench) -> Mask:
    """By time the rows after `until`; by row number those from the number `until` of rows on."""
    assert bench.history.moments is not None
    moments = bench.history.moments[bench.places]
    newer: Mask = moments >= moment(until) if split.kind == "rows" else moments > moment(until)
    return newer


def _reached(until: str | None) -> float:
    return -np.inf if until is None else moment(until)
