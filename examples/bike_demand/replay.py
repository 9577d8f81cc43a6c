"""A year in minutes: the model learns from 2011, then 2012 arrives month by month while its endpoint answers.

    python examples/bike_demand/replay.py --from ~/datasets

Each month is asked for at the endpoint before its counts are known; then they arrive as a new file. All that follows is
the platform's own doing: drift, the governor, retrains, canaries. The report holds the error of the model that was live
beside that of the first one, kept for ever.
"""

from __future__ import annotations

import argparse
import runpy
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from report import Month, write_report
from rich.console import Console
from rich.table import Table

from loopwright.bootstrap.platform import open_platform
from loopwright.bootstrap.session import Session
from loopwright.demo.live import QUICK_SETTINGS, LivePlatform, free_ports
from loopwright.demo.traffic import Traffic
from loopwright.errors import LoopwrightError
from loopwright.monitoring.records import Finding

HERE = Path(__file__).parent
MODEL = "bike-demand"
OUTCOMES = ("cnt", "casual", "registered")
"""What is known only after the hour."""
PACE = {'interval="10m"': 'interval="1s", min_requests=10, max_latency_ratio=5', '"1d"': '"4s"', '"1h"': '"1s"'}
"""The project's policies at the pace of a replay, in which a month takes some twenty seconds."""
PATIENCE = 120.0
"""Seconds that any one thing may take."""


class Replay:
    """The replay in `folder`, on the hours in `hours`; `play` gives each month as it is over."""

    def __init__(self, live: LivePlatform, hours: pl.DataFrame, traffic: Traffic) -> None:
        self.live, self.hours, self.traffic = live, hours, traffic
        self.platform = live.platform

    def begin(self) -> None:
        """The first champion, of 2011 alone."""
        run = self.platform.journal.submit(MODEL, cause="2011 is there", actor="replay")
        for _ in self.live.stages(run.id, seconds=PATIENCE):
            pass
        if (ended := self.platform.journal.get(run.id)).status != "succeeded":
            raise LoopwrightError(f"the first run is {ended.status}: {ended.summary}")
        self.live.until("an endpoint that answers", lambda: self.traffic.ready() or None, seconds=PATIENCE)

    def month(self, number: int) -> Month:
        """A month of 2012: asked for, then known, then learned from."""
        began, before = self.platform.clock.now(), (self.traffic.tally.sent, self.traffic.tally.failed)
        champion = self._champion()
        rows = self.hours.filter((pl.col("dteday").dt.year() == 2012) & (pl.col("dteday").dt.month() == number))
        asked, known = rows.drop(OUTCOMES), rows["cnt"].to_numpy()
        requests = asked.with_columns(pl.col("dteday").cast(pl.String)).to_dicts()
        self.traffic.flow(requests)  # the world goes on asking while the platform learns
        served = np.array(self.traffic.ask(requests))
        kept = Session(self.platform).predict(asked, model=MODEL, version=1)["prediction"]
        made = Month(
            name=f"2012-{number:02}",
            hours=rows.height,
            version=champion,
            renewed=_rmse(served, known),
            first=_rmse(np.asarray(kept, dtype=np.float64), known),
        )
        self._arrive(rows, made.name)
        self._learn(made, began)
        made.drift = self._drifted(began)
        made.sent, made.failed = self.traffic.tally.sent - before[0], self.traffic.tally.failed - before[1]
        return made

    def _arrive(self, rows: pl.DataFrame, name: str) -> None:
        """The month's counts as a new file; renamed into its place, so that it is there whole or not at all."""
        unfinished = self.platform.root / "data" / f"{name}.unfinished"
        rows.write_csv(unfinished)
        unfinished.rename(unfinished.with_suffix(".csv"))

    def _learn(self, made: Month, since: datetime) -> None:
        """Wait for what the platform makes of the month: an accepted request, its run, and its rollout, if it comes."""

        def accepted() -> Any:
            requests = self.platform.retraining.requests(MODEL, statuses=("accepted",), limit=5)
            return next((one for one in requests if one.requested >= since and one.started), None)

        request = self.live.until(f"a retrain with {made.name}", accepted, seconds=PATIENCE)
        made.trigger = request.trigger
        for _ in self.live.stages(request.run, seconds=PATIENCE):
            pass
        run = self.platform.journal.get(request.run)
        made.run = run.status if run.status == "succeeded" else f"{run.status}: {run.summary}"
        rollout = next((one for one in self.platform.rollouts.rollouts(model=MODEL) if one.requested >= since), None)
        if rollout is not None:
            *_, ended = self.live.moves(rollout.id, seconds=PATIENCE)
            made.promoted = ended.version if ended.status == "promoted" else None

    def _drifted(self, since: datetime) -> list[str]:
        """The columns in which a window of this month drifted, such as the model leans on; one window is waited for."""

        def judged() -> list[Finding] | None:
            findings = self.platform.monitors.findings(MODEL, kind="drift")
            return [one for one in findings if one.window_start >= since and one.judged] or None

        findings = self.live.until("a judged window", judged, seconds=PATIENCE)
        columns = [column for one in findings for column in one.columns if column.drifted and column.matters]
        return sorted({column.column.partition(".")[2] for column in columns})

    def _champion(self) -> int:
        champion = self.platform.rollouts.champion(MODEL)
        if champion is None:
            raise LoopwrightError(f"{MODEL} has no champion")
        return champion.number


