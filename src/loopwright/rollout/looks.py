"""Looks at traffic that has keys: each is written down before it is judged, so that it counts, and stays as it was."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from loopwright.core.codec import from_json, to_json
from loopwright.errors import StorageError
from loopwright.ports.storage import Storage
from loopwright.rollout.evidence import next_look
from loopwright.rollout.records import Look, Rollout
from loopwright.traffic.summary import WindowSummary


def take_looks(
    storage: Storage, rollout: Rollout, windows: Sequence[WindowSummary], *, known: dict[str, Look]
) -> tuple[Look, ...]:
    """The looks of the rollout's step so far, and one more where it is due.

    What comes late is seen by the next look: none that was taken is taken again, whatever has come since, by whichever
    worker. Looks never change: who asks again and again hands over the same `known`, and only new ones are read.
    """
    taken = _taken(storage, rollout, known)
    look = next_look(windows, taken, rollout.version, rollout.plan.steps[rollout.step])
    if look is None:
        return taken
    storage.create(f"{_folder(rollout)}{look.number:04d}.json", to_json(look))
    return _taken(storage, rollout, known)


def forget_looks(storage: Storage, rollout: Rollout) -> None:
    """Remove the looks of a rollout that is over."""
    with suppress(StorageError):  # they are small, and nobody reads them
        for key in list(storage.list(f"looks/{rollout.id}/")):
            storage.delete(key)


def _taken(storage: Storage, rollout: Rollout, known: dict[str, Look]) -> tuple[Look, ...]:
    keys = list(storage.list(_folder(rollout)))
    for key in keys:
        if key not in known:
            known[key] = _read(storage, key)
    return tuple(known[key] for key in keys)


def _folder(rollout: Rollout) -> str:
    """Each step is a revision of its own."""
    return f"looks/{rollout.id}/{rollout.revision:08d}/"


def _read(storage: Storage, key: str) -> Look:
    try:
        return from_json(storage.get(key), Look)
    except ValueError as error:
        raise StorageError(f"{key} is no look: {error}", remedy="it is damaged: delete it") from error
