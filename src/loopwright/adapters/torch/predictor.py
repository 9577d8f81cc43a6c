"""Scores from `model.pt2`, a program that `torch.export` has written down, on the processor or on a GPU."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from loopwright.bundle.pipeline import Score
from loopwright.bundle.records import Device, Manifest
from loopwright.core.cores import available_cores
from loopwright.errors import BundleError

Rows = Callable[[NDArray[np.float64]], torch.Tensor]


def load_score(folder: Path, manifest: Manifest, *, threads: int = 1, device: Device = "auto") -> Score:
    """The model as a function from a matrix to raw scores; several threads may ask at once. Raises `BundleError`.

    Numbers are 32 bits wide. `auto` takes a GPU where there is one. PyTorch has one number of threads for all that a
    process does: the last model loaded says how many.
    """
    chosen = _device(device)
    program = _program(folder / "model.pt2")
    torch.set_num_threads(threads or available_cores())
    answer = _function(program, chosen)
    rows: Rows = _Pinned(chosen) if chosen.type == "cuda" else _on_processor

    def score(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            scores: NDArray[np.float32] = answer(rows(matrix))[0].cpu().numpy()
        return scores

    return score


class _Pinned:
    """Rows on their way to the GPU, through memory that it can read by itself; a buffer a thread, which grows."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._own = threading.local()

    def __call__(self, matrix: NDArray[np.float64]) -> torch.Tensor:
        buffer: torch.Tensor | None = getattr(self._own, "buffer", None)
        if buffer is None or buffer.shape[0] < len(matrix):
            height = 1 << (len(matrix) - 1).bit_length()
            buffer = self._own.buffer = torch.empty((height, matrix.shape[1]), dtype=torch.float32, pin_memory=True)
        waiting = buffer[: len(matrix)]
        waiting.copy_(torch.from_numpy(matrix))
        # Not waited for: the answer is, before the buffer is written to again.
        return waiting.to(self._device, non_blocking=True)


def _on_processor(matrix: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(matrix.astype(np.float32))


def _device(wanted: Device) -> torch.device:
    has_gpu = torch.cuda.is_available()
    if wanted == "cuda" and not has_gpu:
        raise BundleError(
            "there is no GPU that PyTorch can use here",
            remedy="install a PyTorch with CUDA and the GPU's driver, or set inference_device to auto or cpu",
        )
    return torch.device("cuda" if has_gpu and wanted != "cpu" else "cpu")


def _program(path: Path) -> torch.export.ExportedProgram:
    try:
        data = path.read_bytes()
        _refuse_pickles(data)
        return torch.export.load(io.BytesIO(data))
    except BundleError:
        raise
    except Exception as error:
        raise BundleError(
            f"model.pt2 cannot be opened by PyTorch {torch.__version__}: {str(error).splitlines()[0]}",
            remedy="install the PyTorch that requirements.txt names, or fetch the bundle again",
        ) from error


def _function(program: torch.export.ExportedProgram, device: torch.device) -> Callable[..., tuple[torch.Tensor, ...]]:
    """The program as a plain function of one tensor, without the checks and unpacking that cost more than a small
    model: the encoding has one width, and it is the one that the program was made for.
    """
    module = program.module(check_guards=False)
    module.graph.set_codegen(torch.fx.graph.CodeGen())
    module.recompile()
    function: Callable[..., tuple[torch.Tensor, ...]] = module.to(device).forward
    return function


def _refuse_pickles(data: bytes) -> None:
    """PyTorch would unpickle whatever an archive says is to be, and knows older forms that are all pickle: what we
    write is of the newer form, and holds plain tensors and nothing else.
    """
    refused = BundleError("model.pt2 may hold pickled objects", remedy="do not open it; train the model again")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        formats = [name for name in names if name.count("/") == 1 and name.endswith("/archive_format")]
        if len(set(names)) < len(names) or len(formats) != 1 or archive.read(formats[0]).strip() != b"pt2":
            raise refused
        for name in names:
            if "/weights/" in name or "/constants/" in name:
                named = json.loads(archive.read(name))["config"].values() if name.endswith("_config.json") else ()
                if name.endswith((".pt", ".pth", ".pkl")) or any(one.get("use_pickle", True) for one in named):
                    raise refused
            elif name.endswith((".pt", ".pth", ".pkl")) and "/sample_inputs/" not in name:
                raise refused
            elif "/sample_inputs/" in name:
                torch.load(io.BytesIO(archive.read(name)), weights_only=True)