def replay(source: Path | None, months: int, console: Console) -> list[Month]:
    """Play so many months in a project of its own, telling each. Raises `LoopwrightError`."""
    (path,) = runpy.run_path(str(HERE.parent / "get_data.py"))["get"]("bike_demand", HERE / "data", source)
    hours = pl.read_csv(path, try_parse_dates=True)
    with tempfile.TemporaryDirectory(prefix="bike-replay-") as name:
        folder = Path(name)
        _write_project(folder, hours)
        platform = open_platform(folder, overrides=free_ports() | QUICK_SETTINGS)
        with LivePlatform(platform) as live, Traffic(platform.inference_url, MODEL) as traffic:
            console.print(f"The platform is up at {live.control_url}; it learns from 2011.")
            played = Replay(live, hours, traffic)
            played.begin()
            told = []
            for number in range(1, months + 1):
                told.append(played.month(number))
                console.print(_line(told[-1]))
            return told


def _write_project(folder: Path, hours: pl.DataFrame) -> None:
    text = (HERE / "demand.py").read_text(encoding="utf-8")
    for patient, quick in PACE.items():
        if patient not in text:
            raise LoopwrightError(f"demand.py does not say {patient}", remedy="mend PACE in replay.py")
        text = text.replace(patient, quick)
    (folder / "demand.py").write_text(text, encoding="utf-8")
    (folder / "loopwright.toml").write_text('models = ["demand.py"]\n', encoding="utf-8")
    (folder / "data").mkdir()
    hours.filter(pl.col("dteday").dt.year() == 2011).write_csv(folder / "data" / "2011.csv")


def _rmse(said: np.ndarray, true: np.ndarray) -> float:
    return float(np.sqrt(np.mean((said - true) ** 2)))


def _line(month: Month) -> str:
    drift = f"drift in {', '.join(month.drift)}" if month.drift else "no drift"
    came = f"version {month.promoted} goes live" if month.promoted else f"version {month.version} stays"
    return f"{month.name}: {drift}; retrain asked for by {month.trigger}: {month.run}; {came}"


def _table(months: list[Month]) -> Table:
    heads = ("month", "live", "its error", "version 1's", "drifted", "then", "requests", "failed")
    drawn = Table(*heads, box=None, header_style="bold")
    for one in months:
        then = f"v{one.promoted} live" if one.promoted else one.run.partition(":")[0]
        cells = (f"v{one.version}", f"{one.renewed:.1f}", f"{one.first:.1f}", f"{len(one.drift)} columns", then)
        drawn.add_row(one.name, *cells, str(one.sent), str(one.failed))
    return drawn


def main() -> int:
    """0 where no request failed and the model was renewed, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, metavar="DIR", help="a folder of data sets, for no network")
    parser.add_argument("--months", type=int, default=12, choices=range(1, 13), metavar="N", help="1 to 12; default 12")
    parser.add_argument("--report", type=Path, default=HERE / "report", metavar="DIR", help="where the report goes")
    given = parser.parse_args()
    console, began = Console(highlight=False), time.monotonic()
    try:
        months = replay(given.source, given.months, console)
    except LoopwrightError as error:
        sys.exit(f"{error}\n  {error.remedy}")
    console.print(_table(months))
    path = write_report(months, given.report)
    console.print(f"{time.monotonic() - began:.0f} seconds in all; the report is {path}")
    renewed = any(one.promoted for one in months)
    return 0 if renewed and not any(one.failed for one in months) else 1


if __name__ == "__main__":
    sys.exit(main())
