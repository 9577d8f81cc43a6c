"""Retention's records: all that is held, and what is to become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from loopwright.registry.records import ModelVersion
from loopwright.traffic.records import EndpointRevision


@dataclass(frozen=True, kw_only=True, slots=True)
class RunUse:
    """A run, when it ended (None: it has not), and the objects that it used: keys, or folders of keys."""

    id: str
    model: str
    ended: datetime | None
    used: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Holdings:
    """The store's `keys`, and every record that may need one of them.

    `chains` are the endpoints' revisions, oldest first; `rolling` the versions (model, number) that a rollout under way
    is about. `parts` are the keys of the rows of each dataset version's key. `unneeded_since` is when an object that no
    record knows was first found so.
    """

    now: datetime
    keep_days: float
    keep_versions: int
    keys: tuple[str, ...]
    versions: tuple[ModelVersion, ...] = ()
    chains: tuple[tuple[EndpointRevision, ...], ...] = ()
    rolling: frozenset[tuple[str, int]] = frozenset()
    runs: tuple[RunUse, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unneeded_since: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Keys to be removed, in the order in which that is safe; and since when others are needed by nothing known."""

    remove: tuple[str, ...]
    unneeded_since: dict[str, datetime]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """One cleaning: how many objects of each kind went (or would have gone), and how many wait for their day."""

    at: datetime
    removed: dict[str, int]
    waiting: int
    dry_run: bool = False
