"""What data costs on its way in: snapshot, profile, contract and validation, of flights and of a wide synthetic table.

    python benchmarks/data.py [--data DIR] [--rows N] [--repeat N] [--json]

Each measurement runs in a process of its own, so that its peak memory is its own; medians are given. `--data` is a
folder of data sets with nycflights13/flights.parquet in it (default: $LOOPWRIGHT_DATA); `--rows` are those of the
synthetic table of 20 columns (default: 10 million). "read" is Polars reading the same rows and summing them up once.
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
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from loopwright.adapters.obstore.storage import open_storage
from loopwright.data.contract import infer_contract, read_contract, write_contract
from loopwright.data.profile import profile_rows
from loopwright.data.snapshot import snapshot
from loopwright.data.validate import validate
from loopwright.declare import Declaration

WORDS = (3, 30, 500, 20_000)
"""How many different words the synthetic text columns hold."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("LOOPWRIGHT_DATA"))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.measure)))
        return
    if chosen.write:
        write_synthetic(chosen.write, chosen.rows)
        return
    with tempfile.TemporaryDirectory(prefix="loopwright-bench-") as folder:
        found = {
            name: median([in_process(path) for _ in range(chosen.repeat)])
            for name, path in tables(Path(folder), chosen.data, chosen.rows)
        }
    print(json.dumps(found, indent=2) if chosen.json else as_table(found))


def tables(folder: Path, data: Path | None, rows: int) -> list[tuple[str, Path]]:
    """The files to measure; the synthetic one, and flights as CSV, are written first."""
    made = []
    if data:
        flights = Path(data) / "nycflights13" / "flights.parquet"
        written = folder / "flights.csv"
        pl.scan_parquet(flights).sink_csv(written)
        made += [("flights.parquet", flights), ("flights.csv", written)]
    else:
        print("flights are left out: name their folder with --data", file=sys.stderr)
    synthetic = folder / "synthetic.parquet"
    # In a process of its own: a child's peak memory counts from its parent's.
    subprocess.run([sys.executable, __file__, "--write", str(synthetic), "--rows", str(rows)], check=True)
    return [*made, (f"synthetic {rows:,} x 20", synthetic)]


def write_synthetic(path: Path, rows: int) -> None:
    """Twelve columns of reals, four of whole numbers, four of words; the seed is 1."""
    random = np.random.default_rng(1)
    columns: dict[str, Any] = {f"real_{place}": random.normal(size=rows) for place in range(12)}
    columns |= {f"whole_{place}": random.integers(0, 10 ** (2 * place + 1), rows) for place in range(4)}
    for place, count in enumerate(WORDS):
        columns[f"word_{place}"] = pl.Series([f"word {n}" for n in range(count)])[random.integers(0, count, rows)]
    pl.DataFrame(columns).write_parquet(path)


def in_process(path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(path: Path) -> dict[str, float]:
    """Seconds of each step on one file, the rows, and the process's peak memory in MiB before and after."""
    taken: dict[str, float] = {"memory_before": peak()}
    with tempfile.TemporaryDirectory(prefix="loopwright-bench-") as folder:
        storage, scratch = open_storage(f"{folder}/store"), Path(folder) / "scratch"
        place = {"storage": storage, "scratch": scratch}
        version = timed(taken, "snapshot", lambda: snapshot(name="set", source=str(path), root=path.parent, **place))
        timed(taken, "again", lambda: snapshot(name="set", source=str(path), root=path.parent, **place))
        profile = timed(taken, "profile", lambda: profile_rows(version, storage, scratch))
        contract = timed(taken, "contract", lambda: contracted(profile, Path(folder) / "contract.yaml"))
        now = datetime.now(UTC)
        report = timed(taken, "validate", lambda: validate(version, contract, tolerate=0.05, now=now, **place))
        assert report.passed, report.decision.because()
    taken["memory"] = peak()
    timed(taken, "read", lambda: read(path))
    return {**taken, "rows": version.rows, "columns": len(version.kinds)}


def timed(taken: dict[str, float], step: str, act: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    made = act()
    taken[step] = time.perf_counter() - start
    return made


def contracted(profile: Any, path: Path) -> Any:
    target = profile.columns[0].name
    write_contract(infer_contract("set", profile, Declaration(name="set", source="set", target=target)), path)
    return read_contract(path)


def read(path: Path) -> pl.DataFrame:
    rows = pl.scan_csv(path) if path.suffix == ".csv" else pl.scan_parquet(path)
    return rows.select(pl.all().hash().sum()).collect(engine="streaming")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def as_table(found: dict[str, dict[str, float]]) -> str:
    steps = ("snapshot", "again", "profile", "contract", "validate", "read")
    head = f"{'seconds':<28}" + "".join(f"{step:>10}" for step in steps) + f"{'peak MiB':>10}{'before':>8}"
    lines = [
        f"{name:<28}"
        + "".join(f"{taken[step]:>10.2f}" for step in steps)
        + f"{taken['memory']:>10.0f}{taken['memory_before']:>8.0f}"
        for name, taken in found.items()
    ]
    sums = [
        f"{name}: snapshot + profile + contract {sum(taken[step] for step in steps[:1] + steps[2:4]):.2f} s"
        for name, taken in found.items()
    ]
    return "\n".join([head, *lines, "", *sums])


if __name__ == "__main__":
    main()
