"""Bundles in memory: fetched, verified, opened, warmed, and kept as long as a revision may need them."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.read import bundle_digest, read_manifest, read_reference
from loopwright.bundle.records import SAMPLE, Manifest, Reference
from loopwright.core.codec import from_json
from loopwright.errors import BundleError, HostingError, LoopwrightError
from loopwright.ports.predictor import Columns, Predictor
from loopwright.ports.storage import Storage, fetch_folder
from loopwright.traffic.records import Variant

Load = Callable[[Path], Predictor]
Outputs = dict[str, NDArray[np.generic]]

INLINE_SECONDS = 0.005
"""Predictions expected to take longer than this leave the event loop to other requests meanwhile."""

WAITING = 64
"""How many slow predictions may wait for a thread; the next is refused."""


class LoadedModel:
    """A bundle ready to predict."""

    def __init__(self, digest: str, manifest: Manifest, reference: Reference | None, predictor: Predictor) -> None:
        self.digest = digest
        self.manifest = manifest
        self.reference = reference
        self.inputs = manifest.signature.inputs
        self.names = tuple(one.name for one in self.inputs)
        self._predictor = predictor
        self._row_seconds = 0.0
        self._waiting = 0

    async def predict(self, columns: Columns, rows: int) -> Outputs:
        """The bundle's outputs. A prediction that takes long is made in a thread, the others where they are asked for.

        Raises what `Predictor.predict` raises, `BundleError` for anything else that its code raises, and
        `HostingError` when too many slow predictions wait already.
        """
        if self._row_seconds * rows <= INLINE_SECONDS:
            return self._timed(columns, rows)
        if self._waiting >= WAITING:
            raise HostingError(f"{self.manifest.model} has {WAITING} predictions waiting", remedy="send fewer at once")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(_THREADS, self._timed, columns, rows)
        finally:
            self._waiting -= 1

    def warm(self, columns: Columns, rows: int) -> None:
        """Predict `columns` a few times, so that the first request is not the slow one; failures are no matter."""
        with suppress(LoopwrightError):
            for _ in range(3):
                self._timed(columns, rows)

    def _timed(self, columns: Columns, rows: int) -> Outputs:
        began = time.perf_counter()
        try:
            outputs = self._predictor.predict(columns)
        except LoopwrightError:
            raise
        except Exception as error:
            raise BundleError(f"{self.manifest.model}: the model raised {type(error).__name__}: {error}") from error
        self._row_seconds += 0.2 * ((time.perf_counter() - began) / rows - self._row_seconds)
        return outputs


class Shelf:
    """Loaded models by digest, fetched from the store through a local folder."""

    def __init__(self, storage: Storage, cache: Path, load: Load) -> None:
        self._storage = storage
        self._cache = cache
        self._load = load
        self._models: dict[str, LoadedModel] = {}

    def take(self, variant: Variant) -> LoadedModel:
        """The variant's model, loaded and warm. Raises `BundleError`, `NotFoundError` and `StorageError`."""
        model = self._models.get(variant.bundle_digest)
        if model is None:
            model = self._models[variant.bundle_digest] = self._open(variant)
        return model

    def keep_only(self, digests: Collection[str]) -> None:
        """Let go of every model but these."""
        self._models = {digest: model for digest, model in self._models.items() if digest in digests}

    def _open(self, variant: Variant) -> LoadedModel:
        copy = self._cache / variant.bundle_digest[:16]
        try:
            return self._load_folder(variant, fetch_folder(self._storage, variant.bundle, copy))
        except BundleError:
            if not copy.exists():
                raise
            shutil.rmtree(copy, ignore_errors=True)  # the copy may be what is broken: fetch it once more
            return self._load_folder(variant, fetch_folder(self._storage, variant.bundle, copy))

    def _load_folder(self, variant: Variant, folder: Path) -> LoadedModel:
        found = bundle_digest(folder)
        if found != variant.bundle_digest:
            raise BundleError(
                f"the bundle {variant.bundle} has the digest {found[:16]}, but the revision names "
                f"{variant.bundle_digest[:16]}",
                remedy="somebody changed the bundle after it was released; roll back",
            )
        model = LoadedModel(found, read_manifest(folder), read_reference(folder), self._predictor(variant, folder))
        if (folder / SAMPLE).exists():
            sample = from_json((folder / SAMPLE).read_bytes(), _Sample)
            model.warm({name: values[:1] for name, values in sample.inputs.items()}, 1)
        return model

    def _predictor(self, variant: Variant, folder: Path) -> Predictor:
        try:
            return self._load(folder)
        except LoopwrightError:
            raise
        except Exception as error:
            raise BundleError(
                f"the bundle {variant.bundle} cannot be opened: {type(error).__name__}: {error}",
                remedy="its own code fails where it is served; look at what it imports",
            ) from error


@dataclass(frozen=True, slots=True)
class _Sample:
    """Rows with their answers, as a bundle may carry them."""

    inputs: dict[str, list[Any]]


_THREADS = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predict")
