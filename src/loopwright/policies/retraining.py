"""What asks for a retrain, and when one is accepted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from loopwright.core.calendar import never_ends, parse_freeze, parse_zone
from loopwright.core.clock import parse_duration
from loopwright.errors import DeclarationError
from loopwright.policies.checks import check_duration, check_fields, check_share, check_some_time, one_of
from loopwright.policies.tasks import METRICS

SEASONS = {"day": timedelta(days=1), "week": timedelta(weeks=1)}
"""After how long traffic may look the same again."""


@dataclass(frozen=True, slots=True)
class NewData:
    """Retrain when the source has at least `min_rows` rows that the champion has not seen."""

    min_rows: int = 1

    def __post_init__(self) -> None:
        check_fields(self)
        if self.min_rows < 1:
            raise DeclarationError(f"NewData min_rows is {self.min_rows}", remedy="write 1 or more")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Retrain by the clock: `cron` has five fields, in UTC."""

    cron: str

    def __post_init__(self) -> None:
        check_fields(self)
        fields = self.cron.split()
        if len(fields) != 5 or not all(map(_is_cron_field, fields, _CRON_RANGES)):
            raise DeclarationError(
                f"Schedule is {self.cron!r}", remedy='write five fields, such as "0 3 * * 1" for Mondays at 03:00 UTC'
            )


@dataclass(frozen=True, slots=True)
class Drift:
    """How inputs and predictions are watched, and in `retrain=` that drift asks for a retrain.

    A column has drifted when its PSI reaches `psi` and its test against the reference is significant at `alpha`, the
    chance of any false alarm in a window. A window has drifted when a prediction has, or when the inputs that have
    carry `weight` of the model's importance together; one with fewer than `min_rows` rows is not judged. `season`
    compares with the same time of earlier days or weeks, once there are three of them. `joint` also asks a classifier
    whether captured rows look unlike the reference's, which takes the worker seconds a window.
    """

    psi: float = 0.2
    alpha: float = field(default=0.01, kw_only=True)
    window: str = field(default="1d", kw_only=True)
    min_rows: int = field(default=200, kw_only=True)
    weight: float = field(default=0.05, kw_only=True)
    season: Literal["day", "week"] | None = field(default=None, kw_only=True)
    joint: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self)
        check_some_time("Drift window", self.window)
        check_share("Drift alpha", self.alpha)
        check_share("Drift weight", self.weight)
        if not self.psi >= 0:
            raise DeclarationError(f"Drift psi is {self.psi}", remedy="write an index from 0 on, such as 0.2")
        if not self.alpha:
            raise DeclarationError("Drift alpha is 0: nothing would be drift", remedy="write a chance such as 0.01")
        if self.min_rows < 1:
            raise DeclarationError(f"Drift min_rows is {self.min_rows}", remedy="write 1 or more")
        if self.season is not None and SEASONS[self.season] % parse_duration(self.window):
            raise DeclarationError(
                f"Drift season is a {self.season}, which is no whole number of windows of {self.window}",
                remedy="write a window that divides it, such as 1h or 1d",
            )


@dataclass(frozen=True, slots=True)
class Decay:
    """How live quality is watched, and in `retrain=` that a loss of it asks for a retrain.

    A window is judged once the outcomes of a share of `coverage` of its predictions have come, and of `min_rows`; where
    fewer ever come, once labels of its age have stopped coming. It has decayed where `metric` (the gate's, if not
    given) is surely, at `confidence`, worse than on the test rows by more than `margin`, a share of the figure there;
    or where losses have surely risen by as much over several windows.
    """

    metric: str | None = None
    margin: float = field(default=0.1, kw_only=True)
    confidence: float = field(default=0.99, kw_only=True)
    window: str = field(default="1d", kw_only=True)
    coverage: float = field(default=0.8, kw_only=True)
    min_rows: int = field(default=100, kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.metric is not None and self.metric not in METRICS:
            raise DeclarationError(
                f"Decay names the metric {self.metric!r}, which does not exist", remedy=one_of(METRICS)
            )
        check_share("Decay margin", self.margin)
        check_some_time("Decay window", self.window)
        if not 0.5 <= self.confidence < 1:
            raise DeclarationError(f"Decay confidence is {self.confidence}", remedy="write a share from 0.5 to below 1")
        if not 0 < self.coverage <= 1:
            raise DeclarationError(f"Decay coverage is {self.coverage}", remedy="write a share above 0, up to 1")
        if self.min_rows < 1:
            raise DeclarationError(f"Decay min_rows is {self.min_rows}", remedy="write 1 or more")


Trigger = NewData | Schedule | Drift | Decay


@dataclass(frozen=True, slots=True)
class Governor:
    """When a retrain request is accepted: not within `cooldown` of the last run, at most `per_week` runs a week.

    `freeze` are times in which none is: weekly hours ("fri 16:00-mon 08:00") or days, both included
    ("2026-12-20/2027-01-02"), by the clocks of `zone`. `approval` says which requests wait for a person: those whose
    new labels look "suspect", those that no person made ("always"), or none ("never"). `backtest` says which are first
    tried out on recent rows, so that one that would surely gain less than the share `worth` of the champion's figure is
    refused: those for which neither a person nor enough new data asks ("unasked"), all but a person's ("always"), or
    none. After `breaker` runs in a row that failed or were refused, requests wait for twice `cooldown`, then four
    times, and so on up to a week, until a run succeeds.
    """

    cooldown: str = "10m"
    per_week: int = 50
    freeze: tuple[str, ...] = field(default=(), kw_only=True)
    zone: str = field(default="UTC", kw_only=True)
    approval: Literal["suspect", "always", "never"] = field(default="suspect", kw_only=True)
    backtest: Literal["unasked", "always", "never"] = field(default="unasked", kw_only=True)
    worth: float = field(default=0.01, kw_only=True)
    breaker: int = field(default=3, kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self)
        check_duration("Governor cooldown", self.cooldown)
        for what, value in (("per_week", self.per_week), ("breaker", self.breaker)):
            if value < 1:
                raise DeclarationError(f"Governor {what} is {value}", remedy="write 1 or more")
        check_share("Governor worth", self.worth)
        _check_freeze(self)


def _check_freeze(governor: Governor) -> None:
    try:
        parse_zone(governor.zone)
        freezes = [parse_freeze(text) for text in governor.freeze]
    except ValueError as error:
        remedy = 'for example freeze=("fri 16:00-mon 08:00", "2026-12-20/2027-01-02"), zone="Europe/Berlin"'
        raise DeclarationError(f"Governor: {error}", remedy=remedy) from None
    if never_ends(freezes):
        raise DeclarationError("Governor freeze leaves no minute of the week free", remedy="retrain=() never retrains")


_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def _is_cron_field(field: str, allowed: tuple[int, int]) -> bool:
    """Whether every number of a cron field, but for steps after a slash, is one that the field has."""
    numbers = [int(number) for number in re.findall(r"(?<!/)\b\d+", field)]
    return all(allowed[0] <= number <= allowed[1] for number in numbers)
