"""Raw scores to outputs: positive class, threshold, labels, and scores that do not fit."""

from datetime import UTC, datetime

import numpy as np
import pytest

from loopwright.bundle.outputs import OutputShaper, class_scores, task_signature
from loopwright.bundle.records import Manifest
from loopwright.errors import BundleError
from loopwright.policies.tasks import TaskName


def shaper(task: TaskName, classes: tuple[str, ...] = (), positive: str | None = None, at: float = 0.5) -> OutputShaper:
    return OutputShaper(
        Manifest(
            model="m",
            task=task,
            runtime="onnx",
            signature=task_signature(task, [], classes),
            files={},
            created=datetime(2026, 1, 1, tzinfo=UTC),
            classes=classes,
            positive=positive,
            threshold=at,
        )
    )


@pytest.mark.parametrize("raw", [[1.0, 2.0], [[1.0], [2.0]]])
def test_a_regression_answers_a_number_a_row(raw: list[object]) -> None:
    outputs = shaper("regression")(raw, 2)
    assert list(outputs) == ["prediction"]
    assert outputs["prediction"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("raw", [[0.3, 0.7], [[0.3], [0.7]], [[0.7, 0.3], [0.3, 0.7]]])
def test_the_positive_class_is_the_second_unless_said_otherwise(raw: list[object]) -> None:
    outputs = shaper("binary", ("no", "yes"))(raw, 2)
    np.testing.assert_allclose(outputs["probability"], [0.3, 0.7])
    assert outputs["label"].tolist() == ["no", "yes"]
    other = shaper("binary", ("no", "yes"), positive="no")(raw, 2)
    np.testing.assert_allclose(other["probability"], [0.7, 0.3])
    assert other["label"].tolist() == ["no", "yes"]


def test_the_threshold_belongs_to_the_positive_class() -> None:
    raw = [0.1, 0.2, 0.3]
    assert shaper("binary", ("no", "yes"), at=0.2)(raw, 3)["label"].tolist() == ["no", "yes", "yes"]
    assert shaper("binary", ("no", "yes"), positive="no", at=0.75)(raw, 3)["label"].tolist() == ["no", "no", "yes"]


def test_a_multiclass_model_calls_the_likeliest_class() -> None:
    outputs = shaper("multiclass", ("a", "b", "c"))([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], 2)
    assert outputs["probabilities"].shape == (2, 3)
    assert outputs["label"].tolist() == ["b", "c"]


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_scores_of_another_shape_are_refused(task: TaskName) -> None:
    with pytest.raises(BundleError, match=r"answers 2 rows with an array of shape \(3,\)"):
        shaper(task, ("a", "b") if task == "binary" else ("a", "b", "c"))([1.0, 2.0, 3.0], 2)


@pytest.mark.parametrize(
    ("classes", "positive", "said"), [(("a",), None, "names 1 classes"), (("a", "b"), "c", "'c' is not among")]
)
def test_a_binary_manifest_that_cannot_be_is_refused(classes: tuple[str, ...], positive: str | None, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        shaper("binary", classes, positive)


@pytest.mark.parametrize(
    ("answer", "classes", "known", "expected"),
    [
        ([[0.2, 0.8]], ("no", "yes"), [0, 1], [[0.2, 0.8]]),
        ([[0.2, 0.8]], ("no", "yes"), ["yes", "no"], [[0.8, 0.2]]),
        ([[0.2, 0.8]], ("a", "b", "c"), np.array([0, 2]), [[0.2, 0.0, 0.8]]),
        ([[0.2, 0.8]], ("1", "2"), np.array([1.0, 2.0]), [[0.2, 0.8]]),
        ([0.8], ("no", "yes"), None, [[0.2, 0.8]]),
        ([1], ("no", "yes"), None, [[0.0, 1.0]]),
        (["yes"], ("no", "yes"), None, [[0.0, 1.0]]),
        ([[True]], ("no", "yes"), None, [[0.0, 1.0]]),
        ([2, 0], ("a", "b", "c"), None, [[0, 0, 1], [1, 0, 0]]),
        (["b"], ("a", "b", "c"), None, [[0, 1, 0]]),
    ],
)
def test_whatever_a_classifier_answers_becomes_a_score_a_class(
    answer: list[object], classes: tuple[str, ...], known: list[object] | None, expected: list[list[float]]
) -> None:
    np.testing.assert_allclose(class_scores(answer, classes, known), expected)


def test_answers_that_do_not_fit_the_classes_are_refused() -> None:
    with pytest.raises(BundleError, match="2 scores a row, but the bundle has 3 classes"):
        class_scores([[0.5, 0.5]], ("a", "b", "c"))
    with pytest.raises(BundleError, match="speaks of the class 'z'"):
        class_scores(["z"], ("a", "b", "c"))
