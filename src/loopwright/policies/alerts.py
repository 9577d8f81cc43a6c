"""Which incidents are told, how loudly, and to whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from loopwright.core.clock import parse_duration
from loopwright.errors import DeclarationError
from loopwright.policies.checks import check_duration, check_fields


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One rule of `Alerts`: how loudly it is told (None: as loudly as what was found asks; "off": not at all).

    An alert opens after `after` bad windows in a row and is over after `recover` good ones. Windows with too little in
    them to be judged count as neither.
    """

    severity: Literal["info", "warning", "critical", "off"] | None = None
    after: int = field(default=1, kw_only=True)
    recover: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self)
        for name, windows in {"after": self.after, "recover": self.recover}.items():
            if windows < 1:
                raise DeclarationError(f"AlertRule {name} is {windows}", remedy="write 1 window or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Alerts:
    """Which incidents are told, and to whom. `quality` is of data, `performance` of predictions.

    `info`, `warning` and `critical` name the destinations of each severity, as the setting `notify` does; none means
    all of them. `remind` tells of an open alert again after that time, until somebody acknowledges it.
    """

    drift: AlertRule = AlertRule()
    joint: AlertRule = AlertRule()
    performance: AlertRule = AlertRule()
    quality: AlertRule = AlertRule()
    volume: AlertRule = AlertRule()
    freshness: AlertRule = AlertRule()
    errors: AlertRule = AlertRule(recover=2)
    latency: AlertRule = AlertRule(after=2, recover=2)
    capture: AlertRule = AlertRule(recover=2)
    run: AlertRule = AlertRule()
    rollout: AlertRule = AlertRule()
    approval: AlertRule = AlertRule()
    info: tuple[str, ...] = ()
    warning: tuple[str, ...] = ()
    critical: tuple[str, ...] = ()
    remind: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.remind is not None:
            check_duration("Alerts remind", self.remind)
            if not parse_duration(self.remind):
                raise DeclarationError(f"Alerts remind is {self.remind}", remedy="leave it out, and nobody is reminded")
