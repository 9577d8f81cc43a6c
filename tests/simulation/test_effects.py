"""What happens to rows does what it says, and nothing else."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from loopwright.declare import Declaration
from loopwright.errors import DeclarationError
from loopwright.simulation.effects import Concept, mislabelled, shuffled, spoil, strength, telling
from loopwright.simulation.records import BadBatch, Drift

DECLARED = Declaration(name="m", source="x.csv", target="y", key="id")


def frame(count: int = 2000) -> pl.DataFrame:
    random = np.random.default_rng(1)
    a, b = random.normal(size=(2, count))
    return pl.DataFrame(
        {"id": np.arange(count), "a": a, "b": 5 * b, "c": ["x", "z"] * (count // 2), "y": 3 * a + b, "late": a > 0}
    )


@pytest.mark.parametrize(("day", "strong"), [(9.9, 0), (10, 1), (14.9, 1), (15, 0), (30, 1), (36, 0)])
def test_a_recurring_drift_comes_and_goes(day: float, strong: float) -> None:
    assert strength(Drift(kind="concept", at=10, lasts=5, every=20), day) == strong


def test_a_gradual_drift_grows_and_stays() -> None:
    drift = Drift(kind="concept", at=10, over=10)
    grown = [strength(drift, day) for day in (9, 12, 15, 18, 20, 50)]
    assert grown[0] == 0
    assert grown == sorted(grown)
    assert grown[-2:] == [1, 1]


def test_the_most_telling_input_is_found_and_the_key_is_none() -> None:
    assert telling(DECLARED, frame().drop("late")) == "a"


def test_without_a_numeric_input_nothing_can_drift_by_itself() -> None:
    with pytest.raises(DeclarationError):
        telling(DECLARED, frame().select("id", "c", "y"))


def test_a_concept_drift_turns_what_was_learned_against_itself() -> None:
    rows = frame()
    effect = Concept.of(Drift(kind="concept", at=0, column="a"), DECLARED, "regression", rows)
    moved = effect.apply(rows, 1.0, np.random.default_rng(0))
    assert np.corrcoef(rows["a"], moved["y"])[0, 1] < 0.2 < 0.9 < np.corrcoef(rows["a"], rows["y"])[0, 1]
    assert moved.drop("y").equals(rows.drop("y"))


def test_a_concept_drift_of_classes_changes_the_share_it_names() -> None:
    rows = frame()
    declared = Declaration(name="m", source="x.csv", target="late")
    effect = Concept.of(Drift(kind="concept", at=0, column="b", by=0.5), declared, "binary", rows)
    moved = effect.apply(rows, 1.0, np.random.default_rng(0))
    above = rows["b"] > rows["b"].mean()
    changed = rows["late"] != moved["late"]
    assert not (changed & ~above).any()
    assert 0.4 < changed.filter(above).mean() < 0.6


def test_counts_stay_counts() -> None:
    rows = frame().with_columns(y=(10 + 3 * pl.col("a")).clip(0).round().cast(pl.Int64))
    effect = Concept.of(Drift(kind="concept", at=0, column="a", by=3), DECLARED, "regression", rows)
    moved = effect.apply(rows, 1.0, np.random.default_rng(0))["y"]
    assert moved.dtype == pl.Int64
    assert moved.min() == 0


def test_labels_are_wrong_by_as_much_as_is_said() -> None:
    rows = frame()
    wrong = mislabelled(rows, "late", "binary", 0.1, np.random.default_rng(0))
    assert 0.07 < (wrong["late"] != rows["late"]).mean() < 0.13
    noisy = mislabelled(rows, "y", "regression", 0.5, np.random.default_rng(0))
    assert (noisy["y"] - rows["y"]).std() == pytest.approx(0.5 * rows["y"].std(), rel=0.1)


def test_a_shuffled_target_keeps_its_values() -> None:
    rows = frame()
    mixed = shuffled(rows, "y", 1)
    assert mixed["y"].sort().equals(rows["y"].sort())
    assert abs(np.corrcoef(mixed["y"], mixed["a"])[0, 1]) < 0.1


@pytest.mark.parametrize(
    ("batch", "check"),
    [
        (BadBatch(kind="nulls", at=3, column="a"), lambda rows, was: rows["a"].null_count() == rows.height),
        (BadBatch(kind="units", at=3, column="a"), lambda rows, was: rows["a"].equals(was["a"] * 1000)),
        (
            BadBatch(kind="swapped", at=3, column="a", other="b"),
            lambda rows, was: rows["a"].equals(was["b"].rename("a")),
        ),
        (
            BadBatch(kind="nulls", at=3, column="a", share=0.3),
            lambda rows, was: 0.25 < rows["a"].null_count() / 2000 < 0.35,
        ),
    ],
    ids=["nulls", "units", "swapped", "some"],
)
def test_a_bad_batch_is_spoilt_on_its_day_alone(batch: BadBatch, check) -> None:
    was = frame()
    assert check(spoil(was, DECLARED, (batch,), 3, "source", (1,)), was)
    assert spoil(was, DECLARED, (batch,), 4, "source", (1,)).equals(was)


def test_a_batch_that_is_bad_in_the_source_comes_sound_in_requests() -> None:
    batch = BadBatch(kind="nulls", at=3, column="a", where="source")
    assert spoil(frame(), DECLARED, (batch,), 3, "requests", (1,)).equals(frame())
