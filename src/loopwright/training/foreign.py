"""Models trained elsewhere: which kind a file or folder is, and what it wants, looked up in it without a framework."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import lightgbm
import onnx
import yaml

from loopwright.bundle.encoding import category_texts
from loopwright.bundle.records import Input, InputKind, Runtime
from loopwright.errors import BundleError
from loopwright.training.packing import distributions_of
from loopwright.training.records import ForeignKind

INSIDE = "model"
"""The bundle's folder in which a `pyfunc` model lies."""

KINDS: dict[str, InputKind] = {
    "double": "number",
    "float": "number",
    "long": "integer",
    "integer": "integer",
    "boolean": "boolean",
    "string": "text",
    "datetime": "datetime",
}
"""MLflow's column types as ours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """A model trained elsewhere. `contents` are its files in the bundle.

    It takes the columns `names` (of the kinds in `inputs`, where it says so); or, where it names none, `width` numeric
    columns by their position, or (None) whatever there is. `vocabularies` are its own categories by column, `classes`
    those it knows. `fallback` are contents to go back to where these cannot predict.
    """

    runtime: Runtime
    contents: dict[str, bytes]
    names: tuple[str, ...] | None = None
    inputs: tuple[Input, ...] = ()
    width: int | None = None
    vocabularies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    fallback: dict[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def foreign_kind(path: Path) -> ForeignKind:
    """What lies at `path`, without opening it. Raises `BundleError` where it is no model that can be brought in."""
    if (path / "MLmodel").is_file():
        return "mlflow"
    if path.is_file():
        if path.suffix == ".onnx":
            return "onnx"
        if path.suffix in (".pkl", ".pickle", ".joblib"):
            return "pickle"
        if path.suffix == ".txt" and path.read_bytes()[:4] == b"tree":
            return "lightgbm"
    raise BundleError(
        f"{path} is no model that can be brought in" if path.exists() else f"there is nothing at {path}",
        remedy="name an MLflow model directory, LightGBM's text model (.txt), an ONNX file (.onnx) or a pickled "
        "estimator (.pkl, .pickle, .joblib)",
    )


def open_foreign(path: Path, kind: ForeignKind, *, classify: bool) -> Foreign:
    """The model at `path`; a classifier is asked for probabilities where it has them. Raises `BundleError`.

    Pickles run code when they are opened: bring in only what you trust.
    """
    openers: dict[ForeignKind, Callable[[Path, bool], Foreign]] = {
        "mlflow": _mlflow,
        "lightgbm": _lightgbm,
        "onnx": _onnx,
        "pickle": _pickle,
    }
    try:
        return openers[kind](path, classify)
    except BundleError:
        raise
    except Exception as error:
        raise BundleError(
            f"{path.name} cannot be opened: {type(error).__name__}: {error}",
            remedy="install what it was made with, or save it again",
        ) from error


def _mlflow(path: Path, classify: bool) -> Foreign:
    described = yaml.safe_load((path / "MLmodel").read_text(encoding="utf-8"))
    flavours = described.get("flavors") or {}
    if "python_function" not in flavours:
        raise BundleError(
            f"{path.name} has no python_function flavour", remedy="log it with an MLflow flavour that has one"
        )
    files = {f"{INSIDE}/{one.relative_to(path).as_posix()}": one for one in path.rglob("*") if one.is_file()}
    contents = {name: one.read_bytes() for name, one in files.items()}
    names, inputs, width = _signature(path.name, described.get("signature") or {})
    fallback: dict[str, bytes] = {}
    notes: tuple[str, ...] = ()
    if classify and "sklearn" in flavours and flavours["python_function"].get("predict_fn") == "predict":
        fallback = {f"{INSIDE}/MLmodel": contents[f"{INSIDE}/MLmodel"]}
        flavours["python_function"]["predict_fn"] = "predict_proba"
        contents |= {f"{INSIDE}/MLmodel": yaml.safe_dump(described, sort_keys=False).encode()}
        notes = ("it is asked for probabilities (predict_proba), where MLflow would ask it for labels",)
    return Foreign(
        runtime="pyfunc",
        contents=contents,
        names=names,
        inputs=inputs,
        width=width,
        requirements=_requirements(path / "requirements.txt"),
        fallback=fallback,
        notes=notes,
    )


def _signature(name: str, signature: dict[str, Any]) -> tuple[tuple[str, ...] | None, tuple[Input, ...], int | None]:
    columns = json.loads(signature.get("inputs") or "[]")
    if not columns:
        return None, (), None
    if columns[0]["type"] == "tensor":
        return None, (), int(columns[0]["tensor-spec"]["shape"][-1])
    unknown = [one for one in columns if one["type"] not in KINDS]
    if unknown:
        raise BundleError(
            f"{name} takes the column {unknown[0].get('name')!r} of type {unknown[0]['type']}: no single value",
            remedy=f"its signature may speak of {', '.join(KINDS)}",
        )
    inputs = tuple(
        Input(name=one["name"], kind=KINDS[one["type"]], required=one.get("required", True)) for one in columns
    )
    return tuple(one.name for one in inputs), inputs, None


def _requirements(path: Path) -> tuple[str, ...]:
    """The distributions a model says it needs, without their versions: those installed here are written down."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    named = [re.match(r"[A-Za-z0-9][\w.-]*", line.strip()) for line in lines]
    return tuple(found[0] for found in named if found)


