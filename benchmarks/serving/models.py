"""The models that are served: made by Loopwright's own training, put into an object store, released as endpoints."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from loopwright.adapters.obstore.storage import ObjectStorage, open_storage
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.code import find_models, load_module
from loopwright.bundle.frames import frame_columns
from loopwright.bundle.read import bundle_digest, read_manifest
from loopwright.bundle.records import SAMPLE
from loopwright.bundle.write import extend_bundle
from loopwright.core.clock import SystemClock
from loopwright.data.snapshot import snapshot
from loopwright.evaluation.reference import make_reference
from loopwright.ports.predictor import Predictor
from loopwright.ports.storage import fetch_folder, upload_folder
from loopwright.ports.workspace import Workspace
from loopwright.traffic.records import CapturePolicy, EndpointRevision, Variant, encode_revision, revision_key
from loopwright.training.records import TrainTask
from loopwright.training.sample import sample_paper
from loopwright.training.service import train

TREES = 200
FEATURES = 30
ROWS = 8_000

PROJECT = """
import polars as pl
from lightgbm import LGBMClassifier
from loopwright import Model

model = Model("{name}", source="{name}.parquet", target="y")

@model.train
def forest(data, params):
    return LGBMClassifier(n_estimators={trees}, random_state=0, verbosity=-1).fit(data.X, data.y)
"""

FEATURE_FUNCTION = """
@model.features
def features(rows):
    numbers = [pl.col(f"x{place}") for place in range(24)]
    return rows.select(
        *numbers,
        sum=pl.sum_horizontal(numbers),
        largest=pl.max_horizontal(numbers),
        ratio=pl.col("x0") / (1 + pl.col("x1").abs()),
        weekday=pl.col("d0").dt.weekday(),
        kind=pl.col("c0").fill_null("none").str.to_uppercase(),
        same=pl.col("c1") == pl.col("c2"),
    )
"""
"""What a user writes: thirty features, six of them made."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A bundle in `folder`, and rows that it can be asked for, as columns in the signature's order."""

    name: str
    folder: Path
    rows: pl.DataFrame

    @property
    def onnx(self) -> Path:
        return self.folder / "model.onnx"

    def answers(self, rows: pl.DataFrame) -> list[float]:
        """The probabilities of these rows, offline."""
        return list(self._predictor.predict(frame_columns(rows))["probability"])

    @cached_property
    def _predictor(self) -> Predictor:
        return load_predictor(self.folder)


