"""A bundle of each runtime, opened as a server opens it and as MLflow does: the same numbers everywhere."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cloudpickle
import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.encoding import Columns, encode, matrix_names
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Encoding, FeatureColumn, Input, Manifest, Runtime
from loopwright.bundle.write import extend_bundle, write_bundle
from loopwright.errors import BundleError, FeatureError, RequestError
from loopwright.policies.tasks import TaskName
from loopwright.training.onnx import to_onnx

INPUTS = [
    Input(name="size", kind="number"),
    Input(name="rooms", kind="integer"),
    Input(name="garden", kind="boolean", required=False),
    Input(name="city", kind="text"),
    Input(name="sold", kind="date"),
]
COLUMNS = (
    FeatureColumn(name="size", kind="number"),
    FeatureColumn(name="rooms", kind="number"),
    FeatureColumn(name="garden", kind="boolean"),
    FeatureColumn(name="city", kind="category", vocabulary=("Bern", "Cork", "Dover")),
    FeatureColumn(name="sold", kind="date", parts=("year", "month")),
)
ENCODING = Encoding(columns=COLUMNS, names=matrix_names(COLUMNS), categorical=(3,))
CLASSES: dict[TaskName, tuple[str, ...]] = {
    "regression": (),
    "binary": ("cheap", "dear"),
    "multiclass": ("a", "b", "c"),
}


def rows(count: int = 400) -> dict[str, list[object]]:
    rng = np.random.default_rng(7)
    gaps = rng.random(count) < 0.1
    return {
        "size": [None if gap else float(value) for gap, value in zip(gaps, rng.normal(100, 30, count), strict=True)],
        "rooms": rng.integers(1, 6, count).tolist(),
        "garden": [
            None if gap else bool(value) for gap, value in zip(gaps[::-1], rng.integers(0, 2, count), strict=True)
        ],
        "city": rng.choice(["Bern", "Cork", "Dover", "Exeter"], count).tolist(),
        "sold": (np.datetime64("2020-01-01") + rng.integers(0, 2000, count)).astype(str).tolist(),
    }


def fitted(task: TaskName) -> lgb.LGBMModel:
    matrix = encode(ENCODING, rows())
    worth = np.nan_to_num(matrix[:, 0]) * matrix[:, 1] + 100 * (matrix[:, 3] == 1)
    settings = {"n_estimators": 20, "min_child_samples": 5, "verbose": -1, "num_threads": 1}
    if task == "regression":
        return lgb.LGBMRegressor(**settings).fit(matrix, worth, categorical_feature=[3])
    cuts = np.quantile(worth, [0.5] if task == "binary" else [0.3, 0.6])
    return lgb.LGBMClassifier(**settings).fit(matrix, np.searchsorted(cuts, worth), categorical_feature=[3])


def own_scores(model: lgb.LGBMModel, task: TaskName) -> np.ndarray:
    matrix = encode(ENCODING, rows())
    scores = model.predict(matrix) if task == "regression" else model.predict_proba(matrix)
    return scores[:, 1] if task == "binary" else scores


def bundle(folder: Path, task: TaskName, runtime: Runtime, model: lgb.LGBMModel) -> Path:
    draft = Manifest(
        model="houses",
        task=task,
        runtime=runtime,
        signature=task_signature(task, INPUTS, CLASSES[task]),
        files={},
        created=datetime(2026, 1, 1, tzinfo=UTC),
        classes=CLASSES[task],
    )
    contents = {
        "onnx": lambda: {"model.onnx": to_onnx(model, len(ENCODING.names)).data or b""},
        "lightgbm": lambda: {"model.txt": model.booster_.model_to_string().encode()},
        "python": lambda: {"model.pkl": cloudpickle.dumps(model)},
    }[runtime]()
    write_bundle(folder, draft, encoding=ENCODING, contents=contents)
    return folder


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[TaskName, Runtime], Path]:
    made: dict[tuple[str, str], Path] = {}

    def of(task: TaskName, runtime: Runtime) -> Path:
        if (task, runtime) not in made:
            made[task, runtime] = bundle(tmp_path_factory.mktemp(f"{task}-{runtime}"), task, runtime, fitted(task))
        return made[task, runtime]

    return of


Bundles = Callable[[TaskName, Runtime], Path]
TASKS: list[TaskName] = ["regression", "binary", "multiclass"]
RUNTIMES: list[Runtime] = ["onnx", "lightgbm", "python"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_says_what_the_model_says(bundles: Bundles, task: TaskName, runtime: Runtime) -> None:
    outputs = load_predictor(bundles(task, runtime)).predict(rows())
    signature = task_signature(task, INPUTS, CLASSES[task])
    assert list(outputs) == [output.name for output in signature.outputs]
    expected = own_scores(fitted(task), task)
    np.testing.assert_allclose(outputs[signature.outputs[0].name], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_row_alone_gets_what_it_gets_in_its_batch(bundles: Bundles, task: TaskName, runtime: Runtime) -> None:
    predictor = load_predictor(bundles(task, runtime))
    batch = predictor.predict(rows())
    for row in range(0, 400, 80):
        alone = predictor.predict({name: [values[row]] for name, values in rows().items()})
        for name, values in alone.items():
            np.testing.assert_array_equal(values[0], batch[name][row])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_rows_get_no_predictions(bundles: Bundles, task: TaskName, runtime: Runtime) -> None:
    outputs = load_predictor(bundles(task, runtime)).predict({name: [] for name in rows()})
    assert [len(values) for values in outputs.values()] == [0] * len(outputs)


@pytest.mark.parametrize("task", TASKS)
def test_mlflow_opens_a_bundle_and_predicts_the_same(bundles: Bundles, task: TaskName) -> None:
    import mlflow.pyfunc

    folder = bundles(task, "lightgbm")
    ours = load_predictor(folder).predict(rows())
    theirs = mlflow.pyfunc.load_model(str(folder)).predict(pd.DataFrame(rows()))
    if task == "regression":
        np.testing.assert_array_equal(theirs, ours["prediction"])
    else:
        names = ["probability"] if task == "binary" else ["probability_a", "probability_b", "probability_c"]
        assert list(theirs.columns) == [*names, "label"]
        np.testing.assert_array_equal(theirs[names].to_numpy().squeeze(), ours[next(iter(ours))])
        np.testing.assert_array_equal(theirs["label"], ours["label"])


def test_mlflow_clients_may_send_whole_numbers_moments_and_nothing(bundles: Bundles) -> None:
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(bundles("regression", "lightgbm")))
    frame = pd.DataFrame(
        {
            "size": [100, 90],
            "rooms": [3.0, None],
            "city": pd.Series(["Bern", None], dtype="category"),
            "sold": pd.to_datetime(["2024-01-02", None]),
        },
        index=[10, 20],
    )
    expected = load_predictor(bundles("regression", "lightgbm")).predict(
        {"size": [100, 90], "rooms": [3, None], "city": ["Bern", None], "sold": ["2024-01-02", None]}
    )
    np.testing.assert_array_equal(model.predict(frame), expected["prediction"])
    binary = mlflow.pyfunc.load_model(str(bundles("binary", "lightgbm")))
    assert list(binary.predict(frame).index) == [10, 20]


def test_a_request_that_does_not_fit_is_told_which_column(bundles: Bundles) -> None:
    predictor = load_predictor(bundles("binary", "onnx"))
    with pytest.raises(RequestError, match="the column 'city' is missing"):
        predictor.predict({name: values for name, values in rows().items() if name != "city"})
    with pytest.raises(RequestError, match="the column 'rooms' expects a number, but row 1 of 400 holds 'many'"):
        predictor.predict({**rows(), "rooms": ["many", *rows()["rooms"][1:]]})


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_damaged_model_file_is_refused_by_its_digest_and_by_its_runtime(tmp_path: Path, runtime: Runtime) -> None:
    folder = bundle(tmp_path, "regression", runtime, fitted("regression"))
    name = {"onnx": "model.onnx", "lightgbm": "model.txt", "python": "model.pkl"}[runtime]
    (folder / name).write_bytes(b"damaged")
    with pytest.raises(BundleError, match="has SHA-256"):
        load_predictor(folder)
    with pytest.raises(BundleError, match="cannot be opened"):
        load_predictor(folder, verify=False)
    (folder / name).unlink()
    with pytest.raises(BundleError, match="cannot be opened"):
        load_predictor(folder, verify=False)


def test_pickles_are_refused_unopened_where_they_are_not_allowed(tmp_path: Path) -> None:
    folder = bundle(tmp_path, "regression", "python", fitted("regression"))
    extend_bundle(folder, {"model.pkl": cloudpickle.dumps(Bomb(tmp_path / "gone-off"))})
    with pytest.raises(BundleError, match="pickles are refused here"):
        load_predictor(folder, allow_pickle=False)
    assert not (tmp_path / "gone-off").exists()


def test_a_runtime_that_is_not_installed_is_named(bundles: Bundles, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "loopwright.adapters.onnx.predictor", raising=False)
    with pytest.raises(BundleError, match="the module onnxruntime is not installed"):
        load_predictor(bundles("regression", "onnx"))


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


PROJECT = """
import polars as pl
from loopwright.declare import Model
import shop

