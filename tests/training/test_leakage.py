"""A feature that all but equals the target is found, and an honest one is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from loopwright.bundle.records import FeatureColumn
from loopwright.declare import Declaration
from loopwright.errors import FeatureError
from loopwright.features.matrix import make_encoding
from loopwright.policies.tasks import TaskName
from loopwright.training.leakage import check_twins

DECLARED = Declaration(name="m", source="s", target="y")
ENCODING = make_encoding([FeatureColumn(name=name, kind="number") for name in ("honest", "twin")])
RANDOM = np.random.default_rng(0)
N = 4000
NUMBER = RANDOM.normal(size=N)
BINARY = (RANDOM.random(N) < 0.1).astype(np.int64)
CLASSES = RANDOM.integers(0, 4, N)


def check(
    twin: NDArray[np.floating], y: NDArray[np.generic], task: TaskName, declared: Declaration = DECLARED
) -> tuple[str, ...]:
    honest = y + RANDOM.normal(size=len(y))
    return check_twins(ENCODING, np.column_stack([honest, twin]).astype(np.float32), y, task, declared)


LEAKS: list[tuple[str, NDArray[np.floating], NDArray[np.generic], TaskName]] = [
    ("the number itself", NUMBER, NUMBER, "regression"),
    ("in another unit, rounded", np.round(-9 * NUMBER + 4, 1), NUMBER, "regression"),
    ("the class itself", BINARY * 1.0, BINARY, "binary"),
    ("the class turned round", 1.0 - BINARY, BINARY, "binary"),
    ("a number only positives have", BINARY * RANDOM.uniform(1, 2, N), BINARY, "binary"),
    ("a category of its own each", np.array([3.0, 0.0])[BINARY], BINARY, "binary"),
    ("several categories a class", BINARY * 3 + RANDOM.integers(0, 3, N) * 1.0, BINARY, "binary"),
    ("codes in another order", np.array([2.0, 0.0, 3.0, 1.0])[CLASSES], CLASSES, "multiclass"),
    ("with gaps", np.where(RANDOM.random(N) < 0.5, np.nan, NUMBER), NUMBER, "regression"),
]


@pytest.mark.parametrize(("twin", "y", "task"), [one[1:] for one in LEAKS], ids=[one[0] for one in LEAKS])
def test_a_twin_of_the_target_is_named_with_its_remedy(
    twin: NDArray[np.floating], y: NDArray[np.generic], task: TaskName
) -> None:
    with pytest.raises(FeatureError, match="'twin' all but equals the target 'y'") as caught:
        check(twin, y, task)
    assert "drop=['twin']" in caught.value.remedy
    assert "trust=['twin']" in caught.value.remedy


def test_a_trusted_twin_passes_and_is_said_and_another_one_does_not() -> None:
    (said,) = check(NUMBER, NUMBER, "regression", replace(DECLARED, trust=("twin",)))
    assert "'twin' all but equals the target 'y'" in said
    with pytest.raises(FeatureError, match="'twin'"):
        check(NUMBER, NUMBER, "regression", replace(DECLARED, trust=("honest",)))


HONEST: list[tuple[str, NDArray[np.floating], NDArray[np.generic], TaskName]] = [
    ("a strong number", NUMBER + 0.1 * RANDOM.normal(size=N), NUMBER, "regression"),
    ("a strong score", BINARY + 0.5 * RANDOM.normal(size=N), BINARY, "binary"),
    ("a name for each row", np.arange(N) * 1.0, BINARY, "binary"),
    ("the same for all", np.ones(N), NUMBER, "regression"),
    ("never known", np.full(N, np.nan), NUMBER, "regression"),
    ("known for a few rows only", np.where(np.arange(N) < 50, NUMBER, np.nan), NUMBER, "regression"),
    ("one class of four", (CLASSES == 2) * 1.0, CLASSES, "multiclass"),
]


@pytest.mark.parametrize(("twin", "y", "task"), [one[1:] for one in HONEST], ids=[one[0] for one in HONEST])
def test_an_honest_feature_passes(twin: NDArray[np.floating], y: NDArray[np.generic], task: TaskName) -> None:
    assert check(twin, y, task) == ()
