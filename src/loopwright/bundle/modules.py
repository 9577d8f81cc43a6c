"""What train functions return that has no `predict` of its own: a PyTorch module, an XGBoost booster.

Neither library is imported here: a model of theirs can only be there where the user has imported it.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray


class TorchModel:
    """A `torch.nn.Module` as a model: rows as 32-bit numbers in, what it answers out. It is put into its eval mode."""

    def __init__(self, module: Any) -> None:
        self.module = module.eval().cpu()

    def predict(self, matrix: NDArray[Any]) -> NDArray[np.float64]:
        torch: Any = sys.modules["torch"]
        with torch.inference_mode():
            answer = self.module(torch.from_numpy(np.ascontiguousarray(matrix, dtype=np.float32)))
        return np.asarray(answer.numpy(), dtype=np.float64)

    def exported(self, width: int) -> bytes:
        """The module as a program of `torch.export`, for any number of rows. Raises what PyTorch raises."""
        torch: Any = sys.modules["torch"]
        rows = torch.zeros((4, width), dtype=torch.float32)
        program = torch.export.export(self.module, (rows,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
        archive = io.BytesIO()
        torch.export.save(program, archive)
        return archive.getvalue()


class XGBoostModel:
    """A plain `xgboost.Booster` as a model."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster

    def get_booster(self) -> Any:
        return self._booster

    def predict(self, matrix: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(self._booster.inplace_predict(matrix, validate_features=False), dtype=np.float64)


def as_model(returned: Any) -> Any:
    """What a train function returned, as an object with `predict` where it can be made one; else itself."""
    if _is(returned, "torch", "nn.Module") and not hasattr(returned, "predict"):
        return TorchModel(returned)
    if _is(returned, "xgboost", "Booster"):
        return XGBoostModel(returned)
    return returned


def xgboost_booster(model: Any) -> Any | None:
    """The model's XGBoost booster, cut to its best round; None where it is no XGBoost model."""
    if not hasattr(model, "get_booster"):
        return None
    booster = model.get_booster()
    if not _is(booster, "xgboost", "Booster"):
        return None
    best = booster.attr("best_iteration")
    return booster if best is None else booster[: int(best) + 1]


def _is(value: Any, library: str, name: str) -> bool:
    found: Any = sys.modules.get(library)
    for part in name.split("."):
        found = getattr(found, part, None)
    return isinstance(found, type) and isinstance(value, found)
