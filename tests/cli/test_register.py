"""`loopwright register`: a model trained elsewhere goes the way of a trained one."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import lightgbm
import mlflow.sklearn
import numpy as np
import pandas as pd
import polars as pl
import pytest
from mlflow.models import infer_signature
from skl2onnx import to_onnx
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from loopwright.rollout import ledger
from tests.cli.conftest import Command
from tests.loop.conftest import MODEL, open_here, rows

PROMOTION = """
from loopwright import Gate, Model

gate = Gate("roc_auc", at_least=0.7)
model = Model("promo", source="data/*.csv", target="promotion", key="id", drop=["day"], gate=gate)
"""
NUMBERS = MODEL.replace('key="id"', 'key="id", drop=["shop"]')


@pytest.fixture(autouse=True)
def mlflow_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other team's MLflow lies in a folder of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/elsewhere.db")


def table(days: int = 60) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows as another team has them in pandas, up to day `days`."""
    frame = rows(days)
    return frame.select("shop", "price", "promotion").to_pandas(), frame["sold"].to_numpy()


def pipeline(estimator: Any) -> Any:
    return make_pipeline(make_column_transformer((OneHotEncoder(), ["shop"]), remainder="passthrough"), estimator)


def logged(path: Path, model: Any, frame: pd.DataFrame, **options: Any) -> Path:
    mlflow.sklearn.save_model(
        model,
        path,
        signature=infer_signature(frame, model.predict(frame)),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
        **options,
    )
    return path


def ask(project: Path, frame: pd.DataFrame, model: str) -> dict[str, np.ndarray]:
    """What the champion answers for a table."""
    session = open_here(project)
    found = session.predict({name: frame[name].tolist() for name in frame}, model=model)
    session.close()
    return found


def test_an_mlflow_model_is_gated_promoted_and_served_with_equal_predictions(
    command: Command, project: Path, tmp_path: Path
) -> None:
    frame, sold = table()
    model = pipeline(LinearRegression()).fit(frame, sold)
    said = command("register", logged(tmp_path / "theirs", model, frame), "--model", "demand", "--json")
    assert said.code == 0, said.json["run"]["summary"]
    stages = said.json["stages"]
    assert stages["gate_decision"]["decision"]["passed"]
    assert stages["staging_report"]["decision"]["passed"], "the same over HTTP as offline"
    assert stages["model_version"]["origin"] == "imported"
    assert any("not refitted" in note for note in stages["bundle"]["notes"])
    np.testing.assert_allclose(ask(project, frame, "demand")["prediction"], model.predict(frame))
    assert {"price", "promotion", "shop"} == set(stages["candidate"]["importance"])


def test_a_bad_one_is_refused_by_the_gate_and_nothing_goes_live(
    command: Command, project: Path, tmp_path: Path
) -> None:
    frame, sold = table()
    model = pipeline(DummyRegressor(strategy="constant", constant=1000.0)).fit(frame, sold)
    said = command("register", logged(tmp_path / "theirs", model, frame), "--json")
    assert (said.code, said.json["run"]["status"]) == (1, "refused")
    assert "rmse" in said.json["run"]["summary"]
    session = open_here(project)
    assert ledger.endpoints(session.platform.storage) == []
    session.close()


def test_it_must_not_be_worse_than_a_trained_champion_and_yields_to_a_better_one(
    command: Command, project: Path, tmp_path: Path
) -> None:
    command("run")
    frame, sold = table()
    worse = pipeline(LinearRegression()).fit(frame, sold + np.where(frame["promotion"], -6.0, 0.0))
    refused = command("register", logged(tmp_path / "worse", worse, frame), "--json")
    assert (refused.code, "champion" in refused.json["run"]["summary"]) == (1, True)
    equal = pipeline(LinearRegression()).fit(frame, sold)
    accepted = command("register", logged(tmp_path / "equal", equal, frame), "--json")
    assert accepted.json["stages"]["rollout"]["champion"] == 1


def test_rows_it_is_known_to_have_seen_do_not_test_it(command: Command, tmp_path: Path) -> None:
    frame, sold = table(55)
    theirs = logged(tmp_path / "theirs", pipeline(LinearRegression()).fit(frame, sold), frame)
    report = command("register", theirs, "--trained-until", "2026-02-24", "--json").json["stages"]["evaluation_report"]
    assert report["rows"] == 5 * 8
    assert command("register", theirs, "--trained-until", "2027-01-01", "--json").code == 1
    assert command("register", theirs, "--trained-until", "last week", "--json").json["run"]["fault"]["error"] == (
        "DeclarationError"
    )