def _lightgbm(path: Path, classify: bool) -> Foreign:
    booster = lightgbm.Booster(model_file=path)
    names = tuple(booster.feature_name())
    numbered = names == tuple(f"Column_{place}" for place in range(len(names)))
    categorical = [name for name, facts in booster.dump_model()["feature_infos"].items() if facts["values"]]
    known = booster.pandas_categorical or []
    if len(known) != len(categorical):
        raise BundleError(
            f"{path.name} has {len(categorical)} categorical columns and the categories of {len(known)}",
            remedy="train it on a DataFrame whose columns have the type category, or log it with MLflow",
        )
    return Foreign(
        runtime="lightgbm",
        contents={"model.txt": path.read_bytes()},
        names=None if numbered else names,
        width=len(names) if numbered else None,
        vocabularies={name: _texts(values) for name, values in zip(categorical, known, strict=True)},
    )


def _onnx(path: Path, classify: bool) -> Foreign:
    data = path.read_bytes()
    graph = onnx.load_from_string(data).graph
    constants = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in constants]
    shape = inputs[0].type.tensor_type.shape.dim if len(inputs) == 1 else []
    if len(shape) != 2 or not shape[1].dim_value:
        raise BundleError(
            f"{path.name} does not take one matrix of a known width",
            remedy="convert it with one input of shape [None, columns], or log the model with MLflow",
        )
    if graph.output[-1].type.WhichOneof("value") != "tensor_type":
        raise BundleError(
            f"{path.name} answers with {graph.output[-1].name}, which is no array",
            remedy="convert a classifier with options={'zipmap': False}",
        )
    return Foreign(runtime="onnx", contents={"model.onnx": data}, width=shape[1].dim_value)


def _pickle(path: Path, classify: bool) -> Foreign:
    model = joblib.load(path)
    if not hasattr(model, "predict"):
        raise BundleError(
            f"{path.name} holds a {type(model).__name__}, which has no predict", remedy="pickle the fitted model"
        )
    data = cloudpickle.dumps(model)
    found = Foreign(
        runtime="python",
        contents={"model.pkl": data},
        classes=_texts(getattr(model, "classes_", ())),
        requirements=distributions_of(data),
    )
    if not hasattr(model, "feature_names_in_"):
        return replace(found, width=getattr(model, "n_features_in_", None))
    ask = "predict_proba" if classify and hasattr(model, "predict_proba") else "predict"
    # A model fitted on a table wants one again, with its names and types; MLflow's loader gives it that.
    contents = {f"{INSIDE}/model.pkl": data, f"{INSIDE}/MLmodel": _mlmodel(ask)}
    return replace(found, runtime="pyfunc", contents=contents, names=tuple(map(str, model.feature_names_in_)))


def _mlmodel(ask: str) -> bytes:
    described = {
        "flavors": {
            "python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.pkl", "predict_fn": ask},
            "sklearn": {
                "pickled_model": "model.pkl",
                "serialization_format": "cloudpickle",
                "sklearn_version": version("scikit-learn"),
            },
        }
    }
    return yaml.safe_dump(described, sort_keys=False).encode()


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(text for text in category_texts(list(values)) if text is not None)
