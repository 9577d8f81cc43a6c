"""What a bundle says of itself: its signature, its encoding, its reference and its manifest.

A bundle is a folder:

    MLmodel, requirements.txt, python_env.yaml    what MLflow reads (`mlflow.pyfunc.load_model` opens the folder)
    bundle.json                  the `Manifest`: what the model is, and the SHA-256 of every other file
    encoding.json                the fitted `Encoding`
    model.onnx | model.txt | model.ubj | model.pt2 | model.pkl | model/    the model itself, see `Runtime`
    reference.json               the `Reference`: bins and counts that later windows are held against
    sample.json                  a few rows and their predictions, for whoever hosts the bundle to check itself by
    code/                        the project's Python files, where the model needs them
    card.md, bom.json, contract.odcs.yaml, profile.json, evaluation.json    for people and auditors
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from loopwright.policies.tasks import TaskName

MANIFEST = "bundle.json"
ENCODING = "encoding.json"
REFERENCE = "reference.json"
CODE = "code"
SAMPLE = "sample.json"
"""A few raw rows and what the bundle predicts for them: `{"inputs": {column: [...]}, "outputs": {name: [...]}}`."""

InputKind = Literal["number", "integer", "boolean", "text", "date", "datetime"]
Runtime = Literal["onnx", "lightgbm", "xgboost", "torch", "python", "pyfunc"]
"""Which file of the bundle is served from. `onnx`: model.onnx; `lightgbm`: model.txt; `xgboost`: model.ubj; `torch`:
model.pt2 (a program of `torch.export`); `python`: model.pkl (cloudpickle); `pyfunc`: a foreign MLflow model in model/.
"""

Device = Literal["auto", "cpu", "cuda"]
"""Where a PyTorch model computes; `auto` takes a GPU where there is one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """A raw column that a request may give. A required one must be there; a null is always allowed."""

    name: str
    kind: InputKind
    required: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """An array the model answers with: `width` columns per row, 0 for a plain vector."""

    name: str
    kind: Literal["number", "text"]
    width: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """Raw columns in, outputs out.

    Outputs by task. regression: `prediction`. binary: `probability` (of the positive class), `label`.
    multiclass: `probabilities` (one column a class, in the order of `Manifest.classes`), `label`.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureColumn:
    """How one feature becomes numbers.

    number: itself, missing as NaN. boolean: 0, 1, NaN. category: its place in `vocabulary`, NaN where missing and
    -1 where unseen. date: the parts named in `parts`, a number each.
    """

    name: str
    kind: Literal["number", "boolean", "category", "date"]
    vocabulary: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """Features to a matrix, one row from itself alone. `names` are the matrix columns; `categorical` their places."""

    columns: tuple[FeatureColumn, ...]
    names: tuple[str, ...]
    categorical: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceColumn:
    """One column of the reference. Numbers: `edges` (rising, open at both ends: `len(edges) + 1` counts).

    Categories: `values`, one count each, and a last count for all others. `unseen` counts what fits no bin, where the
    reference is of traffic. `usual` is the greatest PSI of an ordinary window of these rows against the others, 0 where
    windows differ by no more than chance or are not known.
    """

    name: str
    kind: Literal["number", "category"]
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    missing: int = 0
    unseen: int = 0
    importance: float = 0.0
    usual: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """The evaluation rows in counts: raw inputs as `input.<column>`, predictions as `output.<name>`."""

    rows: int
    columns: tuple[ReferenceColumn, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """The bundle's own description. `files` maps each other file's path in the folder to its SHA-256.

    `module` is the project file that declares the model, below `code/`, where its feature function is needed.
    `classes` are a classifier's labels as text; the model itself is trained on their places (0, 1, …), and its scores
    stand in their order. `positive` is one of them in a binary model, `classes[1]` where it is None.
    `trained_until` is the greatest value of the time column seen in training (ISO 8601), or None.
    """

    format: Literal[1] = 1
    model: str
    task: TaskName
    runtime: Runtime
    signature: Signature
    files: dict[str, str]
    created: datetime
    target: str = ""
    key: str | None = None
    classes: tuple[str, ...] = ()
    positive: str | None = None
    threshold: float = 0.5
    module: str | None = None
    uses_features: bool = False
    trained_until: str | None = None
    trained_rows: int = 0
    redact: tuple[str, ...] = ()
    lineage: dict[str, str] = field(default_factory=dict)

    @property
    def has_onnx(self) -> bool:
        return "model.onnx" in self.files
