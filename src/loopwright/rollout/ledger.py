"""The ledger: an endpoint's chain of revisions in the object store, appended by conditional create and nothing else."""

from __future__ import annotations

from dataclasses import replace

from loopwright.errors import ConflictError, StorageError
from loopwright.ports.storage import Storage
from loopwright.traffic.records import (
    EndpointRevision,
    broken_links,
    decode_revision,
    encode_revision,
    revision_digest,
    revision_key,
    revisions_folder,
)


def newest(storage: Storage, endpoint: str) -> EndpointRevision | None:
    """What the endpoint should serve now; None where it has never served anything."""
    keys = list(storage.list(revisions_folder(endpoint)))
    return _read(storage, keys[-1]) if keys else None


def chain(storage: Storage, endpoint: str) -> list[EndpointRevision]:
    """Every revision, oldest first."""
    return [_read(storage, key) for key in storage.list(revisions_folder(endpoint))]


def between(storage: Storage, endpoint: str, first: int, last: int) -> list[EndpointRevision]:
    """The revisions of these numbers, both ends included."""
    return [_read(storage, revision_key(endpoint, number)) for number in range(first, last + 1)]


def length(storage: Storage, endpoint: str) -> int:
    """How many revisions there are."""
    return sum(1 for _ in storage.list(revisions_folder(endpoint)))


def verify(storage: Storage, endpoint: str) -> list[str]:
    """What is wrong with the chain, a sentence each; empty where every revision names the one before."""
    return broken_links([storage.get(key) for key in storage.list(revisions_folder(endpoint))])


def append(storage: Storage, revision: EndpointRevision, *, after: EndpointRevision | None) -> EndpointRevision:
    """Put `revision` after the one it was decided upon. The same `cause` again gives what is there.

    Raises `ConflictError`, and changes nothing, where another revision was put there first.
    """
    number = after.number + 1 if after else 1
    previous = revision_digest(storage.get(revision_key(after.endpoint, after.number))) if after else ""
    numbered = replace(revision, number=number, previous=previous)
    if storage.create(revision_key(revision.endpoint, number), encode_revision(numbered)):
        return numbered
    there = decode_revision(storage.get(revision_key(revision.endpoint, number)))
    if there.cause == revision.cause:
        return there
    raise ConflictError(
        f"endpoint {revision.endpoint} was changed by {there.actor} at {there.at:%H:%M:%S} ({there.reason})",
        remedy=f"nothing of yours was applied: see `loopwright rollout ledger {revision.endpoint}`, decide again",
    )


def endpoints(storage: Storage) -> list[str]:
    """The names of all endpoints that ever had a revision."""
    return sorted({key.split("/")[1] for key in storage.list("endpoints/")})


def _read(storage: Storage, key: str) -> EndpointRevision:
    try:
        return decode_revision(storage.get(key))
    except ValueError as error:
        raise StorageError(
            f"{key} is no endpoint revision: {error}", remedy="`loopwright rollout verify` says what was changed"
        ) from error
