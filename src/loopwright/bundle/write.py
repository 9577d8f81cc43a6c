"""A bundle folder written: an MLflow model directory, sealed by a manifest of digests."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from loopwright.bundle.read import bundle_files, read_manifest
from loopwright.bundle.records import ENCODING, MANIFEST, REFERENCE, Encoding, Manifest, Reference, Runtime
from loopwright.core.codec import to_json
from loopwright.core.digest import digest_bytes, digest_file
from loopwright.errors import BundleError, StorageError

RUNTIME_PACKAGES: dict[Runtime, tuple[str, ...]] = {
    "onnx": ("onnxruntime",),
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost",),
    "torch": ("torch",),
    "python": ("cloudpickle",),
    "pyfunc": ("mlflow",),
}
"""What each runtime imports beyond Loopwright's own core."""


def write_bundle(
    folder: Path,
    draft: Manifest,
    *,
    encoding: Encoding,
    reference: Reference | None = None,
    contents: Mapping[str, bytes] | None = None,
    requirements: Sequence[str] = (),
) -> Manifest:
    """Write a bundle into `folder` and return its manifest: `draft` with the digest of every file.

    `draft.files` is left empty. `contents` are files by their path in the folder: `model.onnx`, `model.txt` or
    `model.pkl`, `code/...`, `card.md` and so on; files that already lie in the folder belong to the bundle too.
    `requirements` names the distributions that the model needs beyond its runtime (`scikit-learn`); their installed
    versions are written down. `bundle.json` comes last. Raises `BundleError` and `StorageError`.
    """
    needed = ("polars",) if draft.uses_features else ()
    written = {
        ENCODING: to_json(encoding),
        "requirements.txt": _requirements((*RUNTIME_PACKAGES[draft.runtime], *needed, *requirements)),
        "python_env.yaml": _python_env(),
        "MLmodel": _mlmodel(draft),
        **(contents or {}),
    }
    if reference is not None:
        written[REFERENCE] = to_json(reference)
    _put(folder, written)
    return _seal(folder, draft)


def extend_bundle(folder: Path, contents: Mapping[str, bytes], *, reference: Reference | None = None) -> Manifest:
    """Add files (a card, an evaluation, a reference) to a bundle and seal it anew; returns the new manifest."""
    manifest = read_manifest(folder)
    _put(folder, {**contents, **({REFERENCE: to_json(reference)} if reference else {})})
    return _seal(folder, manifest)


def _put(folder: Path, contents: Mapping[str, bytes]) -> None:
    for name, data in contents.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BundleError(f"{name!r} lies outside the bundle", remedy="name a path below the bundle's folder")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            raise StorageError(
                f"{path} cannot be written: {error.strerror or error}", remedy="check the disk's space and permissions"
            ) from None


def _seal(folder: Path, draft: Manifest) -> Manifest:
    digests = {name: digest_file(path) for name, path in sorted(bundle_files(folder).items())}
    manifest = replace(draft, files=digests)
    _put(folder, {MANIFEST: to_json(manifest)})
    return manifest


def _requirements(packages: Sequence[str]) -> bytes:
    lines = [_pinned(package) for package in ("loopwright", *dict.fromkeys(packages))]
    return "".join(f"{line}\n" for line in lines).encode()


def _pinned(package: str) -> str:
    """`package` as it is installed; where only its module is known by that name (xgboost-cpu), what brings the module.

    A build's own mark is left out (2.13.0+cpu): any build of that version will do.
    """
    for name in _distributions(package):
        with suppress(PackageNotFoundError):
            return f"{name}=={version(name).partition('+')[0]}"
    raise BundleError(f"the model needs {package}, which is not installed", remedy=f"install {package}")


def _distributions(package: str) -> Iterator[str]:
    yield package
    yield from packages_distributions().get(package, ())  # most of a second: only where it is needed


def _python_env() -> bytes:
    return f'python: "{platform.python_version()}"\ndependencies:\n- -r requirements.txt\n'.encode()


def _mlmodel(draft: Manifest) -> bytes:
    """The MLmodel file as MLflow 3 reads it. JSON strings are YAML strings, so no YAML library is needed."""
    name = digest_bytes(to_json(draft))[:32]
    inputs = [
        # MLflow refuses whole numbers in a `double` column, nulls in a `long` and text in a `datetime` one before
        # the model sees them; the bundle checks its columns itself and takes them all.
        {"type": "any", "name": one.name, "required": one.required}
        for one in draft.signature.inputs
    ]
    return "\n".join(
        [
            "flavors:",
            "  python_function:",
            "    loader_module: loopwright.bootstrap.pyfunc",
            f"    python_version: {platform.python_version()}",
            "    env:",
            "      virtualenv: python_env.yaml",
            f"model_uuid: {json.dumps(name)}",
            f"utc_time_created: {json.dumps(f'{draft.created:%Y-%m-%d %H:%M:%S.%f}')}",
            "signature:",
            f"  inputs: {json.dumps(json.dumps(inputs))}",
            f"  outputs: {json.dumps(json.dumps(_mlflow_outputs(draft)))}",
            "  params: null",
            "",
        ]
    ).encode()


def _mlflow_outputs(draft: Manifest) -> list[dict[str, object]]:
    if draft.task == "regression":
        return [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]
    names = ["probability"] if draft.task == "binary" else [f"probability_{name}" for name in draft.classes]
    probabilities = [{"type": "double", "name": name, "required": True} for name in names]
    return [*probabilities, {"type": "string", "name": "label", "required": True}]