model = Model("houses", source="houses.csv", target="price")

@model.features
def features(rows):
    assert rows.collect_schema() == {
        "size": pl.Float64, "rooms": pl.Int64, "garden": pl.Boolean, "city": pl.String, "sold": pl.Date
    }
    return shop.made(rows)
"""
SHOP = """
import polars as pl

def made(rows):
    return rows.select(
        (pl.col("size") / pl.col("rooms")).alias("room_size"),
        pl.col("city").str.to_uppercase().alias("town"),
        pl.col("sold"),
        pl.lit(1).alias("unused"),
    )
"""
MADE = (
    FeatureColumn(name="room_size", kind="number"),
    FeatureColumn(name="town", kind="category", vocabulary=("BERN", "CORK")),
    FeatureColumn(name="sold", kind="date", parts=("year",)),
)


class Adder:
    """A model whose answer shows what it was given."""

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        return np.asarray(np.nansum(matrix * [1, 1000, 10], axis=1))


def with_features(folder: Path, shop: str = SHOP) -> Path:
    draft = Manifest(
        model="houses",
        task="regression",
        runtime="python",
        signature=task_signature("regression", INPUTS),
        files={},
        created=datetime(2026, 1, 1, tzinfo=UTC),
        module="houses.py",
        uses_features=True,
    )
    contents = {
        "model.pkl": cloudpickle.dumps(Adder()),
        "code/houses.py": PROJECT.encode(),
        "code/shop.py": shop.encode(),
    }
    write_bundle(folder, draft, encoding=Encoding(columns=MADE, names=matrix_names(MADE)), contents=contents)
    return folder


REQUEST: Columns = {
    "size": [100, "50", None],
    "rooms": [4, 2.0, None],
    "city": ["Cork", "Bern", None],
    "sold": ["2020-05-01", "2021-01-01", None],
}


def test_the_users_features_run_in_serving(tmp_path: Path) -> None:
    outputs = load_predictor(with_features(tmp_path)).predict(REQUEST)
    np.testing.assert_array_equal(outputs["prediction"], [25 + 1000 + 20200, 25 + 20210, 0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('.alias("town")', '.alias("place")'), "returned no column 'town', which it returned in training"),
        (("return rows.select(", "return rows.head(2).select("), "returned 2 rows for 3"),
        (("return rows.select(", "raise KeyError('x')\n    return rows.select("), "features raised KeyError: 'x'"),
        (('pl.col("sold")', 'pl.col("sould").alias("sold")'), "raised ColumnNotFoundError"),
        (("return rows.select(", "return rows.collect().to_dict() or ("), "returned dict"),
        (
            ('(pl.col("size") / pl.col("rooms"))', 'pl.lit("much")'),
            "the features do not fit the model: the column 'room_size' expects a number, but row 1 of 3 holds 'much'",
        ),
    ],
)
def test_a_feature_function_that_misbehaves_in_serving_is_named(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    with pytest.raises(FeatureError) as caught:
        load_predictor(with_features(tmp_path, SHOP.replace(*change))).predict(REQUEST)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("rooms", [1, 2, 2.5], "the column 'rooms' expects a whole number, but row 3 of 3 holds 2.5"),
        ("size", [1, 2, "x"], "the column 'size' expects a number, but row 3 of 3 holds 'x'"),
        ("sold", ["yesterday", None, None], "the column 'sold' expects a date"),
        ("city", [[], None, None], "the column 'city' expects a text"),
    ],
)
def test_a_request_is_refused_before_the_users_features_see_it(
    tmp_path: Path, column: str, values: list[object], said: str
) -> None:
    with pytest.raises(RequestError) as caught:
        load_predictor(with_features(tmp_path)).predict({**REQUEST, column: values})
    assert said in str(caught.value)


def test_a_bundle_whose_code_declares_no_features_is_refused(tmp_path: Path) -> None:
    folder = with_features(tmp_path)
    extend_bundle(folder, {"code/houses.py": b"x = 1\n"})
    with pytest.raises(BundleError, match=r"houses\.py in the bundle declares no feature function for houses"):
        load_predictor(folder)