def test_a_champion_brought_in_is_no_reason_not_to_learn(command: Command, tmp_path: Path) -> None:
    frame, sold = table()
    command("register", logged(tmp_path / "theirs", pipeline(LinearRegression()).fit(frame, sold), frame))
    found = {one["rule"]: one["finding"] for one in command("retrain", "--json").json["decision"]["reasons"]}
    assert found["new_rows"] == "pass"


def lightgbm_text(folder: Path) -> tuple[Path, Callable[[pd.DataFrame], np.ndarray]]:
    frame, sold = table()
    frame["shop"] = frame["shop"].astype("category")
    booster = lightgbm.LGBMRegressor(n_estimators=80, verbose=-1).fit(frame, sold).booster_
    booster.save_model(folder / "theirs.txt")

    def predict(rows: pd.DataFrame) -> np.ndarray:
        return booster.predict(rows.assign(shop=pd.Categorical(rows["shop"], frame["shop"].cat.categories)))

    return folder / "theirs.txt", predict


def onnx_file(folder: Path) -> tuple[Path, Callable[[pd.DataFrame], np.ndarray]]:
    frame, sold = table()
    matrix = frame[["price", "promotion"]].to_numpy(dtype=np.float32)
    model = LinearRegression().fit(matrix, sold)
    (folder / "theirs.onnx").write_bytes(to_onnx(model, matrix[:1]).SerializeToString())
    return folder / "theirs.onnx", lambda rows: model.predict(rows[["price", "promotion"]].to_numpy(dtype=np.float32))


def array_pickle(folder: Path) -> tuple[Path, Callable[[pd.DataFrame], np.ndarray]]:
    frame, sold = table()
    model = LinearRegression().fit(frame[["price", "promotion"]].to_numpy(dtype=float), sold)
    (folder / "theirs.pkl").write_bytes(pickle.dumps(model))
    return folder / "theirs.pkl", lambda rows: model.predict(rows[["price", "promotion"]].to_numpy(dtype=float))


def table_pickle(folder: Path) -> tuple[Path, Callable[[pd.DataFrame], np.ndarray]]:
    frame, sold = table()
    model = pipeline(LinearRegression()).fit(frame, sold)
    (folder / "theirs.pickle").write_bytes(cloudpickle.dumps(model))
    return folder / "theirs.pickle", model.predict


@pytest.mark.parametrize(
    ("make", "declared", "runtime"),
    [
        (lightgbm_text, MODEL, "lightgbm"),
        (onnx_file, NUMBERS.replace("at_most=3.0", "at_most=4.0"), "onnx"),
        (array_pickle, NUMBERS.replace("at_most=3.0", "at_most=4.0"), "python"),
        (table_pickle, MODEL, "pyfunc"),
    ],
)
def test_every_kind_is_served_as_it_predicts_elsewhere(
    command: Command,
    project: Path,
    tmp_path: Path,
    make: Callable[[Path], tuple[Path, Callable[[pd.DataFrame], np.ndarray]]],
    declared: str,
    runtime: str,
) -> None:
    (project / "demand.py").write_text(declared)
    path, predict = make(tmp_path)
    said = command("register", path, "--json")
    assert said.code == 0, said.json["run"]["summary"]
    frame, _ = table(5)
    np.testing.assert_allclose(ask(project, frame, "demand")["prediction"], predict(frame), rtol=1e-5)
    folder = project / ".loopwright" / "store" / said.json["stages"]["model_version"]["folder"]
    assert f'"runtime":"{runtime}"' in (folder / "bundle.json").read_text()


def test_a_classifier_is_asked_for_probabilities(command: Command, project: Path, tmp_path: Path) -> None:
    (project / "demand.py").write_text(PROMOTION)
    frame = rows(60).select("price", "sold", "shop").to_pandas()
    model = pipeline(LogisticRegression(max_iter=1000)).fit(frame, rows(60)["promotion"].to_numpy())
    said = command("register", logged(tmp_path / "theirs", model, frame), "--json")
    assert said.code == 0, said.json["run"]["summary"]
    answer = ask(project, frame, "promo")
    np.testing.assert_allclose(answer["probability"], model.predict_proba(frame)[:, 1])
    assert [text == "true" for text in answer["label"]] == model.predict(frame).tolist()


