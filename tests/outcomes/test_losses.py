"""The losses of versions, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from loopwright.outcomes.losses import losses, row_losses

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def lost(storage, registry, tmp_path):
    def read(version=1, **options):
        until = START + timedelta(days=9)
        return losses("demand", version, START, until, storage=storage, registry=registry, scratch=tmp_path, **options)

    return read


def test_numbers_lose_their_absolute_error_and_what_is_unknown_is_counted(registered, predicted, told, lost):
    registered()
    predicted({"prediction": [1.0, 2.0, 3.0]}, ids=["a", "b", "c"], key=["k", None, None])
    told("a", 4)
    told("b", 1.5)
    found = lost()
    assert (found.name, found.most, found.predictions, found.coverage) == ("absolute error", None, 3, 2 / 3)
    np.testing.assert_allclose(found.loss, [3.0, 0.5])
    assert found.unit.tolist() == ["k", "b"]
    assert found.at.tolist() == [START.replace(tzinfo=None), START.replace(tzinfo=None) + timedelta(minutes=1)]


def test_two_classes_lose_the_square_of_the_probability_that_was_amiss(registered, predicted, told, lost):
    registered("binary")
    predicted({"probability": [0.9, 0.2], "label": ["yes", "no"]}, ids=["a", "b"])
    told("a", "yes")
    told("b", "yes")
    found = lost()
    assert (found.name, found.most) == ("brier", 1.0)
    np.testing.assert_allclose(found.loss, [0.01, 0.64])


def test_several_classes_lose_half_the_squared_distance(registered, predicted, told, lost):
    registered("multiclass")
    rows = np.array([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])
    outputs = {"probabilities": pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), 3), "label": ["b", "a"]}
    predicted(outputs, ids=["a", "b"])
    told("a", "a")
    told("b", "b")
    np.testing.assert_allclose(lost().loss, [1.0, 0.25])


def test_rows_of_a_request_are_one_unit_and_so_are_those_of_a_sticky_value(registered, predicted, told, lost):
    registered()
    predicted({"prediction": [1.0] * 4}, ids=["q:0", "q:1", "r", "s"], user=["u", None, "u", "w"])
    for one in ("q:0", "q:1", "r", "s"):
        told(one, 1)
    assert lost().unit.tolist() == ["q", "q", "r", "s"]
    assert lost(sticky_by="user").unit.tolist() == ["u", "q", "u", "w"]
    assert lost(sticky_by="redacted").unit.tolist() == ["q", "q", "r", "s"]


def test_nothing_predicted_or_known_is_no_loss(registered, predicted, lost):
    registered()
    assert (lost().predictions, len(lost().loss), lost().coverage) == (0, 0, 0.0)
    predicted({"prediction": [1.0]}, ids=["a"])
    assert (lost().predictions, len(lost().loss)) == (1, 0)


def test_what_was_known_then_can_be_asked(registered, predicted, told, lost):
    registered()
    predicted({"prediction": [1.0]}, ids=["a"])
    told("a", 2, at=1)
    told("a", 9, at=5)
    assert lost(as_of=START + timedelta(days=3)).loss.tolist() == [1.0]
    assert lost().loss.tolist() == [8.0]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_losses_of_classes_lie_between_nought_and_one(task):
    rng = np.random.default_rng(1)
    scores = rng.random(500) if task == "binary" else rng.dirichlet([0.2] * 3, 500)
    found = row_losses(task, scores, rng.integers(0, 2, 500).astype(float))
    assert found.min() >= 0
    assert found.max() <= 1
