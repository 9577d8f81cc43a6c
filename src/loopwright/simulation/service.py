"""The simulation: the real loop, hour by hour, on a clock that moves only when it is told to."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bootstrap.worker import Worker
from loopwright.core.clock import parse_duration
from loopwright.errors import DataError, DeclarationError, LoopwrightError, NotFoundError, RequestError
from loopwright.monitoring.records import Finding
from loopwright.runs.records import Run
from loopwright.simulation.effects import mislabelled
from loopwright.simulation.records import (
    BadTrainingKind,
    Day,
    Errors,
    Judged,
    Mark,
    MarkKind,
    OutageOf,
    RowsFrom,
    Scenario,
    SimulationReport,
)
from loopwright.simulation.referee import Referee
from loopwright.simulation.scenarios import check_scenario, find_scenario
from loopwright.simulation.setting import Setting, empty_folder, make_setting
from loopwright.simulation.traffic import Traffic, spread
from loopwright.simulation.verdict import changes, disturbed, false_alarms, meet, quiet_days
from loopwright.simulation.world import LEAST_HISTORY, DayRows
from loopwright.traffic.outcomes import Outcome, encode_outcomes, outcomes_key

RUN_SECONDS = 600.0
"""How long a run takes, on the clock of the simulation."""

STEP_HOURS = 6
"""How often the platform beats, in hours, while no rollout is under way; then it does every hour. Looking is what takes
a simulation most of its time, and seconds, as in real life, would make days of months."""

LONGEST = 3_650
"""How many days may be asked for: ten years, which take some minutes."""

Progress = Callable[[str, float], None]


def simulate(
    project: Path | str | None = None,
    scenario: Scenario | str = "quiet",
    *,
    model: str | None = None,
    rows: RowsFrom = "auto",
    days: int = 90,
    predictions_per_day: int | None = None,
    seed: int = 0,
    keep: Path | None = None,
    progress: Progress = lambda text, done: None,
) -> SimulationReport:
    """Run the loop of the project in a folder through a scenario: one of ours by its name, a file, or a `Scenario`.

    Without a project the loop has a model and a world of our own. All happens in a temporary folder, or in `keep`,
    which stays: `loopwright status --project` opens it. With `rows` "auto", a project whose own rows leave no first
    version to begin with is given synthetic ones, and the report's `note` says why. Raises `RequestError`,
    `NotFoundError`, `DeclarationError`, `SourceError`, `DataError`, `ConflictError` where `keep` is not empty,
    `StorageError` where it cannot be made, and `LoopwrightError` where there is no first version.
    """
    began = time.perf_counter()
    if not 1 <= days <= LONGEST:
        raise RequestError(f"a simulation of {days:,} days", remedy=f"ask for 1 to {LONGEST:,}")
    if seed < 0:
        raise RequestError(f"the seed is {seed}", remedy="write 0 or more")
    if model is not None and project is None:
        raise RequestError(f"{model} is a model of no project", remedy="name the project's folder, or no model")
    chosen = check_scenario(scenario) if isinstance(scenario, Scenario) else find_scenario(scenario)
    if predictions_per_day is not None:
        chosen = check_scenario(replace(chosen, arrivals=replace(chosen.arrivals, per_day=predictions_per_day)))
    with ExitStack() as stack:
        if keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loopwright-simulation-")))
        else:
            folder = empty_folder(keep)
        theirs = None if project is None else Path(project)
        if theirs is not None and not theirs.is_dir():
            raise NotFoundError(f"there is no folder {theirs}", remedy="name a project's folder, or none")

        def played(rows: RowsFrom) -> SimulationReport:
            setting = make_setting(theirs, model, rows, chosen, days, seed, folder, keep is not None)
            with closing(setting.lab):
                return _Simulation(setting, chosen, seed, progress).run()

        try:
            report = played(rows)
        except NoFirstVersionError as error:
            if project is None or rows != "auto":
                raise
            _clear(folder)
            why = f"your own rows leave no first version to begin with ({error}), so rows of our own stand for them"
            try:
                report = replace(played("synthetic"), note=f"{why}: your policies hold, your model is not asked")
            except DeclarationError:  # the scenario speaks of the project's own columns
                raise error from None
    if len(report.days) < days:
        kept = f"the first {LEAST_HISTORY:.0%} of them are what the loop begins with"
        report = replace(report, note=f"your own rows last for {len(report.days)} of {days} days: {kept}")
    return replace(report, seconds=time.perf_counter() - began)


class NoFirstVersionError(LoopwrightError):
    """The gate refused the first version: the loop has nothing to begin with."""


def _clear(folder: Path) -> None:
    """Removes what a simulation wrote that could not begin."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


