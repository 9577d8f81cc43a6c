"""Whether the inference server keeps its promises while things go wrong around it.

    python benchmarks/chaos.py [--seconds 60] [--rate 400] [--only SCENARIO ...] [--json FILE]

A steady load asks one server after the other, each disturbed in its own way, and every request is accounted for:
answered as the bundle answers offline, refused with a status that is declared, or lost; and recorded, or not. Ends with
status 1 where a rule is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from chaos.load import Load
from chaos.project import ROWS, Project, Server
from chaos.scenarios import SCENARIOS, release_for_ever
from chaos.verdict import Disturbed, Verdict, judge


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each scenario goes on")
    parser.add_argument("--rate", type=int, default=400, help="requests a second")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--json", type=Path, help="write the counts there too")
    parser.add_argument("--release-into", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.release_into:
        release_for_ever(given.release_into)
    verdicts = []
    for name in given.only:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            verdicts.append(run(name, Path(folder), given.seconds, given.rate))
        print_row(verdicts[-1])
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in verdicts], indent=2))
    return 1 if any(one.broken for one in verdicts) else 0


def run(name: str, folder: Path, seconds: float, rate: int) -> Verdict:
    """One scenario from the first request to the server's end."""
    scenario, project, disturbed = SCENARIOS[name], Project(folder), Disturbed()
    project.release(project.bundle(scenario.trouble))
    server = Server(project, *scenario.options)
    rows = [row for row in ROWS if row["mood"] or not scenario.only_good_rows]
    load = Load(server.port, rate, rows, scenario.timeout_ms)

    def during() -> None:
        nonlocal disturbed
        disturbed = scenario.disturb(project, server, seconds)

    try:
        asyncio.run(load.run(during))
        if (status := server.stop()) != 0:
            disturbed.troubles.append(f"the server ended with status {status}")
        if "Traceback" in (said := server.log.read_text()):
            disturbed.troubles.append(f"a traceback: {said[said.index('Traceback') :][:2000]}")
    finally:
        server.end()
    return judge(name, load.sent, project.captured(), project.offline, scenario.declared, disturbed)


def print_row(one: Verdict) -> None:
    refused = ", ".join(f"{count} × {status}" for status, count in sorted(one.refused.items())) or "0"
    print(f"{one.scenario:10} {SCENARIOS[one.scenario].says}")
    print(
        f"    {one.happened} times; sent {one.sent}: answered {one.answered}, wrong {one.wrong}, refused {refused}, "
        f"lost {one.lost}; answered without a record {one.uncaptured}"
    )
    for rule in one.broken:
        print(f"    BROKEN: {rule}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
