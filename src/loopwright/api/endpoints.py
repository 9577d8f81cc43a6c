"""Endpoints: what should be live, what is, and the ledger of who said so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from loopwright.api.asking import Here, Limit, Name, Offset, Order, Page
from loopwright.bootstrap.known import unknown
from loopwright.bootstrap.platform import Platform
from loopwright.bootstrap.shadows import shadow_comparison
from loopwright.core.codec import from_json
from loopwright.errors import NotFoundError
from loopwright.monitoring.shadow_records import ShadowComparison
from loopwright.rollout import ledger
from loopwright.traffic.records import EndpointRevision
from loopwright.traffic.status import STATUS_FOLDER, ServerStatus

router = APIRouter(tags=["endpoints"])

SILENT_AFTER = timedelta(seconds=20)
"""A server speaks every five seconds; one that has been silent for this long may be gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservedServer:
    """What one server says it serves of the endpoint: `in_step` where that is what it should.

    `revision` is None where it serves none, `fault` why it does not serve the newest; `silent`: not heard of lately.
    """

    server: str
    at: datetime
    revision: int | None
    fault: str | None
    in_step: bool
    silent: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointState:
    """What an endpoint should serve (`desired`), and what its servers say they do (`observed`)."""

    name: str
    desired: EndpointRevision
    observed: list[ObservedServer]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """Whether every revision of the ledger names the one before it; `faults` says what is wrong."""

    endpoint: str
    revisions: int
    sound: bool
    faults: list[str]


@router.get("/endpoints")
def list_endpoints(platform: Here) -> list[EndpointState]:
    """Every endpoint: what it should serve, and what its servers say."""
    statuses = _statuses(platform)
    return [_state(platform, name, statuses) for name in ledger.endpoints(platform.storage)]


@router.get("/endpoints/{endpoint}")
def get_endpoint(endpoint: Name, platform: Here) -> EndpointState:
    """One endpoint: what it should serve, and what its servers say."""
    return _state(platform, endpoint, _statuses(platform))


@router.get("/endpoints/{endpoint}/ledger")
def get_ledger(endpoint: Name, platform: Here, limit: Limit = 50, offset: Offset = 0) -> Page[EndpointRevision]:
    """Every revision, newest first: what was to be live, who said so and why."""
    _newest(platform, endpoint)
    chain = ledger.chain(platform.storage, endpoint)[::-1]
    return Page(items=chain[offset : offset + limit], total=len(chain), limit=limit, offset=offset)


@router.get("/endpoints/{endpoint}/verification")
def verify_endpoint(endpoint: Name, platform: Here) -> Verification:
    """Check the ledger: was a revision changed, or taken away?"""
    faults = ledger.verify(platform.storage, endpoint)
    count = ledger.length(platform.storage, endpoint)
    if not count:
        raise unknown("endpoint", endpoint, ledger.endpoints(platform.storage))
    return Verification(endpoint=endpoint, revisions=count, sound=not faults, faults=faults)


@router.get("/endpoints/{endpoint}/shadow")
def compare_shadow(
    endpoint: Name,
    platform: Here,
    version: Annotated[int | None, Query(description="The shadow; without it, the one that predicted last.")] = None,
    since: Annotated[str, Query(description="How far to look back, such as 12h, 7d or 4w.")] = "1d",
    by: Annotated[list[str], Query(description="Columns to part rows by; else the declared slices.")] = [],  # noqa: B006
) -> ShadowComparison:
    """What a shadow predicted, held row by row against the answers that were given."""
    return shadow_comparison(platform, endpoint, since=since, version=version, by=by)


@router.post("/endpoints/{endpoint}/rollback")
def roll_back(endpoint: Name, platform: Here, order: Order | None = None) -> EndpointRevision:
    """Make the champion before this one champion again, at once."""
    asked = order or Order()
    reason = asked.reason or "rolled back by hand"
    return platform.rollouts.rollback(endpoint, actor=asked.by(platform), reason=reason)


def _state(platform: Platform, name: str, statuses: list[ServerStatus]) -> EndpointState:
    desired = _newest(platform, name)
    silent_before = platform.clock.now() - SILENT_AFTER
    observed = [
        ObservedServer(
            server=one.server,
            at=one.at,
            revision=one.revisions.get(name),
            fault=one.faults.get(name),
            in_step=one.revisions.get(name) == desired.number,
            silent=one.at < silent_before,
        )
        for one in statuses
        if name in one.revisions or name in one.faults
    ]
    return EndpointState(name=name, desired=desired, observed=observed)


def _newest(platform: Platform, endpoint: str) -> EndpointRevision:
    found = ledger.newest(platform.storage, endpoint)
    if found is None:
        raise unknown("endpoint", endpoint, ledger.endpoints(platform.storage))
    return found


def _statuses(platform: Platform) -> list[ServerStatus]:
    found = []
    for key in platform.storage.list(STATUS_FOLDER):
        try:
            found.append(from_json(platform.storage.get(key), ServerStatus))
        except NotFoundError:
            continue  # the server has ended since, and taken its word back
    return found
