"""A bundle folder opened for predictions: its runtime's adapter and its feature function, found by name."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from loopwright.bundle.pipeline import Features, Pipeline
from loopwright.bundle.read import read_encoding, read_manifest, verify_bundle
from loopwright.bundle.records import Device, Manifest
from loopwright.errors import BundleError
from loopwright.ports.predictor import Predictor


def load_predictor(
    folder: Path, *, verify: bool = True, allow_pickle: bool = True, threads: int = 1, device: Device = "auto"
) -> Predictor:
    """The bundle in `folder`, ready to predict in `threads` threads (0: one a core), on `device` where it is PyTorch's.

    `verify` holds every file against its digest first. With `allow_pickle=False` a bundle whose runtime unpickles
    (`python`, `pyfunc`) is refused. Raises `BundleError`, and `DeclarationError` where the project's code fails.
    """
    manifest = read_manifest(folder)
    if manifest.runtime in ("python", "pyfunc") and not allow_pickle:
        raise BundleError(
            f"{manifest.model} is a pickled model (runtime {manifest.runtime}), and pickles are refused here",
            remedy="train a model that converts to ONNX, or allow pickles where you trust every bundle",
        )
    if verify:
        verify_bundle(folder)
    adapter = _adapter(f"{manifest.runtime}.predictor", manifest)
    if manifest.runtime == "pyfunc":
        predictor: Predictor = adapter.load(folder, manifest)
        return predictor
    place = {"device": device} if manifest.runtime == "torch" else {}
    score = adapter.load_score(folder, manifest, threads=threads, **place)
    return Pipeline(manifest, read_encoding(folder), score, _features(folder, manifest))


def _features(folder: Path, manifest: Manifest) -> Features | None:
    if not manifest.uses_features:
        return None
    features: Features = _adapter("python.features", manifest).load_features(folder, manifest)
    return features


def _adapter(name: str, manifest: Manifest) -> Any:
    try:
        return importlib.import_module(f"loopwright.adapters.{name}")
    except ImportError as error:
        raise BundleError(
            f"{manifest.model} cannot be opened: the module {error.name} is not installed",
            remedy="install what the bundle's requirements.txt names",
        ) from None
