"""What should be live: endpoint revisions, immutable, each naming the hash of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from loopwright.core.codec import from_json, to_json
from loopwright.core.digest import digest_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """A model version behind an endpoint. `bundle` is the object-store folder of its files; `weight` is in percent.

    A `shadow` answers nobody: it gets a copy of that percentage of the requests once they are answered. Answers slower
    than `slow_ms` are counted as slow, by slot; None where no limit was known.
    """

    name: str
    version: int
    bundle: str
    bundle_digest: str
    weight: int
    shadow: bool = False
    slow_ms: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CapturePolicy:
    """Which share of predictions is kept, and which columns are left out of what is kept."""

    share: float = 1.0
    redact: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointRevision:
    """What `endpoint` should serve from `at` on, who said so and why.

    `cause` names the decision behind it (a rollout and its step), so that applying a decision twice makes one revision.
    `previous` is the SHA-256 of the revision before, as stored; the first has an empty one.
    """

    endpoint: str
    model: str
    number: int
    variants: tuple[Variant, ...]
    sticky_by: str | None = None
    capture: CapturePolicy = CapturePolicy()
    actor: str
    reason: str
    cause: str
    at: datetime
    previous: str

    @property
    def answering(self) -> tuple[Variant, ...]:
        """The variants that requests are shared out among."""
        return tuple(one for one in self.variants if not one.shadow)

    @property
    def shadows(self) -> tuple[Variant, ...]:
        return tuple(one for one in self.variants if one.shadow)

    def variant(self, name: str) -> Variant | None:
        return next((one for one in self.variants if one.name == name), None)


def revisions_folder(endpoint: str) -> str:
    """The object-store folder of an endpoint's revisions."""
    return f"endpoints/{endpoint}/"


def revision_key(endpoint: str, number: int) -> str:
    """Where a revision lies; keys sort as their numbers do."""
    return f"endpoints/{endpoint}/{number:08d}.json"


def encode_revision(revision: EndpointRevision) -> bytes:
    return to_json(revision)


def decode_revision(data: bytes) -> EndpointRevision:
    """Raises `ValueError` where `data` is no revision."""
    return from_json(data, EndpointRevision)


def revision_digest(data: bytes) -> str:
    """What the next revision must name as `previous`."""
    return digest_bytes(data)


def broken_links(chain: Sequence[bytes]) -> list[str]:
    """What is wrong with a ledger, a sentence each, oldest first; empty where every revision names the one before."""
    faults, previous = [], ""
    for place, data in enumerate(chain, start=1):
        try:
            revision = decode_revision(data)
        except ValueError as error:
            faults.append(f"revision {place} cannot be read: {error}")
        else:
            if revision.number != place:
                faults.append(f"revision {revision.number} stands where {place} is expected")
            if revision.previous != previous:
                faults.append(f"revision {place} does not name the one before it: it or its predecessor was changed")
        previous = revision_digest(data)
    return faults
