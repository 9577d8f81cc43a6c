"""The champion on the test rows: which of them it has not seen, and as which of its two selves it is held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from loopwright.errors import LoopwrightError
from loopwright.evaluation.bench import Bench, Contender
from loopwright.evaluation.opened import open_bundle
from loopwright.evaluation.records import Champion
from loopwright.evaluation.rows import Mask, moment
from loopwright.ports.workspace import Workspace
from loopwright.training.records import Candidate

FEWEST = 50
"""Rows that a comparison with the champion must have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The folder that stands for the champion, and which test rows it was not trained on `[n]`."""

    folder: str
    unseen: Mask
    sibling: bool
    until: str | None

    @property
    def words(self) -> str:
        """What is to be said of it."""
        who = "the champion, as it was before its refit," if self.sibling else "the champion"
        which = f"newer than {self.until}" if self.until else "of the test, on which nothing was ever trained"
        return f"{who} is held against on {int(self.unseen.sum()):,} rows {which}"


def stand(champion: Champion, candidate: Candidate, bench: Bench) -> Standing | None:
    """As which self, and on which rows, the champion can be compared; None where it has seen nearly all of them.

    By a hash no champion was ever trained on test rows: all of them serve. Where rows are ordered, those newer than
    what it was trained on serve, if there are `FEWEST`. A live champion that was refitted on newer rows than the
    candidate was trained on has a lead that the candidate's own refit would make up for: then the candidate that the
    champion once was stands for it.
    """
    if bench.history.moments is None:
        every = np.ones(len(bench.places), dtype=bool)
        return Standing(folder=champion.folder, unseen=every, sibling=False, until=None)
    selves = [(champion.folder, champion.trained_until, False)]
    if champion.evaluated_folder:
        leads = _reached(champion.trained_until) > _reached(candidate.trained_until)
        selves.insert(0 if leads else 1, (champion.evaluated_folder, champion.evaluated_trained_until, True))
    for folder, until, sibling in selves:
        unseen = _unseen(until, candidate, bench)
        if unseen.sum() >= FEWEST:
            return Standing(folder=folder, unseen=unseen, sibling=sibling, until=until)
    return None


def contend(
    champion: Champion, candidate: Candidate, rows: pl.DataFrame, bench: Bench, workspace: Workspace
) -> tuple[Contender | None, str]:
    """The champion's predictions for the test `rows`, or None where it cannot be compared; and what is to be said."""
    name = f"the champion (version {champion.version})"
    standing = stand(champion, candidate, bench)
    if standing is None:
        return None, f"{name} cannot be compared: fewer than {FEWEST} test rows are newer than those it was trained on"
    try:
        opened = open_bundle(name, standing.folder, workspace)
        if (opened.manifest.task == "regression") != (bench.task.name == "regression"):
            return None, f"{name} cannot be compared: its task is {opened.manifest.task}, not {bench.task.name}"
        scores = opened.scores(bench.task, opened.predict(rows), bench.classes)
    except LoopwrightError as error:  # a champion of other columns or classes must not keep its successor from coming
        return None, f"{name} cannot be compared: {error.message}"
    threshold, sibling = opened.manifest.threshold, standing.sibling
    found = Contender(who="champion", scores=scores, unseen=standing.unseen, threshold=threshold, sibling=sibling)
    return found, standing.words


def _unseen(until: str | None, candidate: Candidate, bench: Bench) -> Mask:
    """By time the rows after `until`; by row number those from the number `until` of rows on."""
    assert bench.history.moments is not None
    if until is None:
        return np.zeros(len(bench.places), dtype=bool)
    moments = bench.history.moments[bench.places]
    unseen: Mask = moments >= moment(until) if candidate.split.kind == "rows" else moments > moment(until)
    return unseen


def _reached(until: str | None) -> float:
    return -np.inf if until is None else moment(until)