def test_a_classifier_that_has_only_labels_goes_on_with_them(command: Command, project: Path, tmp_path: Path) -> None:
    (project / "demand.py").write_text(PROMOTION.replace("roc_auc", "accuracy"))
    frame = rows(60).select("price", "sold", "shop").to_pandas()
    model = pipeline(RidgeClassifier()).fit(frame, rows(60)["promotion"].to_numpy())
    said = command("register", logged(tmp_path / "theirs", model, frame), "--json")
    assert said.code == 0, said.json["run"]["summary"]
    assert set(ask(project, frame, "promo")["probability"]) <= {0.0, 1.0}


def test_a_classifier_of_many_classes_keeps_their_order(command: Command, project: Path, tmp_path: Path) -> None:
    (project / "demand.py").write_text(
        PROMOTION.replace('target="promotion"', 'target="shop"').replace('"roc_auc", at_least=0.7', '"accuracy"')
    )
    frame = rows(60).select("price", "sold", "promotion").to_pandas()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(frame, rows(60)["shop"].to_numpy())
    said = command("register", logged(tmp_path / "theirs", model, frame), "--json")
    assert said.code == 0, said.json["run"]["summary"]
    answer = ask(project, frame, "promo")
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(frame))
    assert answer["label"].tolist() == model.predict(frame).tolist()


def test_a_feature_function_feeds_a_model_that_takes_a_matrix(command: Command, project: Path, tmp_path: Path) -> None:
    (project / "demand.py").write_text(
        MODEL.replace("at_most=3.0", "at_most=4.0")
        + """
import polars as pl

@model.features
def features(rows):
    return rows.select(dear=pl.col("price") * 2, promoted=pl.col("promotion").cast(pl.Float64))
"""
    )
    frame, sold = table()
    made = pd.DataFrame({"dear": frame["price"] * 2, "promoted": frame["promotion"].astype(float)})
    booster = lightgbm.LGBMRegressor(n_estimators=50, verbose=-1).fit(made, sold).booster_
    booster.save_model(tmp_path / "theirs.txt")
    said = command("register", tmp_path / "theirs.txt", "--json")
    assert said.code == 0, said.json["run"]["summary"]
    np.testing.assert_allclose(ask(project, frame, "demand")["prediction"], booster.predict(made))


def test_where_nothing_lies_nothing_is_brought_in(command: Command, tmp_path: Path) -> None:
    said = command("register", tmp_path / "theirs.pkl")
    assert said.code == 1
    assert "there is nothing at" in said.err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("theirs.csv", b"a,b\n", "no model that can be brought in"),
        ("theirs.pkl", b"no pickle at all", "cannot be opened"),
        ("theirs.txt", b"tree\nnot one", "cannot be opened"),
        ("theirs.onnx", b"\x00\x01", "cannot be opened"),
        ("theirs.joblib", pickle.dumps({"a": 1}), "has no predict"),
    ],
)
def test_what_is_no_model_says_so(command: Command, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    said = command("register", tmp_path / name, "--json")
    told = said.json.get("message") or said.json["run"]["fault"]["message"]
    assert (said.code, message in told) == (1, True), told


def test_a_column_that_the_source_does_not_have_is_named(command: Command, tmp_path: Path) -> None:
    frame, sold = table()
    frame = frame.rename(columns={"price": "cost"})
    model = pipeline(LinearRegression()).fit(frame, sold)
    fault = command("register", logged(tmp_path / "theirs", model, frame), "--json").json["run"]["fault"]
    assert "'cost'" in fault["message"]
    assert "price" in fault["remedy"]


def test_columns_without_names_must_be_as_many_as_there_are(command: Command, tmp_path: Path) -> None:
    model = LinearRegression().fit(np.ones((4, 7)), np.ones(4))
    (tmp_path / "theirs.pkl").write_bytes(pickle.dumps(model))
    fault = command("register", tmp_path / "theirs.pkl", "--json").json["run"]["fault"]
    assert "7 columns and names none; there are 2 numeric ones: price, promotion" in fault["message"]


def test_pickles_stay_out_where_the_settings_refuse_them(command: Command, project: Path, tmp_path: Path) -> None:
    (project / "loopwright.toml").write_text("allow_pickle = false\n")
    (tmp_path / "theirs.pkl").write_bytes(pickle.dumps(LinearRegression()))
    said = command("register", tmp_path / "theirs.pkl", "--json")
    assert (said.code, said.json["error"]) == (1, "BundleError")
    assert pl.read_csv(project / "data" / "a.csv").height == 480
