"""The world that a model is asked about: which rows come on a day, what comes true of them, and how that changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.declare import Declaration
from loopwright.errors import DataError
from loopwright.policies.tasks import TaskName
from loopwright.simulation.effects import Concept, Covariate, check_columns, spoil, strength
from loopwright.simulation.records import Drift, Scenario

MEASURED = 2000
"""At most so many rows a day tell how large the error is: enough for it to be known within a few percent."""

SPAN_DAYS = 60
"""The days before the first, over which a history that is drawn is spread."""

LEAST_HISTORY = 0.25
"""The share of ordered rows that stay history, however many days are asked for."""


@dataclass(frozen=True, kw_only=True)
class DayRows:
    """A day's rows with what comes true of them. `labelled` marks those whose truth the loop comes to know; `measured`
    those that tell the error, which it may know of later but has not learned from; `seconds` is when each is asked.
    """

    rows: pl.DataFrame
    labelled: NDArray[np.bool_]
    measured: NDArray[np.bool_]
    seconds: NDArray[np.float64]


class World:
    """Rows of a frame on the days of a scenario; the same for the same seed. `mode` is how they are taken."""

    def __init__(
        self,
        declaration: Declaration,
        task: TaskName,
        scenario: Scenario,
        frame: pl.DataFrame,
        *,
        mode: Literal["replay", "resampled"],
        days: int,
        seed: int,
    ) -> None:
        self.declaration, self.scenario, self.seed, self.mode = declaration, scenario, seed, mode
        kept = frame.filter(pl.col(declaration.target).is_not_null())
        if kept.height < 200:
            raise DataError(
                f"{declaration.name} has {kept.height} labelled rows", remedy="a simulation needs at least 200"
            )
        check_columns(scenario, declaration, kept)
        self._effects = [_effect(drift, declaration, task, kept) for drift in scenario.drift]
        self._random = np.random.default_rng((seed, 1))
        self._places = _places(declaration, kept) if mode == "replay" else None
        if self._places is not None:
            total = int(self._places[-1]) + 1
            self.days = max(1, min(days, int(total * (1 - LEAST_HISTORY))))
            self._first = total - self.days
            kept = kept.with_columns(pl.Series(_PLACE, self._places))
            self.start = _start(declaration, kept, self._first)
        else:
            self.days, self._first, self.start = days, 0, datetime(2026, 1, 5, tzinfo=UTC)
        self._frame = kept
        # A row that the loop learned from must not tell its error: where rows are drawn again and again, some are never
        # labelled, and only these are measured.
        shuffled = self._random.permutation(kept.height)
        self._learnable, self._kept_back = np.split(shuffled, [int(0.67 * kept.height)])

    def history(self) -> pl.DataFrame:
        """What is known when the simulation begins."""
        if self._places is not None:
            return self._frame.filter(pl.col(_PLACE) < self._first).drop(_PLACE)
        rows = self._frame[self._in_turn(0, self.scenario.history)]
        random = np.random.default_rng((self.seed, 7))
        return self._stamped(rows, np.sort(random.uniform(-SPAN_DAYS, 0, rows.height)), first=1 << 48)

    def day(self, day: int) -> DayRows:
        """What is asked on day `day`, in the order of time."""
        random = np.random.default_rng((self.seed, 2, day))
        rows, labelled, measured = self._replayed(day, random) if self._places is not None else self._drawn(day, random)
        seconds = np.sort(self._moments(day, rows.height, random))
        order = random.permutation(rows.height) if self._places is None else np.arange(rows.height)
        rows = self._changed(rows[order], day, random)
        if self._places is None:
            rows = self._stamped(rows, day + seconds / 86400, first=day << 32)
        return DayRows(rows=rows, labelled=labelled[order], measured=measured[order], seconds=seconds)

    def sample(self, day: float, count: int, *, days: float = 1) -> pl.DataFrame:
        """Rows as they are on day `day`, for who may know: never among those that are measured.

        Where rows are drawn, `count` of them, as of the `days` before. Else all that have come before that day, with
        what is true by then: what a perfect loop would learn from.
        """
        if self._places is not None:
            known = self._frame.filter(pl.col(_PLACE) < self._first + math.floor(day))
            random = np.random.default_rng((self.seed, 3, int(day)))
            return self._changed(known.drop(_PLACE), day, random)
        random = np.random.default_rng((self.seed, 3, int(day * 24), int(days)))
        count = min(count, len(self._learnable))
        rows = self._frame[self._choose(self._learnable, count, day, random, repeat=False)]
        rows = self._changed(rows, day, random)
        moments = np.sort(random.uniform(day - days, day, count))
        return self._stamped(rows, moments, first=(1 << 48) + (int(day) << 32))

    def ahead(self, day: int, count: int) -> pl.DataFrame:
        """Rows by which a referee can tell which of two models is better now: nobody has learned from them.

        Where rows are drawn, as they are on day `day`; else those of the week that comes.
        """
        random = np.random.default_rng((self.seed, 4, day))
        if self._places is not None:
            place = pl.col(_PLACE) - self._first - day
            coming = self._frame.filter(place.is_between(0, 6)).drop(_PLACE)
            return self._changed(coming, day, random)
        rows = self._changed(self._frame[self._choose(self._kept_back, count, day, random)], day, random)
        return self._stamped(rows, np.full(count, float(day)), first=1 << 56)

    def state(self, day: float) -> tuple[float, ...]:
        """How strong each drift is on that day: equal states are equal worlds."""
        return tuple(strength(drift, day) for drift in self.scenario.drift)

    def spoilt(self, rows: pl.DataFrame, day: int, where: Literal["requests", "source"]) -> pl.DataFrame:
        """The rows as they come, where the day's batch is a bad one."""
        return spoil(rows, self.declaration, self.scenario.bad_batch, day, where, (self.seed, 5, day))

    def moment(self, day: float) -> datetime:
        return self.start + timedelta(days=day)

    def _replayed(
        self, day: int, random: np.random.Generator
    ) -> tuple[pl.DataFrame, NDArray[np.bool_], NDArray[np.bool_]]:
        """The day's own rows, all labelled and measured; then some of them again, up to the number of predictions."""
        own = self._frame.filter(pl.col(_PLACE) == self._first + day).drop(_PLACE)
        weights = self._weights(own, day)
        if weights is not None and own.height:
            own = own[np.sort(random.choice(own.height, own.height, p=weights))]
        wanted = self.scenario.arrivals.per_day
        more = max(0, self._wave(day, wanted) - own.height) if wanted is not None and own.height else 0
        again = np.sort(np.concatenate([np.arange(own.height), random.integers(0, max(1, own.height), more)]))
        first = np.diff(again, prepend=-1) > 0
        return own[again], first, first

    def _drawn(
        self, day: int, random: np.random.Generator
    ) -> tuple[pl.DataFrame, NDArray[np.bool_], NDArray[np.bool_]]:
        """Rows that may be labelled, then others: a third of all that are asked, if so many labels are not wanted."""
        count = self._wave(day, self.scenario.arrivals.per_day or 500)
        learnable = min(self.scenario.labels.per_day, count - count // 3)
        chosen = np.concatenate(
            [
                self._to_learn(learnable, day, random),
                self._choose(self._kept_back, count - learnable, day, random),
            ]
        )
        place = np.arange(count)
        return self._frame[chosen], place < learnable, (place >= learnable) & (place < learnable + MEASURED)

    def _to_learn(self, count: int, day: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Rows for the loop to learn from, none of them twice as long as there are others: a row that a model is
        validated on must not be one that it was fitted on.
        """
        if self._weights(self._frame, day) is not None:
            return self._choose(self._learnable, count, day, random)
        return self._in_turn(self.scenario.history + day * self.scenario.labels.per_day, count)

    def _in_turn(self, first: int, count: int) -> NDArray[np.int64]:
        return self._learnable[(first + np.arange(count)) % len(self._learnable)]

    def _choose(
        self, pool: NDArray[np.int64], count: int, day: float, random: np.random.Generator, *, repeat: bool = True
    ) -> NDArray[np.int64]:
        weights = self._weights(self._frame, day)
        shares = None if weights is None else weights[pool] / weights[pool].sum()
        return random.choice(pool, count, replace=repeat, p=shares)

    def _weights(self, rows: pl.DataFrame, day: float) -> NDArray[np.float64] | None:
        tilts = [(one, s) for one, s in zip(self._effects, self.state(day), strict=True) if isinstance(one, Covariate)]
        if not any(strong for _, strong in tilts):
            return None
        return np.exp(sum(one.tilt(rows) * strong for one, strong in tilts)).clip(1e-9, 1e9)

    def _changed(self, rows: pl.DataFrame, day: float, random: np.random.Generator) -> pl.DataFrame:
        for effect, strong in zip(self._effects, self.state(day), strict=True):
            if isinstance(effect, Concept) and strong:
                rows = effect.apply(rows, strong, random)
        return rows

    def _wave(self, day: int, mean: int) -> int:
        weekend = self.moment(day).weekday() >= 5
        weekly = self.scenario.arrivals.weekly
        return max(1, round(mean * (1 - weekly if weekend else 1) / (1 - weekly * 2 / 7)))

    def _moments(self, day: int, count: int, random: np.random.Generator) -> NDArray[np.float64]:
        hours = 1 + self.scenario.arrivals.daily * np.cos(2 * np.pi * (np.arange(24) - 14) / 24)
        return 3600.0 * (random.choice(24, count, p=hours / hours.sum()) + random.random(count))

    def _stamped(self, rows: pl.DataFrame, days: NDArray[np.float64], *, first: int) -> pl.DataFrame:
        """The rows with their own times and keys: rows that are drawn repeat, and these must not."""
        time, key = self.declaration.time, self.declaration.key
        if time is not None:
            moments = pl.Series(time, [self.moment(day).replace(tzinfo=None) for day in days.tolist()])
            rows = rows.with_columns(_as_kind(moments, rows.schema[time]))
        if key is not None:
            numbers = pl.Series(key, np.arange(first, first + rows.height))
            text = rows.schema[key] == pl.String
            rows = rows.with_columns(numbers.cast(pl.String) if text else numbers)
        return rows


_PLACE = "__day"


def _effect(drift: Drift, declaration: Declaration, task: TaskName, rows: pl.DataFrame) -> Covariate | Concept:
    made = Covariate if drift.kind == "covariate" else Concept
    return made.of(drift, declaration, task, rows)


def _places(declaration: Declaration, rows: pl.DataFrame) -> NDArray[np.int64]:
    """The day that each row lies on, from 0; rows without a time come a hundred a day."""
    if declaration.time is None:
        return np.arange(rows.height) // 100
    days = _dates(rows[declaration.time])
    if not days.is_sorted():
        raise DataError(f"{declaration.name}: rows are not in the order of {declaration.time}")
    places: NDArray[np.int64] = (days - days[0]).dt.total_days().to_numpy()
    return places


def _start(declaration: Declaration, rows: pl.DataFrame, first: int) -> datetime:
    if declaration.time is None:
        return datetime(2026, 1, 5, tzinfo=UTC)
    began = _dates(rows[declaration.time])[0]
    assert isinstance(began, date)
    return datetime(began.year, began.month, began.day, tzinfo=UTC) + timedelta(days=first)


def _dates(times: pl.Series) -> pl.Series:
    """Raises `DataError` where they are none."""
    if times.dtype == pl.String:
        times = times.str.slice(0, 10).str.to_date(strict=False)
    if not times.dtype.is_temporal() or times.null_count():
        raise DataError(
            f"the column {times.name} names no day that rows could be replayed on", remedy="use --rows resampled"
        )
    return times.cast(pl.Date)


def _as_kind(moments: pl.Series, dtype: Any) -> pl.Series:
    if dtype == pl.String:
        return moments.dt.to_string("iso")
    return moments.cast(dtype) if dtype.is_temporal() else moments.dt.epoch("s").cast(dtype)
