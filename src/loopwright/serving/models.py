"""Bundles in memory: fetched, verified, opened, warmed, and kept as long as a revision may need them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.bundle.outputs import Outputs
from loopwright.bundle.read import bundle_digest, read_manifest, read_reference
from loopwright.bundle.records import SAMPLE, Manifest, Reference
from loopwright.core.codec import from_json
from loopwright.errors import BundleError, LoopwrightError
from loopwright.ports.predictor import Columns, Predictor
from loopwright.ports.storage import Storage, fetch_folder
from loopwright.serving.batching import Batched, Batcher, BatchLimits, Gone
from loopwright.serving.copies import Copies
from loopwright.serving.pace import Pace
from loopwright.traffic.records import Variant

Load = Callable[[Path], Predictor]

QUICK_SECONDS = 0.0005
"""Predictions expected to take longer than this leave the event loop to other requests, and may be made together."""

SAMPLED = 16
"""Of predictions made on the event loop one in so many is timed, by the thread's own time: to be interrupted is not to
be slow."""


class LoadedModel:
    """A bundle ready to predict."""

    def __init__(
        self,
        digest: str,
        manifest: Manifest,
        reference: Reference | None,
        predictor: Predictor,
        limits: BatchLimits | None = None,
    ) -> None:
        self.digest = digest
        self.manifest = manifest
        self.reference = reference
        self.inputs = manifest.signature.inputs
        self.names = tuple(one.name for one in self.inputs)
        self._timed = _Timed(predictor, manifest)
        self._batcher = Batcher(manifest.model, self._timed.predict, self._timed.pace, limits or BatchLimits())

    @property
    def quick_rows(self) -> int:
        """Up to so many rows are predicted faster than they could be handed to a thread."""
        return self._timed.quick_rows

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return self._batcher.waiting

    @property
    def busy_since(self) -> float | None:
        """Since when (`time.perf_counter()`) the prediction under way in the model's thread has been going on."""
        return self._batcher.busy_since

    async def predict(
        self,
        columns: Columns,
        rows: int,
        *,
        deadline: float | None = None,
        gone: Gone | None = None,
        batched: Batched | None = None,
    ) -> Outputs:
        """The bundle's outputs, made in the model's thread, together with others where several requests wait.

        Raises what `Predictor.predict` raises, `BundleError` for anything else that its code raises, `OverloadError`
        when too many wait, and `DeadlineError`.
        """
        return await self._batcher.predict(columns, rows, deadline=deadline, gone=gone, batched=batched)

    def predict_quick(self, columns: Columns, rows: int) -> Outputs:
        """The bundle's outputs for no more than `quick_rows`, made where they are asked for: on the event loop."""
        return self._timed.predict_quick(columns, rows)

    def predict_aside(self, columns: Columns) -> Outputs:
        """The outputs, made in the thread that asks: for work that no client waits for. Raises as `predict` does."""
        return self._timed.answer(columns)

    def warm(self, columns: Columns, rows: int) -> None:
        """Predict `columns` a few times, so that the first request is not the slow one; failures are no matter."""
        with suppress(LoopwrightError):
            self._timed.answer(columns)  # the first may be slow for reasons that will not come again
            for _ in range(3):
                self._timed.predict(columns, rows)


class _Timed:
    """A predictor, and what it costs. The model and its queue both hold it, and it holds neither: a model that is let
    go is gone at once, though the collector hardly ever runs.
    """

    def __init__(self, predictor: Predictor, manifest: Manifest) -> None:
        # A user's own code may take any time at any row; what a library computes follows from how many rows there are.
        self._steady = manifest.runtime not in ("torch", "python", "pyfunc") and not manifest.uses_features
        self.quick_rows = _ANY if self._steady else 0
        self.pace = Pace()
        self._name = manifest.model
        self._predictor = predictor
        self._calls = 0

    def predict(self, columns: Columns, rows: int) -> Outputs:
        began = time.perf_counter()
        outputs = self.answer(columns)
        self._observe(rows, time.perf_counter() - began)
        return outputs

    def predict_quick(self, columns: Columns, rows: int) -> Outputs:
        self._calls += 1
        if self._calls % SAMPLED:
            return self.answer(columns)
        began = time.thread_time()
        outputs = self.answer(columns)
        self._observe(rows, time.thread_time() - began)
        return outputs

    def answer(self, columns: Columns) -> Outputs:
        try:
            return self._predictor.predict(columns)
        except LoopwrightError:
            raise
        except Exception as error:
            raise BundleError(f"{self._name}: the model raised {type(error).__name__}: {error}") from error

    def _observe(self, rows: int, seconds: float) -> None:
        self.pace.observe(rows, seconds)
        if self._steady:
            quick = self.pace.expected(1) <= QUICK_SECONDS
            self.quick_rows = self.pace.rows_within(QUICK_SECONDS) if quick else 0


class Shelf:
    """Loaded models by digest, fetched from the store through a local folder."""

    def __init__(self, storage: Storage, cache: Path, load: Load, limits: BatchLimits | None = None) -> None:
        self._limits = limits
        self._storage = storage
        self._copies = Copies(cache)
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

    def keep_copies(self, digests: Collection[str]) -> None:
        """Remove the copies on disk of every bundle but these, unless another process has it in use."""
        self._copies.keep_only(digests)

    def _open(self, variant: Variant) -> LoadedModel:
        digest = variant.bundle_digest
        copy = self._copies.hold(digest)
        try:
            with self._copies.alone():  # what another worker is fetching looks like a broken copy until all is there
                folder = fetch_folder(self._storage, variant.bundle, copy)
            try:
                return self._load_folder(variant, folder)
            except (BundleError, FileNotFoundError):
                if not folder.is_relative_to(copy):
                    raise
                with self._copies.alone():
                    return self._load_mended(variant, copy)
        finally:
            if not any(copy.iterdir()):
                self._copies.let_go(digest)  # a local store's bundles are read where they lie

    def _load_mended(self, variant: Variant, copy: Path) -> LoadedModel:
        """From a copy that looked broken, by who is alone with it: another may have been fetching it anew just then."""
        try:
            return self._load_folder(variant, fetch_folder(self._storage, variant.bundle, copy))
        except BundleError:
            self._copies.clear(variant.bundle_digest)
            return self._load_folder(variant, fetch_folder(self._storage, variant.bundle, copy))

    def _load_folder(self, variant: Variant, folder: Path) -> LoadedModel:
        found = bundle_digest(folder)
        if found != variant.bundle_digest:
            raise BundleError(
                f"the bundle {variant.bundle} has the digest {found[:16]}, but the revision names "
                f"{variant.bundle_digest[:16]}",
                remedy="somebody changed the bundle after it was released; roll back",
            )
        model = LoadedModel(
            found, read_manifest(folder), read_reference(folder), self._predictor(variant, folder), self._limits
        )
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


_ANY = 1 << 30
