"""Do the decisions keep their word? Error rates with their intervals, power, delays, costs; seeds are printed.

    python benchmarks/decisions.py [--only PART ...] [--quick] [--seed N] [--data DIR] [--json FILE] [--write]

Every rate stands with its exact binomial interval at 95 % (Clopper and Pearson, 1934). `--write` puts the figures into
docs/explanation/decisions-measured.md, and pictures beside it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
from pathlib import Path

from decisions.effort import Effort
from serving.document import write_block
from serving.figures import Figure
from serving.machine import describe

PARTS = ("gate", "rollout", "drift", "estimates", "simulator")
PICTURES = {"What a drift report costs as rows and columns grow": "decisions-drift.png"}
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "decisions-measured.md"


def main() -> None:
    given = parse()
    effort = Effort(simulations=60 if given.quick else given.simulations, seed=given.seed, data=given.data)
    machine = f"{describe()}; seed {given.seed}, up to {effort.simulations:,} simulations"
    print(machine)
    figures: list[Figure] = []
    for part in given.only or PARTS:
        print(f"\n{part}")
        for one in importlib.import_module(f"decisions.{part}").measure(effort):
            print(one.line(), flush=True)
            figures.append(one)
    if given.json:
        given.json.write_text(json.dumps([one.record() for one in figures], indent=2))
    if given.write:
        write_block(PAGE, machine, figures, PICTURES)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--simulations", type=int, default=Effort().simulations)
    parser.add_argument("--seed", type=int, default=Effort().seed)
    known = os.environ.get("LOOPWRIGHT_DATA")
    parser.add_argument("--data", type=Path, default=Path(known) if known else None)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
