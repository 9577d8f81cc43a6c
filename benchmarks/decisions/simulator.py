"""The simulator: how long it takes, how the loop does in our scenarios, and on the rows of real projects."""

from __future__ import annotations

import runpy
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from serving.figures import Figure, figure, left_out

from decisions.effort import Effort
from loopwright.simulation.records import SimulationReport
from loopwright.simulation.service import simulate

PART = "simulator"
EXAMPLES = Path(__file__).parents[2] / "examples"
SCENARIOS = ("quiet", "sudden", "bad-challenger")
FLIGHTS_EVERY = 10
"""One flight in so many is taken: a year of all of them is months of training."""


def measure(effort: Effort) -> Iterator[Figure]:
    yield from speed(effort)
    for name in SCENARIOS[:1] if effort.quick else SCENARIOS:
        yield from scenario(name, effort)
    if effort.data is None:
        yield left_out(PART, "real rows, replayed", "no folder of data sets (--data)")
        return
    yield from replayed("bike_demand", "bikes, hourly, the last of 2012", effort, days=14 if effort.quick else 90)
    if not effort.quick:
        flights = f"flights of 2013, one in {FLIGHTS_EVERY}"
        yield from replayed("flights", f"{flights}, from April on", effort, days=270)
        yield from replayed("flights", f"{flights}, from September on", effort, days=120)


def speed(effort: Effort) -> Iterator[Figure]:
    days = 9 if effort.quick else 90
    report = simulate(None, "quiet", days=days, predictions_per_day=11_200, seed=effort.seed)
    name = f"{days} simulated days, {report.predictions / 1e6:.2g} M predictions"
    goal = {} if effort.quick else {"at_most": 60.0}
    runs = sum(report.runs.values())
    yield figure(
        PART, name, "s", [report.seconds], note=f"{runs} runs, {report.training_seconds:.0f} s of them", **goal
    )


def scenario(name: str, effort: Effort) -> Iterator[Figure]:
    report = simulate(None, name, days=20 if effort.quick else 90, seed=effort.seed)
    yield figure(
        PART, f"{name}: false alarms in 30 quiet days", "", [report.false_alarms_per_month], note=_said(report)
    )
    yield figure(PART, f"{name}: wrong promotions", "", [float(report.wrong_promotions)], note=_judged(report))
    for change in report.changes:
        found = "never" if change.detected is None else f"{change.detected:.1f} days"
        again = "never" if change.recovered is None else f"{change.recovered:.1f} days"
        yield left_out(PART, f"{name}: day {change.day:g}", f"found after {found}, recovered after {again}")


def replayed(example: str, name: str, effort: Effort, *, days: int) -> Iterator[Figure]:
    """The example's own project, unchanged, on the real rows: its error beside never retraining."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / example
        shutil.copytree(EXAMPLES / example, project, ignore=shutil.ignore_patterns("data", "*.png", ".loopwright"))
        runpy.run_path(str(EXAMPLES / "get_data.py"))["get"](example, project / "data", effort.data)
        if example == "flights":
            flights = project / "data" / "flights.csv"
            pl.read_csv(flights, infer_schema=False).gather_every(FLIGHTS_EVERY).write_csv(flights)
        report = simulate(project, "quiet", rows="replay", days=days, seed=effort.seed)
    share = report.errors.loop / report.errors.never
    yield figure(PART, f"{name}: error beside never retraining", "×", [share], at_most=1.0, note=_said(report))


def _said(report: SimulationReport) -> str:
    errors, runs = report.errors, sum(report.runs.values())
    return (
        f"{report.metric}: loop {errors.loop:.4g}, perfect {errors.oracle:.4g}, never {errors.never:.4g}; {runs} runs, "
        f"{report.promotions} promotions, {len(report.days)} days in {report.seconds:.0f} s"
    )


def _judged(report: SimulationReport) -> str:
    kept_out = len(report.judged) - report.promotions
    return f"of {report.promotions}; {report.missed_promotions} of {kept_out} kept out wrongly"
