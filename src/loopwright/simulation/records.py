"""The simulation's records: what a scenario puts the loop through, and what is reported of how it did.

Days are counted from the simulation's first, 0, and may be fractions; lengths of time are in days where no unit stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from loopwright.policies.tasks import TaskName

RowsFrom = Literal["auto", "replay", "resampled", "synthetic"]
"""Where rows come from. `replay`: the project's own, in their order; `resampled`: its own, drawn anew each day;
`synthetic`: a world of our own, under the project's policies. `auto`: replay where the rows have an order, else
resampled; and synthetic where these leave no first version to begin with.
"""

DriftKind = Literal["covariate", "concept"]
OutageOf = Literal["labels", "source", "serving"]
BadRows = Literal["nulls", "units", "swapped"]
BadTrainingKind = Literal["labels", "refit", "errors", "slow"]
MarkKind = Literal["world", "alert", "run", "refused", "failed", "promoted", "aborted", "rolled back"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrivals:
    """Predictions `per_day` (None: one for each row that comes, else 500), in waves: `daily` is how far the hourly rate
    swings about its mean, `weekly` by what share a weekend's falls short of a working day's.
    """

    per_day: int | None = None
    daily: float = 0.5
    weekly: float = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """What comes true is known `delay` days later, of at most `per_day` rows a day.

    `noise` is what is wrong with it: a share of the classes, or so many of the target's standard deviations. The source
    holds rows for `kept` days (None: for good), and the history with which it begins as long.
    """

    delay: float = 1.0
    per_day: int = 250
    noise: float = 0.0
    kept: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """The world changes from day `at` on, in steps of a day over `over` days (0: at once).

    `covariate`: rows with much of `column` come more often, by `by` of its standard deviations, and what follows from
    them stays as it is. `concept`: the same rows come to something else. A number falls by `by` of the target's
    standard deviations for each of the column's; a share `by` of classes changes where the column is above its mean.
    With `lasts` it goes back after so many days; with `every` it comes again after so many. `column` defaults to
    the one that goes most with the target.
    """

    kind: DriftKind
    at: float
    over: float = 0.0
    by: float = 1.0
    column: str = ""
    lasts: float | None = None
    every: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """Nothing of it from day `at` for `lasts` days. Labels and rows come when it is over; requests are lost."""

    of: OutageOf
    at: float
    lasts: float


@dataclass(frozen=True, kw_only=True, slots=True)
class BadBatch:
    """A share of the rows of `lasts` days is spoilt: `column` is null, in other units (× `factor`), or swapped with
    `other`. `where` they are so: as requests, or in the source, from which the loop learns.
    """

    kind: BadRows
    at: float
    lasts: float = 1.0
    share: float = 1.0
    column: str = ""
    other: str = ""
    factor: float = 1000.0
    where: Literal["requests", "source", "both"] = "both"


@dataclass(frozen=True, kw_only=True, slots=True)
class BadTraining:
    """Training is broken from day `at` for `lasts` days (None: for good).

    `labels`: it learns from shuffled ones. `refit`: only the last fit, on all rows, does, which the gate does not see.
    `errors`, `slow`: what it makes fails a tenth of its requests, or takes ten times as long.
    """

    kind: BadTrainingKind
    at: float
    lasts: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """What happens to the loop. `history` rows are known at the start, where rows are drawn."""

    name: str = ""
    summary: str = ""
    history: int = 4000
    arrivals: Arrivals = Arrivals()
    labels: Labels = Labels()
    drift: tuple[Drift, ...] = ()
    outage: tuple[Outage, ...] = ()
    bad_batch: tuple[BadBatch, ...] = ()
    bad_training: tuple[BadTraining, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """A day's errors, in the model's metric, on rows for which the truth is known to us, if not to the loop.

    Each is None on a day without such rows, or where the metric has no meaning on them.
    """

    day: int
    version: int
    requests: int
    failed: int
    loop: float | None
    oracle: float | None
    never: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """Something that happened, on day `day`; `good` says whether it helped, where we can know."""

    day: float
    kind: MarkKind
    text: str
    good: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A change of the world and how the loop met it. `detected` and `recovered` are days after it began; None: never.

    `harm` says whether the loop's error ever rose above the bound of `verdict.recovery`; with none there is nothing to
    recover from, and `recovered` is 0.
    """

    day: float
    text: str
    detected: float | None
    harm: bool
    recovered: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A challenger that was let in or kept out, and its error beside the champion's on what is true that day.

    `wrong` where it was let in and is worse than the champion by more than the gate's margin, or kept out and better by
    more than that.
    """

    day: float
    version: int | None
    promoted: bool
    challenger: float
    champion: float
    wrong: bool


NEXT_TO_NOTHING = 0.01
"""A share of an error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Errors:
    """The error over all days: the loop's, of what is trained perfectly, and of the first version kept for ever."""

    loop: float
    oracle: float
    never: float

    @property
    def regained(self) -> float | None:
        """The share of what perfect retraining gains over none that the loop gains; None where that is next to nothing,
        of which any share would be chance.
        """
        gain = self.never - self.oracle
        return (self.never - self.loop) / gain if gain > NEXT_TO_NOTHING * self.never else None


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationReport:
    """How the loop did. `metric` is the model's; where more of it is better, errors are 1 − metric.

    `runs` and `requests` count the retrains by status; `refusals` the governor's refusals by their reason.
    `quiet_days` are those on which an alarm would be a false one, `seconds` what the simulation itself took. `note`
    says what was not done as it was asked for.
    """

    model: str
    scenario: str
    rows: RowsFrom
    seed: int
    start: datetime
    task: TaskName
    metric: str
    predictions: int
    failed: int
    errors: Errors
    days: tuple[Day, ...]
    changes: tuple[Change, ...]
    judged: tuple[Judged, ...]
    marks: tuple[Mark, ...]
    alarms: int
    false_alarms: int
    quiet_days: float
    runs: dict[str, int] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()
    training_seconds: float = 0.0
    seconds: float = 0.0
    note: str = ""

    @property
    def wrong_promotions(self) -> int:
        return sum(one.promoted and one.wrong for one in self.judged)

    @property
    def missed_promotions(self) -> int:
        return sum(not one.promoted and one.wrong for one in self.judged)

    @property
    def promotions(self) -> int:
        return sum(one.promoted for one in self.judged)

    @property
    def false_alarms_per_month(self) -> float:
        """False alarms in 30 quiet days; 0 where no day was quiet."""
        return 30 * self.false_alarms / self.quiet_days if self.quiet_days else 0.0

    @property
    def detection_days(self) -> float | None:
        """The longest that a change went unseen; None where one was never seen, 0 where there was none."""
        found = [one.detected for one in self.changes]
        return None if None in found else max((one for one in found if one is not None), default=0.0)

    @property
    def recovery_days(self) -> float | None:
        """The longest that the loop took to recover from a change; None where it never did, 0 where none harmed."""
        found = [one.recovered for one in self.changes]
        return None if None in found else max((one for one in found if one is not None), default=0.0)
