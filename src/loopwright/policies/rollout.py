"""How a version takes over an endpoint, and what is kept of what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, Literal

from loopwright.errors import DeclarationError
from loopwright.policies.checks import check_duration, check_fields, check_some_time

ABMetric = Literal["quality", "errors"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Guarded:
    """What the policies have in common that shift traffic until the challenger has all of it: see `Canary`."""

    interval: str = "1m"
    min_requests: int = 50
    max_latency_ratio: float = 2.0
    max_shift: float | None = None
    patience: str = "1d"
    alpha: float = 0.01


@dataclass(frozen=True, slots=True)
class Canary(_Guarded):
    """Shift traffic to the challenger by `steps` (percent), guarding errors, latency and quality at each.

    A step lasts at least `interval` and until the challenger has answered `min_requests`. The rollout aborts when the
    challenger surely fails more often, is surely more than `max_latency_ratio` times slower, or, as outcomes come,
    surely predicts worse; with `max_shift` also when its predictions are surely distributed differently, by at least so
    great a population stability index. An equal challenger is aborted with chance `alpha` at most, all steps together.
    """

    steps: tuple[int, ...] = (10, 50, 100)

    def __post_init__(self) -> None:
        check_fields(self)
        rising = all(a < b for a, b in pairwise(self.steps))
        if not self.steps or not rising or self.steps[-1] != 100 or self.steps[0] < 1:
            raise DeclarationError(
                f"Canary steps are {self.steps}", remedy="write rising weights that end at 100, such as (10, 50, 100)"
            )
        _check_pace("Canary", self)


@dataclass(frozen=True, slots=True)
class BlueGreen(_Guarded):
    """All traffic at once, after the staging check; the version before stays warm for a rollback."""

    @property
    def steps(self) -> tuple[int, ...]:
        return (100,)

    def __post_init__(self) -> None:
        check_fields(self)
        _check_pace("BlueGreen", self)


@dataclass(frozen=True, slots=True)
class Rolling(_Guarded):
    """Weights that rise evenly, in `parts`, with a pause of `interval` at each; guarded as a `Canary` is."""

    parts: int = 5

    @property
    def steps(self) -> tuple[int, ...]:
        return tuple(round(100 * part / self.parts) for part in range(1, self.parts + 1))

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= self.parts <= 100:
            raise DeclarationError(f"Rolling has {self.parts} parts", remedy="write a number from 1 to 100")
        _check_pace("Rolling", self)


@dataclass(frozen=True, slots=True)
class ABTest:
    """The challenger gets `share` percent until it has surely won or lost, for `horizon` at most.

    It is compared by `metric`: `quality`, the loss of its predictions once outcomes are known, or `errors`, its share
    of failed requests. Where it surely does better it is promoted; a challenger that is no better wins with chance
    `alpha` at most, however often one looks. At the horizon, undecided, `otherwise` has it. It is guarded as a `Canary`
    is, and aborted too where the traffic is surely not split as it should be. `interval` is the shortest it may last.
    """

    share: int = 50
    horizon: str = field(default="14d", kw_only=True)
    metric: ABMetric = field(default="quality", kw_only=True)
    otherwise: Literal["champion", "challenger"] = field(default="champion", kw_only=True)
    interval: str = field(default="1h", kw_only=True)
    min_requests: int = field(default=50, kw_only=True)
    max_latency_ratio: float = field(default=2.0, kw_only=True)
    max_shift: float | None = field(default=None, kw_only=True)
    alpha: float = field(default=0.01, kw_only=True)

    @property
    def steps(self) -> tuple[int, ...]:
        return (self.share,)

    @property
    def patience(self) -> str:
        return self.horizon

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= self.share <= 99:
            raise DeclarationError(f"ABTest gives the challenger {self.share} %", remedy="write 1 to 99")
        check_some_time("ABTest horizon", self.horizon)
        _check_pace("ABTest", self)


@dataclass(frozen=True, slots=True)
class Shadow:
    """The challenger predicts a copy of `share` percent of the answered requests, and nobody gets its answers.

    After `interval` and `min_requests`, unless it fails surely more often than the champion, a person is asked
    (`then="approval"`) or it is promoted (`then="promote"`). `loopwright rollout compare` shows how its answers differ.
    """

    share: int = 100
    interval: str = field(default="1h", kw_only=True)
    min_requests: int = field(default=50, kw_only=True)
    then: Literal["approval", "promote"] = field(default="approval", kw_only=True)
    patience: str = field(default="7d", kw_only=True)
    alpha: float = field(default=0.01, kw_only=True)
    max_latency_ratio: ClassVar[float] = 2.0
    max_shift: ClassVar[float | None] = None

    @property
    def steps(self) -> tuple[int, ...]:
        return (self.share,)

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= self.share <= 100:
            raise DeclarationError(f"Shadow gets a copy of {self.share} %", remedy="write 1 to 100")
        _check_pace("Shadow", self)


RolloutPolicy = Canary | BlueGreen | Rolling | ABTest | Shadow


@dataclass(frozen=True, slots=True)
class Capture:
    """Which `share` of the predictions servers keep, and the columns that they `redact` from what they keep.

    Less than all makes drift reports, replays and quality less sure; outcomes are known of captured predictions only.
    """

    share: float = 1.0
    redact: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 <= self.share <= 1:
            raise DeclarationError(f"Capture keeps a share of {self.share}", remedy="write a share from 0 to 1")


def _check_pace(policy: str, declared: RolloutPolicy) -> None:
    if not 0 < declared.alpha <= 0.5:
        raise DeclarationError(f"{policy} alpha is {declared.alpha}", remedy="write a chance such as 0.01")
    if declared.max_shift is not None and declared.max_shift <= 0:
        raise DeclarationError(
            f"{policy} max_shift is {declared.max_shift}", remedy="write an index above 0, such as 0.25, or None"
        )
    check_duration(f"{policy} interval", declared.interval)
    check_duration(f"{policy} patience", declared.patience)
    if declared.min_requests < 0:
        raise DeclarationError(f"{policy} min_requests is {declared.min_requests}", remedy="write 0 or more")
    if not declared.max_latency_ratio > 0:
        raise DeclarationError(
            f"{policy} max_latency_ratio is {declared.max_latency_ratio}", remedy="write a ratio above 0, such as 2.0"
        )
