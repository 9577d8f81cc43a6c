"""Scenarios by name, and those that users write: TOML files with the fields of `records.Scenario`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from loopwright.core.codec import from_plain, to_plain
from loopwright.errors import DeclarationError, NotFoundError
from loopwright.simulation.records import Scenario
from loopwright.simulation.verdict import episodes

_BUILT_IN = Path(__file__).parent / "scenarios"


def scenarios() -> list[Scenario]:
    """Those that come with Loopwright."""
    return [_read(path) for path in sorted(_BUILT_IN.glob("*.toml"))]


def find_scenario(name: str) -> Scenario:
    """The scenario of that name, or in that file. Raises `NotFoundError`, and `DeclarationError` for a wrong one."""
    built_in = _BUILT_IN / f"{name}.toml"
    if "/" not in name and built_in.exists():
        return _read(built_in)
    path = Path(name)
    if not path.is_file():
        known = ", ".join(one.name for one in scenarios())
        raise NotFoundError(f"there is no scenario {name!r}", remedy=f"name a TOML file, or one of: {known}")
    return _read(path)


def check_scenario(scenario: Scenario) -> Scenario:
    """The scenario itself. Raises `DeclarationError` that says which of its values cannot be."""
    for fault in _faults(scenario):
        raise DeclarationError(f"scenario {scenario.name or 'of yours'}: {fault}", remedy="mend it; see the how-to")
    return scenario


def _read(path: Path) -> Scenario:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        scenario: Scenario = from_plain(values, Scenario)
        if unknown := sorted(_unknown(values, to_plain(scenario))):
            raise ValueError(f"it names {', '.join(unknown)}, which mean nothing")
    except (OSError, ValueError) as error:
        known = ", ".join(Scenario.__dataclass_fields__)
        raise DeclarationError(f"{path} is no scenario: {error}", remedy=f"its fields are: {known}") from error
    return check_scenario(replace(scenario, name=scenario.name or path.stem))


def _unknown(values: Any, meant: Any) -> Iterator[str]:
    """The names in `values` that `meant`, which was made of them, has no place for."""
    if isinstance(values, dict):
        yield from set(values) - set(meant)
        for name in set(values) & set(meant):
            yield from _unknown(values[name], meant[name])
    elif isinstance(values, list):
        for one, other in zip(values, meant, strict=True):
            yield from _unknown(one, other)


def _faults(scenario: Scenario) -> Iterator[str]:
    if scenario.history < 100:
        yield f"a history of {scenario.history} rows is too short to learn from: at least 100"
    if scenario.arrivals.per_day is not None and scenario.arrivals.per_day < 1:
        yield "arrivals.per_day is below 1"
    if not 0 <= scenario.arrivals.daily <= 1 or not 0 <= scenario.arrivals.weekly <= 1:
        yield "arrivals.daily and arrivals.weekly are shares, 0 to 1"
    if scenario.labels.delay < 0 or scenario.labels.noise < 0 or scenario.labels.per_day < 1:
        yield "labels.delay and labels.noise are not below 0, labels.per_day is at least 1"
    for drift in scenario.drift:
        if drift.every is not None and (drift.lasts is None or drift.lasts >= drift.every):
            yield f"a drift that comes again every {drift.every:g} days must last for less"
    spans = [*episodes(scenario), *((one.at, one.lasts) for one in scenario.drift)]
    if any(at < 0 or (lasts is not None and lasts <= 0) for at, lasts in spans):
        yield "what happens begins on day 0 or later, and lasts longer than nothing"
    if any(not 0 < batch.share <= 1 for batch in scenario.bad_batch):
        yield "bad_batch.share is a share above 0, 1 at most"