class _Simulation:
    """One simulation under way."""

    def __init__(self, setting: Setting, scenario: Scenario, seed: int, progress: Progress) -> None:
        self.lab, self.world, self.rows = setting.lab, setting.world, setting.rows
        self.scenario, self.seed, self.progress = scenario, seed, progress
        self.declared = self.lab.model.declaration
        self.source = self.lab.root / "simulated"
        self.lab.broken = self._broken
        self.marks: list[Mark] = []
        self.judged: list[Judged] = []
        self.days: list[Day] = []
        self.predictions = self.failed = 0
        self._coming: list[_Labels] = []
        self._told: set[str] = set()
        self._troubles: dict[str, None] = {}
        self._parts: dict[str, list[NDArray[np.float64]]] = {"truth": [], "loop": [], "oracle": [], "never": []}

    def run(self) -> SimulationReport:
        self._begin()
        for day in range(self.world.days):
            self.progress(f"day {day + 1} of {self.world.days}", day / self.world.days)
            self._live(day)
        self.progress("done", 1.0)
        return self._report()

    def _begin(self) -> None:
        """The first version, of the history alone."""
        self.source.mkdir()
        self.world.history().write_parquet(self.source / "00000-history.parquet")
        self.worker = Worker(self.lab)
        self.lab.journal.submit(self.lab.model.name, cause="the simulation begins", actor="simulation")
        run = self.worker.work()
        self._approve()
        champion = self.lab.rollouts.champion(self.lab.model.name)
        if run is None or champion is None:
            said = f"{run.status}: {run.summary}" if run else "not begun"
            more = {
                "replay": "ask for fewer days, which leaves it more, or for `--rows synthetic`",
                "resampled": "ask for `--rows synthetic`, or give the scenario a longer `history`",
            }
            kind = NoFirstVersionError if run is not None and run.status == "refused" else LoopwrightError
            raise kind(
                f"{self.lab.model.name} has no first version: its run is {said}",
                remedy="it must pass its own gate on the rows it begins with: "
                + more.get(self.rows, "give the scenario a longer `history`"),
            )
        self._told |= {run.id, *(one.id for one in self.lab.rollouts.rollouts(model=self.lab.model.name))}
        self.referee = Referee(self.lab, self.world, champion.folder)
        self.champion = champion.number
        self.traffic = Traffic(
            self.lab.model.name,
            self.lab.storage,
            self.lab.home / "served",
            self.lab.load,
            ailment=self._ailment,
            seed=self.seed,
        )
        self._until(self.world.start)
        self.rolling, self.step = False, self._hours()

    def _live(self, day: int) -> None:
        """One day: asked, answered, watched, learned from, in steps of hours; then looked back on."""
        made = self.world.day(day)
        asked = self.world.spoilt(made.rows, day, "requests")
        ids = [f"{day:05d}-{one}" for one in range(made.rows.height)]
        scores, failed, hour = [], 0, 0
        while hour < 24:
            until = hour + (1 if self.rolling else self.step)
            first, last = np.searchsorted(made.seconds, [3600 * hour, 3600 * until]).tolist()
            if last > first:
                answered = self.traffic.serve(
                    asked[first:last],
                    ids[first:last],
                    spread(self.world.moment(day), made.seconds[first:last]),
                    task=self.referee.task,
                    classes=self.referee.classes,
                    away=self._away("serving", day + made.seconds[first:last] / 86400),
                )
                scores.append(answered.scores)
                failed += answered.failed
            hour = min(until, 24)
            self._beat(day + hour / 24)
        self.traffic.capture()
        self.predictions, self.failed = self.predictions + len(ids), self.failed + failed
        self._remember(day, made, ids)
        self._look_back(day, made, asked, np.concatenate(scores) if scores else np.zeros(0), failed)

    def _beat(self, day: float) -> None:
        """What the platform does at the end of an hour."""
        self._until(self.world.moment(day))
        self.traffic.close(self.lab.clock.now())
        self._arrive(day)
        beat = self.worker.tick()
        self._troubles |= dict.fromkeys(beat.troubles)
        while (run := self.worker.work()) is not None:
            self.lab.clock.sleep(RUN_SECONDS)
            self._tell_run(run)
            beat.done += self.worker.tick().done or ["a run"]
        self._approve()
        if beat.done or self.rolling:
            self._tell_rollouts()
        self._tell_champion()
        self.rolling = self.lab.rollouts.active(self.lab.model.name) is not None

    def _approve(self) -> None:
        """The person whom a gate may ask says yes, at once."""
        waiting = self.lab.rollouts.active(self.lab.model.name)
        if waiting is not None and waiting.status == "awaiting_approval":
            self.lab.rollouts.approve(waiting.id, actor="simulation")

    def _hours(self) -> int:
        """How often the platform looks: a window of drift is judged soon after it closed, however short it is."""
        window = parse_duration(self.declared.drift.window) / timedelta(hours=1)
        return max(1, min(STEP_HOURS, int(window)))

    # What the world does

    def _until(self, moment: datetime) -> None:
        self.lab.clock.sleep(max(0.0, (moment - self.lab.clock.now()).total_seconds()))

    def _remember(self, day: int, made: DayRows, ids: Sequence[str]) -> None:
        """What will be known of the day, when its labels come."""
        random = np.random.default_rng((self.seed, 9, day))
        labels, target = self.scenario.labels, self.declared.target
        known = mislabelled(made.rows.filter(made.labelled), target, self.referee.task.name, labels.noise, random)
        named = [ids[place] for place in np.flatnonzero(made.labelled).tolist()]
        due = day + 1 + labels.delay
        self._coming.append(_Labels(day=day, due=due, rows=known, ids=named))

    def _arrive(self, day: float) -> None:
        """Rows and outcomes whose time has come, unless they are held up."""
        self._take_away(self._is_away("source", day))
        if self._is_away("labels", day) or self._is_away("source", day):
            return
        self._forget(day)
        due = [one for one in self._coming if one.due <= day]
        self._coming = [one for one in self._coming if one.due > day]
        for one in due:
            if one.rows.height:
                self.world.spoilt(one.rows, one.day, "source").write_parquet(self.source / f"day-{one.day:05d}.parquet")
                self._tell_outcomes(one)

    def _forget(self, day: float) -> None:
        """Rows that the source no longer holds are gone from it, but for the newest."""
        kept = self.scenario.labels.kept
        if kept is None:
            return
        *older, _ = sorted(self.source.iterdir())
        for path in older:
            began = 0 if "history" in path.name else int(path.stem.removeprefix("day-"))
            if began + kept < day:
                path.unlink()

    def _tell_outcomes(self, one: _Labels) -> None:
        name, now = self.lab.model.name, self.lab.clock.now()
        values = one.rows[self.declared.target].to_list()
        told = encode_outcomes(
            Outcome(endpoint=name, value=value, at=now, prediction_id=id_)
            for id_, value in zip(one.ids, values, strict=True)
        )
        self.lab.storage.put(outcomes_key(name, now, told), told)

    def _take_away(self, away: bool) -> None:
        elsewhere = self.source.with_name("away")
        if away and self.source.exists():
            self.source.rename(elsewhere)
        elif not away and elsewhere.exists():
            elsewhere.rename(self.source)

    def _is_away(self, what: OutageOf, day: float) -> bool:
        return bool(self._away(what, np.array([day]))[0])

    def _away(self, what: OutageOf, days: NDArray[np.float64]) -> NDArray[np.bool_]:
        away = np.zeros(len(days), dtype=np.bool_)
        for one in self.scenario.outage:
            if one.of == what:
                away |= (days >= one.at) & (days < one.at + one.lasts)
        return away

    def _broken(self) -> Literal["labels", "refit"] | None:
        kinds = self._bad_training((self.lab.clock.now() - self.world.start) / timedelta(days=1))
        return "labels" if "labels" in kinds else "refit" if "refit" in kinds else None

    def _ailment(self, version: int) -> str | None:
        made = self.lab.registry.get(self.lab.model.name, version).created
        kinds = self._bad_training((made - self.world.start) / timedelta(days=1))
        return next((one for one in kinds if one in ("errors", "slow")), None)

    def _bad_training(self, day: float) -> list[BadTrainingKind]:
        bad = self.scenario.bad_training
        return [one.kind for one in bad if one.at <= day and (one.lasts is None or day < one.at + one.lasts)]

    # What the loop did

    def _tell_run(self, run: Run) -> None:
        kinds: dict[str, MarkKind] = {"succeeded": "run", "refused": "refused"}
        good = None
        if run.status == "refused":
            made = next((one.result for one in self.lab.journal.stages(run.id) if one.name == "candidate"), None)
            judged = self._judge(made["folder"], None, promoted=False) if made else None
            good = None if judged is None else not judged.wrong
        text = f"{run.cause}: {run.summary}" if run.summary else run.cause
        self._mark(kinds.get(run.status, "failed"), text, good)

    def _tell_rollouts(self) -> None:
        for rollout in self.lab.rollouts.rollouts(model=self.lab.model.name, statuses=("aborted",), limit=5):
            if rollout.id not in self._told:
                self._told.add(rollout.id)
                judged = self._judge(self._folder(rollout.version), rollout.version, promoted=False)
                why = "; ".join(reason.text for reason in rollout.reasons if reason.finding == "fail")
                self._mark("aborted", f"version {rollout.version}: {why}", None if judged is None else not judged.wrong)

    def _tell_champion(self) -> None:
        """A champion that is another one than an hour ago was promoted, or came back."""
        champion = self.lab.rollouts.aliases(self.lab.model.name).get("champion", self.champion)
        if champion > self.champion:
            judged = self._judge(self._folder(champion), champion, promoted=True)
            good = None if judged is None else not judged.wrong
            self._mark("promoted", f"version {champion} takes the place of version {self.champion}", good)
        elif champion < self.champion:
            self._mark("rolled back", f"version {champion} comes back for version {self.champion}")
        self.champion = champion

    def _judge(self, challenger: str, version: int | None, *, promoted: bool) -> Judged | None:
        judged = self.referee.judge(
            self._day, challenger, self._folder(self.champion), version=version, promoted=promoted
        )
        self.judged += [judged] if judged else []
        return judged

    def _folder(self, version: int) -> str:
        return self.lab.registry.get(self.lab.model.name, version).folder

    def _mark(self, kind: MarkKind, text: str, good: bool | None = None) -> None:
        self.marks.append(Mark(day=self._day, kind=kind, text=text, good=good))

    @property
    def _day(self) -> float:
        return (self.lab.clock.now() - self.world.start) / timedelta(days=1)

    # Looking back

    def _look_back(
        self, day: int, made: DayRows, asked: pl.DataFrame, scores: NDArray[np.float64], failed: int
    ) -> None:
        """The day's errors: of what was answered, and of what the oracle and the first version would have said."""
        chosen = made.measured.copy()
        chosen &= ~np.isnan(scores if scores.ndim == 1 else scores[:, 0])
        rows = asked.filter(chosen)
        found: dict[str, float | None] = {"loop": None, "oracle": None, "never": None}
        if rows.height:
            truth = self.referee.truth(made.rows.filter(chosen))
            said = {
                "loop": scores[chosen],
                "oracle": self.referee.scores(self.referee.oracle(day), rows),
                "never": self.referee.scores(self.referee.first, rows),
            }
            found = {name: self.referee.error(truth, one) for name, one in said.items()}
            for name, one in {"truth": truth, **said}.items():
                self._parts[name].append(one)
        self.days.append(Day(day=day, version=self.champion, requests=made.rows.height, failed=failed, **found))

    def _report(self) -> SimulationReport:
        name, days, platform = self.lab.model.name, self.world.days, self.lab
        findings = [one for one in platform.monitors.findings(name, limit=_ALL) if not one.passed]
        alerts = [one for one in platform.monitors.alerts(name, limit=_ALL) if one.rule not in _OF_THE_LOOP]
        opened = sorted((one.opened - self.world.start) / timedelta(days=1) for one in alerts)
        for one, day in zip(sorted(alerts, key=lambda one: one.opened), opened, strict=True):
            self.marks.append(Mark(day=day, kind="alert", text=f"{one.title}: {one.text}"))
        happened = changes(self.scenario, days)
        self.marks += [Mark(day=one[0], kind="world", text=one[2]) for one in happened]
        met = meet(happened, self.days, sorted(self._noticed(one) for one in findings if one.kind in _OF_THE_WORLD))
        spans = disturbed(self.scenario, met, days)
        requests = platform.retraining.requests(name, limit=_ALL)
        runs = [run for run in platform.journal.runs(model=name, limit=_ALL) if run.actor != "simulation"]
        refused = [one.decision for one in requests if one.status == "refused" and one.decision]
        return SimulationReport(
            model=name,
            scenario=self.scenario.name or "a scenario of yours",
            rows=self.rows,
            seed=self.seed,
            start=self.world.start,
            task=self.referee.task.name,
            metric=self.referee.metric,
            predictions=self.predictions,
            failed=self.failed,
            errors=self._errors(),
            days=tuple(self.days),
            changes=met,
            judged=tuple(self.judged),
            marks=tuple(sorted(self.marks, key=lambda one: one.day)),
            alarms=len(alerts),
            false_alarms=false_alarms(opened, spans),
            quiet_days=quiet_days(spans, days),
            runs=dict(Counter(run.status for run in runs)),
            requests=dict(Counter(one.status for one in requests)),
            refusals=dict(Counter(reason.rule for one in refused for reason in one.failures)),
            troubles=tuple(self._troubles),
            training_seconds=self.lab.training_seconds,
        )

    def _errors(self) -> Errors:
        """Over all days at once: a mean of the days' would weigh days, not predictions."""
        whole = {name: np.concatenate(parts) for name, parts in self._parts.items() if parts}
        found = {}
        for name in ("loop", "oracle", "never"):
            value = self.referee.error(whole["truth"], whole[name]) if whole else None
            if value is None:
                raise DataError(
                    f"the error of {self.lab.model.name} has no meaning on these days", remedy="ask for more"
                )
            found[name] = value
        return Errors(**found)

    def _noticed(self, finding: Finding) -> float:
        return (finding.at - self.world.start) / timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class _Labels:
    """What will be known of day `day` when day `due` comes: rows with what they are said to have come to."""

    day: int
    due: float
    rows: pl.DataFrame
    ids: list[str]


_ALL = 1_000_000
_OF_THE_LOOP = ("run", "rollout", "approval")
"""The rules of alerts that say nothing of the world."""

_OF_THE_WORLD = ("drift", "quality", "performance")
"""The kinds of findings that say that the world is not as it was."""
