"""What the loop costs: starting, the journal, a whole run against a plain script, and batch scoring.

    python benchmarks/loop.py [--data DIR] [--only startup|journal|run|batch] [--json]

Compared things are measured in turns within one run, and medians and ratios are given: absolute figures are this
machine's. `--data` is a folder of data sets with nycflights13/flights.parquet in it (default: $LOOPWRIGHT_DATA).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

TARGET = "late"
KNOWN_LATER = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "hour", "minute", "tailnum"]
"""Columns of the flights that are known only after departure (and the aircraft, which has thousands of values)."""

SCRIPT = """
import resource, sys
import numpy as np, polars as pl
from lightgbm import LGBMClassifier, early_stopping
from sklearn.metrics import roc_auc_score

rows = pl.read_parquet(sys.argv[1]).sort("day_")
date = pl.col("day_").dt
features = rows.with_columns(day_of_month=date.day(), weekday=date.weekday()).drop("late", "day_", "id")
texts = [place for place, dtype in enumerate(features.dtypes) if dtype == pl.String]
X = np.column_stack([
    series.to_numpy() if series.dtype.is_numeric() else series.cast(pl.Categorical).to_physical().to_numpy()
    for series in features
]).astype(np.float64)
y = rows["late"].to_numpy().astype(int)
n = len(y)
a, b = int(n * 0.65), int(n * 0.8)
model = LGBMClassifier(n_estimators=1000, verbose=-1, random_state=0)
stop = early_stopping(50, verbose=False)
model.fit(X[:a], y[:a], eval_set=[(X[a:b], y[a:b])], callbacks=[stop], categorical_feature=texts)
print(roc_auc_score(y[b:], model.predict_proba(X[b:])[:, 1]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
"""The same LightGBM on the same features: what someone would write who knows them, texts as categories."""

PROJECT = """
from loopwright import Gate, Model

model = Model("flights", source="flights.parquet", target="late", time="day_", label_delay="1d", key="id",
              refit=False, gate=Gate("roc_auc"))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("LOOPWRIGHT_DATA"))
    parser.add_argument("--only", choices=["startup", "journal", "run", "batch"])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the batch")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    parts = {
        "startup": lambda: startup(given.repeat),
        "journal": lambda: journal(given.repeat),
        "run": lambda: whole_run(given.data, given.repeat),
        "batch": lambda: batch(given.rows),
    }
    results = {name: part() for name, part in parts.items() if given.only in (None, name)}
    if given.json:
        print(json.dumps(results, indent=2))
        return
    for name, figures in results.items():
        print(f"\n{name}")
        for label, value in figures.items():
            print(f"  {label:<58} {value:>10.3f}" if isinstance(value, float) else f"  {label:<58} {value:>10}")


def startup(repeat: int) -> dict[str, float]:
    """Seconds from nothing: a bare interpreter, the import, the help, the status of an empty project."""
    loopwright = str(Path(sys.executable).with_name("loopwright"))
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "bare": [sys.executable, "-c", "pass"],
            "import": [sys.executable, "-c", "import loopwright"],
            "declare": [sys.executable, "-c", "from loopwright import Model"],
            "help": [loopwright, "--help"],
            "status": [loopwright, "status", "--project", folder],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(repeat * 3 + 1):
            for name, command in commands.items():
                took = _seconds(command)
                if turn:  # the first turn fills caches, and makes the project's database
                    seconds[name].append(took)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "import loopwright, over a bare interpreter (s)": middle["import"] - middle["bare"],
        "from loopwright import Model, over a bare interpreter (s)": middle["declare"] - middle["bare"],
        "loopwright --help (s)": middle["help"],
        "loopwright status (s)": middle["status"],
    }


def journal(repeat: int) -> dict[str, float]:
    """Milliseconds of journal for a run of ten empty stages on SQLite."""
    from loopwright.core.clock import SystemClock
    from loopwright.runs.service import Journal
    from loopwright.runs.stages import run_stages
    from loopwright.state.engine import State
    from loopwright.state.schema import prepare

    stages = [_empty_stage(number) for number in range(10)]
    with tempfile.TemporaryDirectory() as folder:
        state = State(f"sqlite:///{folder}/state.db")
        prepare(state)
        book = Journal(state, SystemClock())
        took = []
        for _ in range(repeat * 10):
            began = time.perf_counter()
            book.submit("empty", cause="benchmark", actor="benchmark")
            claim = book.claim("benchmark")
            assert claim is not None
            run_stages(book, claim, stages, {})
            took.append(1000 * (time.perf_counter() - began))
        state.close()
    return {"a run of ten empty stages, whole (ms, median)": statistics.median(took)}


def whole_run(data: Path | None, repeat: int) -> dict[str, Any]:
    """A whole run against a plain script, at two sizes: the overhead that is fixed, the slope, the memory."""
    if data is None or not (Path(data) / "nycflights13" / "flights.parquet").exists():
        return {"skipped: name the folder of data sets with --data": 0.0}
    figures: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for times in (1, 10):
            project = folder / f"times-{times}"
            project.mkdir()
            rows = _flights(Path(data), times)
            rows.write_parquet(project / "flights.parquet")
            (project / "model.py").write_text(PROJECT)
            (folder / "script.py").write_text(SCRIPT)
            ours, theirs, memory = [], [], []
            for _ in range(repeat if times == 1 else 1):
                began = time.perf_counter()
                said = subprocess.run(
                    [sys.executable, str(folder / "script.py"), str(project / "flights.parquet")],
                    check=True, capture_output=True, text=True,
                ).stdout  # fmt: skip
                theirs.append(time.perf_counter() - began)
                script_memory = float(said.split()[1])
                subprocess.run(["rm", "-rf", str(project / ".loopwright"), str(project / "contracts")], check=True)
                before = time.perf_counter()
                memory.append(_run_and_watch(project))
                ours.append(time.perf_counter() - before)
            figures[times] = {
                "ours": statistics.median(ours),
                "script": statistics.median(theirs),
                "memory": max(memory) / script_memory,
            }
    grown = {who: figures[10][who] - figures[1][who] for who in ("ours", "script")}
    slope = grown["ours"] / grown["script"]
    return {
        "the script, 336,776 rows (s)": figures[1]["script"],
        "a whole run, 336,776 rows (s)": figures[1]["ours"],
        "the script, 3,367,760 rows (s)": figures[10]["script"],
        "a whole run, 3,367,760 rows (s)": figures[10]["ours"],
        "slope: what ten times the rows add, against the script": slope,
        "fixed overhead: what is left at no rows (s)": figures[1]["ours"]
        - grown["ours"] / 9
        - (figures[1]["script"] - grown["script"] / 9),
        "peak memory of any process, against the script (set)": figures[1]["memory"],
        "peak memory of any process, against the script (ten times)": figures[10]["memory"],
    }


def batch(rows: int) -> dict[str, Any]:
    """Streaming a Parquet file through a bundle against predicting the same rows from memory."""
    from loopwright.batch import score
    from loopwright.bootstrap.predictor import load_predictor
    from loopwright.bootstrap.session import open as open_project
    from loopwright.bundle.read import read_manifest
    from loopwright.core.clock import SystemClock
    from loopwright.ports.storage import fetch_folder

    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _numbers(random, 50_000).write_parquet(folder / "train.parquet")
        (folder / "model.py").write_text(
            'from loopwright import Model\nmodel = Model("numbers", source="train.parquet", target="y", key="id")\n'
        )
        with open_project(folder, tracking="off") as session:
            run = session.run()
            assert run.status == "succeeded", run
            bundle = fetch_folder(session.platform.storage, session.champion().folder, folder / "cache")
        source = folder / "big"
        source.mkdir()
        for part in range(10):
            _numbers(random, rows // 10).drop("y").write_parquet(source / f"{part}.parquet")
        predictor = load_predictor(bundle, threads=0)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        report = score(
            "big",
            folder / "out.parquet",
            root=folder,
            predictor=predictor,
            manifest=read_manifest(bundle),
            clock=SystemClock(),
        )
        took = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        bare = _bare_predict(bundle, source)  # last, for it holds a tenth of the rows in memory
    return {
        "rows": report.rows,
        "batch, rows a second": report.rows / took,
        "bare in-memory predict, rows a second": rows / bare,
        "batch against bare": bare / took,
        "memory that the batch added to the process (MiB)": (after - before) / 1024,
    }


def _bare_predict(bundle: Path, source: Path) -> float:
    """Seconds that LightGBM itself takes, with all its threads, for matrices that are in memory already."""
    import lightgbm

    booster = lightgbm.Booster(model_file=str(bundle / "model.txt"))
    seconds = 0.0  # of predicting alone, a part at a time: all rows would not fit beside the matrix
    for part in sorted(source.iterdir()):
        matrix = pl.read_parquet(part).drop("id").to_numpy()
        began = time.perf_counter()
        booster.predict(matrix)
        seconds += time.perf_counter() - began
    return seconds


def _numbers(random: np.random.Generator, count: int) -> pl.DataFrame:
    columns = {f"x{place}": random.normal(size=count) for place in range(8)}
    y = columns["x0"] * 2 + np.sin(columns["x1"] * 3) + random.normal(size=count) * 0.3
    return pl.DataFrame({"id": np.arange(count), **columns, "y": y})


def _flights(data: Path, times: int) -> pl.DataFrame:
    rows = pl.read_parquet(data / "nycflights13" / "flights.parquet").filter(pl.col("arr_delay").is_not_null())
    # When the timetable lets it depart, in minutes after midnight: when it did, less its delay.
    departed = pl.col("dep_time") // 100 * 60 + pl.col("dep_time") % 100
    rows = rows.with_columns(
        scheduled=(departed - pl.col("dep_delay") + 1440) % 1440,
        late=pl.col("arr_delay") > 15,
        day_=pl.date(pl.col("year").cast(pl.Int32), pl.col("month").cast(pl.Int32), pl.col("day").cast(pl.Int32)),
    ).drop(KNOWN_LATER, "year")
    many = pl.concat([rows] * times).sort("day_")
    return many.with_columns(id=pl.int_range(many.height))


def _run_and_watch(project: Path) -> float:
    """A whole run; the greatest peak memory of any of its processes, MiB."""
    loopwright = str(Path(sys.executable).with_name("loopwright"))
    process = subprocess.Popen(
        [loopwright, "run", "--project", str(project), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said, trouble = process.communicate()
    assert process.returncode == 0, said[-2000:] + trouble[-2000:]
    worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    results = (project / ".loopwright" / "store" / "jobs").glob("*/result.json")
    jobs = [json.loads(path.read_text())["peak_memory_mb"] for path in results]
    return max(jobs) if jobs else worker


def _empty_stage(number: int) -> Any:
    def stage() -> int:
        return number

    stage.__name__ = f"stage_{number}"
    return stage


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
