"""What an evaluation leaves for estimates without labels."""

import lightgbm
import numpy as np
import polars as pl
import pytest

from loopwright.core.codec import from_json
from loopwright.declare import Model
from loopwright.evaluation.estimator import _grow
from loopwright.evaluation.losses import LossColumn, LossModel, loss_features
from loopwright.statistics.trees import predict_sum


def hard_in_dover(count=3000):
    """A number that is predicted well but where the city is Dover, or x is missing."""
    rng = np.random.default_rng(3)
    x, city = rng.normal(size=count), rng.choice(["Bern", "Cork", "Dover"], count)
    noise = np.where(city == "Dover", 5.0, 0.5) * rng.normal(size=count)
    secret = np.where(noise > 0, "a", "b")
    return pl.DataFrame({"id": np.arange(count), "x": x, "city": city, "secret": secret, "number": 3 * x + noise})


def line(columns):
    return 3 * columns["x"]


def test_a_regressions_loss_model_knows_where_it_errs_and_never_saw_what_is_redacted(world):
    made = world(Model("m", source="s", target="number", key="id", redact=["secret"]), hard_in_dover(), "regression")
    report = made.evaluate(line)
    model = from_json(made.storage.get(report.loss_model), LossModel)
    assert [one.name for one in model.columns] == ["x", "city"]
    assert model.columns[1].values[-1] == "Dover"
    asked = pl.DataFrame({"x": [0.1, 0.1, 0.1], "city": ["Dover", "Bern", "Elsewhere"]})
    absolute, squared = model.losses(asked, np.array([0.3, 0.3, 0.3]))
    assert absolute[0] > 3 > 1 > absolute[1]
    assert squared[0] > 12 > 4 > squared[1]
    assert np.isfinite(absolute[2])


def test_columns_that_do_not_come_are_missing_and_no_error(world):
    made = world(Model("m", source="s", target="number", key="id"), hard_in_dover(), "regression")
    model = from_json(made.storage.get(made.evaluate(line).loss_model), LossModel)
    absolute, _ = model.losses(pl.DataFrame({"other": [1.0, 2.0]}), np.array([0.0, 1.0]))
    assert np.isfinite(absolute).all()


def test_scores_and_truths_of_the_test_rows_are_kept(world):
    made = world(Model("m", source="s", target="number", key="id"), hard_in_dover(), "regression")
    report = made.evaluate(line)
    kept = pl.read_parquet(made.storage.get(report.scores))
    assert kept.columns == ["truth", "score"]
    assert kept.height == report.rows
    assert float((kept["truth"] - kept["score"]).abs().mean()) == pytest.approx(
        report.metrics["candidate"]["mae"].value
    )


def test_a_redacted_target_leaves_nothing(world):
    made = world(Model("m", source="s", target="number", key="id", redact=["number"]), hard_in_dover(500), "regression")
    report = made.evaluate(line)
    assert (report.scores, report.loss_model) == ("", "")
    assert not [key for key in made.storage.list("evaluations/") if key.endswith((".parquet", "losses.json"))]


def test_few_test_rows_keep_scores_but_teach_no_loss_model(world):
    made = world(Model("m", source="s", target="number", key="id"), hard_in_dover(300), "regression")
    report = made.evaluate(line)
    assert (bool(report.scores), report.loss_model) == (True, "")


def test_trees_say_here_what_lightgbm_says_there():
    rng = np.random.default_rng(5)
    features = rng.normal(size=(2000, 4))
    features[rng.random((2000, 4)) < 0.1] = np.nan
    features[:, 3] = rng.integers(0, 4, 2000)  # none missing: LightGBM then takes a missing one for 0
    loss = np.abs(np.nan_to_num(features[:, 0])) + features[:, 3] + rng.random(2000)
    trees = _grow(features, loss, 1)
    grown = lightgbm.train(
        {"objective": "regression", "num_leaves": 15, "learning_rate": 0.05, "min_data_in_leaf": 30, "lambda_l2": 1.0,
         "num_threads": 1, "deterministic": True, "verbose": -1, "seed": 1},
        lightgbm.Dataset(features, loss, params={"max_bin": 63, "verbose": -1}),
        100,
    )  # fmt: skip
    asked = rng.normal(size=(500, 4))
    asked[rng.random((500, 4)) < 0.2] = np.nan
    np.testing.assert_allclose(predict_sum(trees, asked), grown.predict(asked), rtol=1e-9)


def test_booleans_and_numbers_become_features_in_order():
    columns = (LossColumn(name="flag", kind="category", values=("false", "true")), LossColumn(name="n", kind="number"))
    rows = pl.DataFrame({"flag": [True, None, False], "n": [1, None, 3]})
    found = loss_features(columns, rows, np.array([9.0, 8.0, 7.0]))
    np.testing.assert_array_equal(found, [[9, 1, 1], [8, np.nan, np.nan], [7, 0, 3]])
