"""A model that needs no training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.errors import BundleError, LoopwrightError, RequestError
from loopwright.ports.predictor import Columns


class FakePredictor:
    """`ports.Predictor` by a plain function of one row: `FakePredictor(lambda row: {"prediction": 2 * row["x"]})`.

    `needs` names the columns without which a request is refused; `asked` counts the rows seen.
    """

    def __init__(
        self, answer: Callable[[Mapping[str, Any]], Mapping[str, Any]], *, needs: tuple[str, ...] = ()
    ) -> None:
        self._answer, self._needs = answer, needs
        self.asked = 0

    def predict(self, columns: Columns) -> dict[str, NDArray[np.generic]]:
        for name in self._needs:
            if name not in columns:
                raise RequestError(f"column {name!r} is missing", remedy="send it with every row")
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        self.asked += len(rows)
        answers = [self._answered(row) for row in rows]
        return {name: np.asarray([answer[name] for answer in answers]) for name in (answers[0] if answers else ())}

    def _answered(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._answer(row)
        except LoopwrightError:
            raise
        except Exception as error:
            raise BundleError(f"the function raised {type(error).__name__}: {error}") from error
