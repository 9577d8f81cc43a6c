"""The one command that runs a job: read its document in the object store, do the work, leave the result there."""

from __future__ import annotations

import argparse
import importlib
import resource
import sys
import time
import traceback
from pathlib import Path

from loopwright.adapters.obstore.storage import open_storage
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.code import find_models, load_module, unpack_code
from loopwright.core.clock import SystemClock
from loopwright.core.codec import from_json, from_plain, to_json, to_plain
from loopwright.core.cores import available_cores
from loopwright.declare import Model
from loopwright.errors import DeclarationError, JobError, LoopwrightError
from loopwright.evaluation.records import EvaluateTask
from loopwright.evaluation.replay_records import ReplayTask
from loopwright.ports.compute import JobDocument, JobResult, job_key
from loopwright.ports.storage import Storage
from loopwright.ports.workspace import Workspace
from loopwright.retraining.records import BacktestTask
from loopwright.training.records import ImportTask, RefitTask, TrainTask

WORK = {
    "train": ("loopwright.training.service", "train", TrainTask),
    "import": ("loopwright.training.importing", "import_model", ImportTask),
    "evaluate": ("loopwright.evaluation.service", "evaluate", EvaluateTask),
    "replay": ("loopwright.evaluation.replay", "replay", ReplayTask),
    "refit": ("loopwright.training.service", "refit", RefitTask),
    "backtest": ("loopwright.retraining.backtest", "backtest", BacktestTask),
}
"""What each kind of job is: the room's verb that does it, loaded by name since each brings seconds of imports, and the
record of its task."""


def main(arguments: list[str] | None = None) -> int:
    """`python -m loopwright.bootstrap.job --storage URL --job ID --folder SCRATCH`; 0 when a result was left."""
    parser = argparse.ArgumentParser(prog="loopwright.bootstrap.job", description=__doc__)
    parser.add_argument("--storage", required=True, help="the object store's URL")
    parser.add_argument("--job", required=True, help="the job's id")
    parser.add_argument("--folder", required=True, type=Path, help="scratch space on this machine")
    given = parser.parse_args(arguments)
    storage = open_storage(given.storage)
    document = from_json(storage.get(job_key(given.job, "document.json")), JobDocument)
    result = run_job(document, storage, given.folder)
    storage.put(job_key(document.id, "result.json"), to_json(result))
    if result.traceback:
        sys.stderr.write(result.traceback)
    return 0


def run_job(document: JobDocument, storage: Storage, folder: Path, model: Model | None = None) -> JobResult:
    """Do the document's work; an error becomes part of the result. `model` is for fakes that need no code archive."""
    started = time.perf_counter()
    try:
        room, verb, kind = WORK[document.kind]
        work = getattr(importlib.import_module(room), verb)
        workspace = _workspace(document, storage, folder, model)
        done = work(from_plain(document.task, kind), workspace)
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises is the job's result
        return JobResult(
            id=document.id,
            error=type(error).__name__,
            message=error.message if isinstance(error, LoopwrightError) else f"{type(error).__name__}: {error}",
            remedy=error.remedy if isinstance(error, LoopwrightError) else "",
            traceback="" if isinstance(error, LoopwrightError) else traceback.format_exc(),
            seconds=time.perf_counter() - started,
            cores=available_cores(),
        )
    return JobResult(
        id=document.id,
        result=to_plain(done),
        seconds=time.perf_counter() - started,
        cores=available_cores(),
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        / (1024 if sys.platform != "darwin" else 1 << 20),
    )


def _workspace(document: JobDocument, storage: Storage, folder: Path, model: Model | None) -> Workspace:
    folder.mkdir(parents=True, exist_ok=True)
    code = None
    if document.code is not None:
        code = folder / "code"
        unpack_code(storage.get(document.code), code)
    last = [0.0]

    def progress(text: str, done: float) -> None:
        if done >= 1 or time.monotonic() - last[0] > 0.2:
            last[0] = time.monotonic()
            storage.put(job_key(document.id, "progress.json"), to_json((text, done)))

    return Workspace(
        storage=storage,
        folder=folder,
        model=model or _declared(document, code),
        code=code,
        module=document.module,
        load_predictor=load_predictor,
        progress=progress,
        clock=SystemClock(),
    )


def _declared(document: JobDocument, code: Path | None) -> Model:
    if code is None or document.module is None:
        raise JobError(f"job {document.id} names no code", remedy="submit the run again")
    models = find_models(load_module(code, document.module))
    if document.model not in models:
        raise DeclarationError(
            f"{document.module} declares no model {document.model!r}",
            remedy=f"it declares: {', '.join(models) or 'none'}",
        )
    return models[document.model]


if __name__ == "__main__":
    raise SystemExit(main())
