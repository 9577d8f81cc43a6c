"""From a request's columns to named outputs: the way that every runtime shares. Runtimes bring only the scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.blocks import rows_of
from loopwright.bundle.columns import Fitter
from loopwright.bundle.encoding import Columns, Encoder
from loopwright.bundle.outputs import OutputShaper
from loopwright.bundle.records import Encoding, Manifest
from loopwright.errors import BundleError, FeatureError, LoopwrightError, RequestError

Score = Callable[[NDArray[np.float64]], Any]
"""A matrix, one row a row, to raw scores: a number a row, or one a class."""

Features = Callable[[Columns], Columns]
"""Raw columns to feature columns, as many rows in the same order. Raises `FeatureError` or `RequestError`."""


class Pipeline:
    """A `Predictor`: signature → the user's features, where the bundle has them → encoding → model → outputs."""

    def __init__(self, manifest: Manifest, encoding: Encoding, score: Score, features: Features | None = None) -> None:
        self.manifest = manifest
        self.encoding = encoding
        self._fit = Fitter(manifest.signature)
        self._encode = Encoder(encoding)
        self._score = score
        self._features = features
        self._shape = OutputShaper(manifest)

    def predict(self, columns: Columns) -> dict[str, NDArray[np.generic]]:
        """See `loopwright.ports.predictor.Predictor.predict`."""
        fitted = self._fit(columns)
        if not rows_of(fitted):
            return self._shape.no_rows()
        matrix = self._matrix(fitted)
        try:
            raw = self._score(matrix)
        except LoopwrightError:
            raise
        except Exception as error:
            raise BundleError(
                f"{self.manifest.model}: the model raised {type(error).__name__}: {error}",
                remedy="the bundle is served from another environment than it was made in, or its model is faulty",
            ) from error
        return self._shape(raw, len(matrix))

    def matrix(self, columns: Columns) -> NDArray[np.float64]:
        """What the model sees of raw `columns`. Raises `RequestError` and `FeatureError`."""
        return self._matrix(self._fit(columns))

    def _matrix(self, fitted: Columns) -> NDArray[np.float64]:
        if self._features is None:
            return self._encode(fitted)
        made = self._features(fitted)
        try:
            return self._encode(made)
        except RequestError as error:
            raise FeatureError(
                f"the features do not fit the model: {error.message}",
                remedy="return columns of the same names and kinds as in training, whatever the rows are",
            ) from None
