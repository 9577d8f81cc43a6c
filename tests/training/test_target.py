"""Which task a target makes, said with its reason, and its values as numbers."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest

from loopwright.declare import Declaration
from loopwright.errors import DeclarationError, TrainingError
from loopwright.policies.gate import Gate
from loopwright.policies.training import Threshold
from loopwright.training.target import plan_target, target_values


def declared(**given: Any) -> Declaration:
    return Declaration(name="m", source="s", target="y", **given)


def series(values: list[Any]) -> pl.Series:
    return pl.Series("y", values)


CASES: list[tuple[list[Any], str, tuple[str, ...], str]] = [
    (["no", "yes", "no", None], "binary", ("no", "yes"), "two different values"),
    (["Yes", "No", "No"], "binary", ("No", "Yes"), "by its name"),
    (["stay", "churned"], "binary", ("stay", "churned"), "by its name"),
    (["DOWN", "UP"], "binary", ("DOWN", "UP"), "the last in order"),
    ([True, False, True], "binary", ("false", "true"), "two different values"),
    ([0, 1, 1], "binary", ("0", "1"), "two different values"),
    ([1.0, 2.0, 2.0], "binary", ("1", "2"), "two different values"),
    (["a", "b", "c"] * 5, "multiclass", ("a", "b", "c"), "text with 3"),
    ([1, 2, 3, 4, 5] * 20, "multiclass", ("1", "2", "3", "4", "5"), "run on from 1"),
    ([0, 1, 2] * 20, "multiclass", ("0", "1", "2"), "run on from 0"),
    ([0, 1, 2] * 200 + [3], "regression", (), "counts or measures"),
    ([10, 20, 30] * 20, "regression", (), "counts or measures"),
    (list(range(30)), "regression", (), "a number with 30"),
    ([0.5, 1.5, 2.5], "regression", (), "a number with 3"),
]


@pytest.mark.parametrize(("values", "task", "classes", "why"), CASES)
def test_the_task_follows_from_the_values_and_says_why(
    values: list[Any], task: str, classes: tuple[str, ...], why: str
) -> None:
    plan = plan_target(declared(), series(values))
    assert (plan.task, plan.classes) == (task, classes)
    assert why in plan.note
    assert task in plan.note


@pytest.mark.parametrize("name", ["count", "value", "rows"])
def test_a_target_may_have_any_name(name: str) -> None:
    assert plan_target(declared(), pl.Series(name, [1, 2, 3] * 20)).task == "multiclass"


def test_the_declared_task_wins() -> None:
    assert plan_target(declared(task="regression"), series([0, 1, 1])).task == "regression"
    assert plan_target(declared(task="multiclass"), series([10, 20, 30])).classes == ("10", "20", "30")


def test_the_gate_decides_where_whole_numbers_may_be_either() -> None:
    stars = series([1, 2, 3, 4, 5] * 20)
    assert plan_target(declared(gate=Gate("rmse", at_most=1)), stars).task == "regression"
    assert plan_target(declared(gate=Gate("f1_macro", at_least=0.5)), series([10, 20, 30])).task == "multiclass"


def test_a_gate_on_another_tasks_metric_is_refused() -> None:
    with pytest.raises(DeclarationError, match="the gate is on rmse, but the task is binary"):
        plan_target(declared(gate=Gate("rmse", at_most=1)), series(["a", "b"]))


@pytest.mark.parametrize("values", [[0.5, 1.5, 2.5], ["a", "b", "c"] * 5])
def test_what_only_two_classes_have_is_refused_for_others(values: list[Any]) -> None:
    with pytest.raises(DeclarationError, match="positive is 'a', but the task is"):
        plan_target(declared(positive="a"), series(values))
    with pytest.raises(DeclarationError, match="a threshold is declared, but the task is"):
        plan_target(declared(threshold=Threshold("f1")), series(values))


def test_the_positive_class_is_the_declared_one() -> None:
    plan = plan_target(declared(positive="DOWN"), series(["DOWN", "UP"]))
    assert (plan.positive, plan.classes) == ("DOWN", ("UP", "DOWN"))
    assert plan_target(declared(positive="False"), series([True, False])).positive == "false"
    assert plan_target(declared(positive="yes"), series(["Yes", "yes"])).positive == "yes"
    with pytest.raises(DeclarationError, match="positive is 'sideways', but 'y' holds 'DOWN' and 'UP'"):
        plan_target(declared(positive="sideways"), series(["DOWN", "UP"]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "a", None], "is always a"),
        ([None, None], "is never known"),
        ([f"text {number}" for number in range(300)], "300 different values in 300 rows"),
    ],
)
def test_nothing_to_learn_is_said(values: list[Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        plan_target(declared(), series(values))


@pytest.mark.parametrize(
    ("given", "values", "message"),
    [
        ({}, [date(2020, 1, 1), date(2020, 1, 2)], "holds Date"),
        ({"task": "regression"}, ["a", "b"], "is no number"),
        ({"task": "binary"}, [1, 2, 3], "has 3 different values"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(given: dict[str, Any], values: list[Any], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        plan_target(declared(**given), series(values))


def test_targets_become_places_and_unknown_ones_nan() -> None:
    values = target_values("binary", ("no", "yes"), series(["yes", None, "no", "perhaps"]))
    np.testing.assert_array_equal(values, [1, np.nan, 0, np.nan])
    np.testing.assert_array_equal(target_values("binary", ("false", "true"), series([True, False])), [1, 0])
    np.testing.assert_array_equal(target_values("multiclass", ("1", "2"), series([2.0, 1.0])), [1, 0])
    np.testing.assert_array_equal(target_values("regression", (), series([2, None])), [2, np.nan])
