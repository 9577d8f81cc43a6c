"""How fast the inference server is: beside its peers, beside a bare handler, in one run.

    python benchmarks/serving.py [--only PART ...] [--peers NAME,...|none] [--quick] [--json FILE]

Servers run on one core, the load generator on another. All serve one LightGBM classifier of 200 trees and 30 features
that Loopwright has trained and converted; all use ONNX Runtime with one thread, so that only the frameworks differ.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from serving.machine import Cores, describe
from serving.models import Store
from serving.parts import Setting, peers
from serving.rounds import Pace

PARTS = {"peers": peers}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--peers", default="none", help="names with commas between them, or none")
    parser.add_argument("--quick", action="store_true", help="a minute or so: to see that it works, not how fast")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    given = parser.parse_args()
    cores, machine = Cores.choose(), describe()
    os.sched_setaffinity(0, {cores.load})
    print(machine)
    pace = Pace(rounds=2, seconds=1.5, warm=0.5) if given.quick else Pace()
    figures = []
    with tempfile.TemporaryDirectory(prefix="loopwright-bench-") as folder:
        setting = Setting(store=Store(Path(folder)), cores=cores, pace=pace)
        for name in given.only:
            found = PARTS[name](setting)
            print(name, *(one.line() for one in found), sep="\n")
            figures += found
    if given.json:
        records = {"machine": machine, "figures": [one.record() for one in figures]}
        given.json.write_text(json.dumps(records, indent=2))


if __name__ == "__main__":
    main()