class Store:
    """An object store of endpoints in `folder`; models are made once and kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = str(folder / "store")
        self._storage: ObjectStorage = open_storage(self.url)
        self._made: dict[str, Made] = {}

    def numeric(self, features: int = FEATURES) -> Made:
        """All features are numbers."""
        return self._model(f"numeric-{features}", lambda: numbers(features))

    def mixed(self) -> Made:
        """Thirty raw columns: numbers with gaps, categories, dates; the default features."""
        return self._model("mixed", mixed)

    def featured(self) -> Made:
        """The same raw columns, and a user's feature function on them."""
        return self._model("featured", mixed, FEATURE_FUNCTION)

    def copy(self, made: Made, number: int) -> Made:
        """The same model as a bundle of its own: servers keep one copy of a bundle, whatever endpoints serve it."""
        name = f"{made.name}-copy-{number}"
        folder = self.folder / "bundles" / name
        if not folder.exists():
            shutil.copytree(made.folder, folder)
            extend_bundle(folder, {"card.md": f"Copy {number}.".encode()})
            upload_folder(self._storage, f"bundles/{name}", folder)
        return replace(made, name=name, folder=folder)

    def release(self, endpoint: str, made: Made, *, capture: float = 1.0) -> None:
        """The first revision of `endpoint`, which serves `made` alone."""
        bundle = f"bundles/{made.name}"
        variant = Variant(
            name="champion", version=1, bundle=bundle, bundle_digest=bundle_digest(made.folder), weight=100
        )
        revision = EndpointRevision(
            endpoint=endpoint,
            model=made.name,
            number=1,
            variants=(variant,),
            capture=CapturePolicy(share=capture),
            actor="benchmark",
            reason="benchmark",
            cause="benchmark",
            at=SystemClock().now(),
            previous="",
        )
        self._storage.create(revision_key(endpoint, 1), encode_revision(revision))  # released before: no matter

    def _model(self, name: str, rows: Callable[[], pl.DataFrame], functions: str = "") -> Made:
        if name not in self._made:
            self._made[name] = self._make(name, rows(), functions)
        return self._made[name]

    def _make(self, name: str, rows: pl.DataFrame, functions: str) -> Made:
        code, scratch = self.folder / "code" / name, self.folder / "scratch" / name
        for folder in (code, scratch):
            folder.mkdir(parents=True)
        (code / "project.py").write_text(PROJECT.format(name=name, trees=TREES) + functions)
        rows.write_parquet(code / f"{name}.parquet")
        workspace = self._workspace(code, scratch)
        version = snapshot(
            name=name, source=f"{name}.parquet", root=code, storage=self._storage, scratch=scratch / "snapshot"
        )
        train(TrainTask(candidate_id=name, run_id="benchmark", dataset=version, folder=f"made/{name}"), workspace)
        return self._finish(name, rows.drop("y"), workspace)

    def _workspace(self, code: Path, scratch: Path) -> Workspace:
        (model,) = find_models(load_module(code, "project.py")).values()
        return Workspace(
            storage=self._storage,
            folder=scratch,
            model=model,
            code=code,
            module="project.py",
            load_predictor=load_predictor,
            progress=lambda text, done: print(f"  {model.name}: {text}", file=sys.stderr),
            clock=SystemClock(),
        )

    def _finish(self, name: str, rows: pl.DataFrame, workspace: Workspace) -> Made:
        """The reference and the sample, as evaluation and refit give them to a bundle that is released."""
        folder = fetch_folder(self._storage, f"made/{name}", self.folder / "bundles" / name)
        manifest = read_manifest(folder)
        assert manifest.runtime == "onnx", "the benchmark's models are served by ONNX Runtime"
        inputs = rows.select(one.name for one in manifest.signature.inputs)
        outputs = load_predictor(folder).predict(frame_columns(inputs))
        papers = {SAMPLE: sample_paper(folder, inputs.lazy(), workspace)}
        extend_bundle(folder, papers, reference=make_reference(manifest, inputs, outputs))
        upload_folder(self._storage, f"bundles/{name}", folder)
        return Made(name=name, folder=folder, rows=inputs)


def numbers(features: int) -> pl.DataFrame:
    """Normal numbers of eight digits, and a target of two classes that depends on a third of them. The seed is 1."""
    random = np.random.default_rng(1)
    X = random.normal(size=(ROWS, features)).round(8)
    score = X[:, : max(3, features // 3)].sum(axis=1) + X[:, 0] * X[:, 1] + random.normal(size=ROWS)
    columns: dict[str, Any] = {f"x{place}": X[:, place] for place in range(features)}
    return pl.DataFrame({**columns, "y": (score > 0).astype(int)})


def mixed() -> pl.DataFrame:
    """24 columns of numbers with one value in ten missing, four of words, two of dates; and a target of two classes."""
    random = np.random.default_rng(2)
    X = random.normal(size=(ROWS, 24)).round(8)
    words = random.integers(0, 20, (ROWS, 4))
    days = [[date(2024, 1, 1) + timedelta(days=int(day)) for day in random.integers(0, 700, ROWS)] for _ in range(2)]
    weekday = np.array([day.weekday() for day in days[0]])
    score = X[:, :8].sum(axis=1) + (words[:, 0] % 3) + weekday / 3 + random.normal(size=ROWS)
    columns: dict[str, Any] = {
        f"x{place}": pl.Series(X[:, place]).set(pl.Series(random.random(ROWS) < 0.1), None) for place in range(24)
    }
    columns |= {f"c{place}": [f"kind {word}" for word in words[:, place]] for place in range(4)}
    columns |= {f"d{place}": values for place, values in enumerate(days)}
    return pl.DataFrame({**columns, "y": (score > np.median(score)).astype(int)})
