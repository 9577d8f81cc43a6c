"""Any Python object as a model: how its classes and answers are read."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from loopwright.adapters.python.predictor import score_function
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Manifest
from loopwright.errors import BundleError
from loopwright.policies.tasks import TaskName

X = np.arange(12.0).reshape(-1, 1)


def manifest(task: TaskName, classes: tuple[str, ...] = ()) -> Manifest:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    signature = task_signature(task, [], classes)
    return Manifest(
        model="m", task=task, runtime="python", signature=signature, files={}, created=created, classes=classes
    )


class Answers:
    """A model that answers the same whatever it is asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def predict(self, matrix: NDArray[np.float64]) -> Any:
        return self.answer


@pytest.mark.parametrize(("task", "classes"), [("regression", ()), ("binary", ("a", "b"))])
def test_a_model_that_writes_all_its_answers_into_one_place_changes_none_that_was_given(
    task: TaskName, classes: tuple[str, ...]
) -> None:
    model = Answers(np.array([0.25, 0.5]))
    score = score_function(model, manifest(task, classes))
    given = score(X[:2])
    before = given.copy()
    model.answer[:] = 0.75
    np.testing.assert_array_equal(given, before)


@pytest.mark.parametrize("labels", [[0, 1, 2], ["a", "b", "c"]], ids=["places", "labels"])
def test_a_classifier_may_be_trained_on_places_or_on_labels(labels: list[Any]) -> None:
    model = LogisticRegression().fit(X, np.repeat(labels, 4))
    scores = score_function(model, manifest("multiclass", ("a", "b", "c")))(X)
    np.testing.assert_allclose(scores, model.predict_proba(X))


def test_labels_come_in_the_bundles_order() -> None:
    model = LogisticRegression().fit(X, np.repeat(["dear", "cheap"], 6))
    scores = score_function(model, manifest("binary", ("dear", "cheap")))(X)
    np.testing.assert_allclose(scores, model.predict_proba(X)[:, ::-1])


def test_a_class_that_the_model_never_saw_is_never_likely() -> None:
    model = LogisticRegression().fit(X, np.repeat([0, 2], 6))
    scores = score_function(model, manifest("multiclass", ("a", "b", "c")))(X)
    assert scores.shape == (12, 3)
    assert scores[:, 1].tolist() == [0.0] * 12


def test_a_classifier_without_probabilities_answers_for_sure() -> None:
    model = LinearSVC().fit(X, np.repeat([0, 1], 6))
    scores = score_function(model, manifest("binary", ("no", "yes")))(X)
    np.testing.assert_array_equal(scores[:, 1], model.predict(X))


def test_a_binary_models_plain_numbers_are_probabilities() -> None:
    scores = score_function(Answers([0.25]), manifest("binary", ("no", "yes")))(X[:1])
    assert scores.tolist() == [[0.75, 0.25]]


def test_a_regression_is_taken_at_its_word() -> None:
    assert score_function(Answers([1.5]), manifest("regression"))(X[:1]) == [1.5]


def test_an_answer_of_the_wrong_width_is_refused() -> None:
    with pytest.raises(BundleError, match="4 scores a row, but the bundle has 3 classes"):
        score_function(Answers(np.zeros((1, 4))), manifest("multiclass", ("a", "b", "c")))(X[:1])
