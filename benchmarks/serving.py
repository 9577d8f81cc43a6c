"""How fast the inference server is: beside its peers, beside a bare handler, in one run.

    python benchmarks/serving.py [--only PART ...] [--peers NAME,...|none] [--quick] [--json FILE] [--write]

Servers run on one core, the load generator on another; compared ones are measured in turns. All serve LightGBM
classifiers of 200 trees that Loopwright has trained and converted, the main one of 30 features; all use ONNX Runtime
with one thread, so that only the frameworks differ. Peers are installed by uv into environments in a cache folder.
`--write` puts the figures and pictures into docs/explanation.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from serving.curves import FEW, LABELS, SWEEPS, Point, draw, measure_curves, picture
from serving.document import write_block
from serving.environments import PACKAGES
from serving.figures import Figure
from serving.footprint import memory, workers
from serving.latency import half, lone
from serving.machine import Cores, describe, precedence
from serving.models import Store
from serving.rounds import Pace
from serving.setting import Setting
from serving.throughput import features, peers, rows

PARTS = {
    "peers": peers,
    "rows": rows,
    "features": features,
    "lone": lone,
    "half": half,
    "workers": workers,
    "memory": memory,
}
DOCS = Path(__file__).parents[1] / "docs" / "explanation"
QUICK = Pace(rounds=1, seconds=0.5, warm=0.2, settle=0.2)
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "loopwright-benchmarks"


def main() -> None:
    given = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # servers are stopped, however the program ends
    cores, machine = Cores.choose(), describe()
    os.sched_setaffinity(0, {cores.load})
    print(machine)
    figures: list[Figure] = []
    points: list[Point] = []
    with precedence(), tempfile.TemporaryDirectory(prefix="loopwright-bench-") as folder:
        setting = Setting(
            store=Store(Path(folder)),
            cores=cores,
            pace=QUICK if given.quick else Pace(rounds=given.rounds, seconds=given.seconds),
            peers=given.peers,
            cache=given.cache,
        )
        for name in [one for one in given.only if one in PARTS]:
            found = PARTS[name](setting)
            print(name, *(one.line() for one in found), sep="\n", flush=True)
            figures += found
        if "curves" in given.only:
            points = measure_curves(setting, FEW if given.quick else SWEEPS)
            print("curves", *(f"  {point}" for point in points), sep="\n")
    if given.json:
        records = [one.record() for one in figures]
        curves = [asdict(one) for one in points]
        given.json.write_text(json.dumps({"machine": machine, "figures": records, "curves": curves}, indent=2))
    if given.write:
        draw(points, DOCS)
        pictures = {f"Throughput and p99 by {label}": picture(curve) for curve, label in LABELS.items()}
        write_block(DOCS / "serving-speed.md", machine, figures, pictures)


def names(text: str) -> list[str]:
    """The peers named. Raises `ValueError` where one is not known."""
    found = [] if text == "none" else text.split(",")
    if not set(found) <= set(PACKAGES):
        raise ValueError
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    everything = [*PARTS, "curves"]
    parser.add_argument("--only", nargs="+", choices=everything, default=everything)
    parser.add_argument(
        "--peers", type=names, default=list(PACKAGES), help="names with commas between them, or none (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--quick", action="store_true", help="short and few: to see that it works, not how fast")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where the peers' environments are kept")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--write", action="store_true", help="write figures and pictures into docs/explanation")
    return parser.parse_args()


if __name__ == "__main__":
    main()
