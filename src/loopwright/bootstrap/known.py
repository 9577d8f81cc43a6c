"""Which models there are: those that a file declares, and those that have left something behind."""

from __future__ import annotations

from collections.abc import Iterable

from loopwright.bootstrap.platform import Platform
from loopwright.errors import NotFoundError
from loopwright.rollout import ledger


def known_models(platform: Platform, project: Iterable[str] = ()) -> list[str]:
    """The names of all models that are declared, or that have left a version, a run or an endpoint.

    Doors that never load a user's code know the declared ones as a worker last found them; `project` adds to them.
    """
    declared = (one.name for one in platform.declared)
    versions = (version.model for version in platform.registry.versions())
    endpoints = (ledger.newest(platform.storage, name) for name in ledger.endpoints(platform.storage))
    served = (revision.model for revision in endpoints if revision is not None)
    return sorted({*project, *declared, *versions, *platform.journal.models(), *served})


def known(platform: Platform, model: str) -> str:
    """`model`. Raises `NotFoundError` where nothing is known of it."""
    if not _there_is(platform, model):
        raise unknown("model", model, known_models(platform))
    return model


def known_here(platform: Platform, model: str | None) -> str | None:
    """`model`, which may also be declared in the project's files only: they are loaded where nothing else knows it.

    None stays None. Raises `NotFoundError`, and `DeclarationError` where a file that may declare it cannot be loaded.
    """
    if model is None or _there_is(platform, model):
        return model
    declared, faults = platform.project.look()
    if model not in declared:
        for fault in faults:
            raise fault
        raise unknown("model", model, known_models(platform, declared))
    return model


def unknown(what: str, name: str, there_are: Iterable[str]) -> NotFoundError:
    """No `what` is called `name`."""
    return NotFoundError(f"no {what} is called {name!r}", remedy=f"there are: {', '.join(there_are) or 'none'}")


def _there_is(platform: Platform, model: str) -> bool:
    return model in platform.journal.models() or model in known_models(platform)
