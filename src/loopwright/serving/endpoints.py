"""What this server serves: the newest revision of each endpoint whose bundles it could load."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loopwright.bundle.records import Signature
from loopwright.core.ids import NAME, STAGING
from loopwright.errors import LoopwrightError, NotFoundError, StorageError
from loopwright.ports.predictor import Columns
from loopwright.ports.storage import Storage
from loopwright.serving.models import LoadedModel, Shelf
from loopwright.serving.router import bounds, pick, place
from loopwright.traffic.records import (
    EndpointRevision,
    Variant,
    decode_revision,
    revision_digest,
    revision_key,
    revisions_folder,
)

log = logging.getLogger("loopwright.serving")

BACK = 10
"""How many revisions a starting server goes back through to find one that it can serve."""

_AWAY = "the store cannot be read"
"""How a fault begins that goes away when the store comes back."""


@dataclass(frozen=True, slots=True, eq=False)
class LiveVariant:
    """A variant in force, with its model in memory, and the shadows that get a copy of what it answers.

    `beside` is the first variant's model, with whose answers those of the others are compared. `number` and
    `parameters` are what answers say of it: its version, and which variant of which revision it is.
    """

    revision: EndpointRevision
    variant: Variant
    model: LoadedModel
    shadows: tuple[LiveVariant, ...] = ()
    beside: LoadedModel | None = None
    number: str = field(init=False)
    parameters: dict[str, str | int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", str(self.variant.version))
        parameters = {"variant": self.variant.name, "revision": self.revision.number}
        object.__setattr__(self, "parameters", parameters)

    def known(self, columns: Columns) -> Columns:
        """The columns that mean something here: the model's, its key, and what makes requests sticky."""
        if len(columns) <= len(self.model.names):
            return columns
        wanted = {*self.model.names, self.model.manifest.key, self.revision.sticky_by}
        return {name: values for name, values in columns.items() if name in wanted}


@dataclass(frozen=True, slots=True, eq=False)
class LiveEndpoint:
    """A revision in force. `digest` is the revision's, so that two servers can be seen to serve the same.

    `variants` are those that answer.
    """

    revision: EndpointRevision
    digest: str
    variants: tuple[LiveVariant, ...]
    upper: tuple[float, ...]

    @property
    def signature(self) -> Signature:
        """What the endpoint takes: its first variant's signature."""
        return self.variants[0].model.manifest.signature

    @property
    def names(self) -> tuple[str, ...]:
        """The columns it takes, in their order."""
        return self.variants[0].model.names

    def route(self, key: str) -> LiveVariant:
        """The variant that answers `key`."""
        if len(self.variants) == 1:
            return self.variants[0]
        return self.variants[pick(self.upper, place(self.revision.endpoint, key))]

    def named(self, target: str) -> LiveVariant:
        """The variant called `target`. Raises `NotFoundError`."""
        for one in self.variants:
            if one.variant.name == target:
                return one
        have = ", ".join(one.variant.name for one in self.variants)
        raise NotFoundError(
            f"endpoint {self.revision.endpoint} has no variant {target[:64]!r}", remedy=f"its variants are: {have}"
        )

    def version(self, number: str) -> LiveVariant:
        """The variant that serves this model version. Raises `NotFoundError`."""
        for one in self.variants:
            if one.number == number:
                return one
        have = ", ".join(str(one.variant.version) for one in self.variants)
        raise NotFoundError(
            f"endpoint {self.revision.endpoint} does not serve version {number[:64]!r}", remedy=f"it serves: {have}"
        )


class Endpoints:
    """Follows the revisions of the endpoints `names` (of every endpoint, if None).

    `live` and `faults` are replaced, never changed, so that requests read them without a lock. One thread may `look`.
    `only` is the endpoint of who names none: where there is one, a staging endpoint beside it not counted.
    """

    def __init__(self, storage: Storage, shelf: Shelf, names: Sequence[str] | None) -> None:
        self.live: dict[str, LiveEndpoint] = {}
        self.only: LiveEndpoint | None = None
        self.faults: dict[str, str] = {}
        self._storage = storage
        self._shelf = shelf
        self._names = None if names is None else tuple(names)
        self._known: set[str] = set(names or ())
        self._seen: dict[str, int] = {}
        self._pending: dict[str, int] = {}
        self._previous: dict[str, set[str]] = {}
        self._champions: dict[str, list[str]] = {}

    def discover(self) -> None:
        """Look for endpoints not known yet. Raises `StorageError`."""
        if self._names is None:
            found = {key.split("/")[1] for key in self._storage.list("endpoints/") if key.count("/") == 2}
            self._known |= {name for name in found if NAME.fullmatch(name)}

    def look(self) -> bool:
        """Take up what is new; whether anything changed. Never raises for a revision or bundle that is at fault."""
        before = (self.live, self.faults)
        for name in sorted(self._known):
            try:
                self._follow(name)
            except StorageError as error:
                self._fault(name, f"{_AWAY}: {error}")
        changed = before != (self.live, self.faults)
        if changed and not any(map(self._is_away, self.faults)):
            self._shelf.keep_copies(self._in_use())  # not before it is known what all endpoints need
        return changed

    @property
    def ready(self) -> bool:
        """Whether every endpoint asked for is served; at least one, where all are."""
        return bool(self.live) and all(name in self.live for name in self._names or ())

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn at a model."""
        models = {one.model for endpoint in self.live.values() for one in endpoint.variants}
        return sum(model.waiting for model in models)

    @property
    def busy_since(self) -> float | None:
        """Since when (`time.perf_counter()`) the prediction has been going on that has taken longest so far."""
        began = [one.model.busy_since for endpoint in self.live.values() for one in endpoint.variants]
        return min((moment for moment in began if moment is not None), default=None)

    def _follow(self, name: str) -> None:
        if name not in self._seen:
            return self._start(name)
        newest = self._seen[name]
        while self._read(name, newest + 1) is not None:
            newest += 1
            self._seen[name] = newest
            self._pending[name] = newest
        if (number := self._pending.get(name)) is not None:
            self._take_up(name, number)
        elif self._is_away(name):
            self._fault(name, None)
        return None

    def _start(self, name: str) -> None:
        """The newest revision; where that cannot be served, the newest that can."""
        keys = list(self._storage.list(revisions_folder(name)))
        numbers = [int(stem) for key in keys if (stem := key.rsplit("/", 1)[1].removesuffix(".json")).isdecimal()]
        if not numbers:
            return
        newest = max(numbers)
        self._seen[name] = newest
        first_fault = None
        for number in range(newest, max(0, newest - BACK), -1):
            if self._take_up(name, number):
                break
            if name in self._pending:  # the store is away: begin again at the next look
                del self._seen[name]
                return
            first_fault = first_fault or self.faults.get(name)
        self._fault(name, first_fault)

    def _take_up(self, name: str, number: int) -> bool:
        data = self._read(name, number)
        try:
            live = self._load(name, number, data)
        except StorageError as error:  # tried again at the next look
            self._fault(name, f"{_AWAY} for revision {number}: {error}")
            self._pending[name] = max(number, self._seen[name])
            return False
        except (LoopwrightError, ValueError) as error:
            self._pending.pop(name, None)
            self._fault(name, f"revision {number} cannot be served: {error}")
            return False
        self._pending.pop(name, None)
        self._swap(live)
        return True

    def _load(self, name: str, number: int, data: bytes | None) -> LiveEndpoint:
        if data is None:
            raise NotFoundError(f"revision {number} of {name} is gone")
        revision = decode_revision(data)
        answering = revision.answering
        if revision.endpoint != name or not answering:
            raise ValueError(f"it is a revision of {revision.endpoint!r} with {len(answering)} variants that answer")
        take, first = self._shelf.take, self._shelf.take(answering[0])
        shadows = tuple(LiveVariant(revision, one, take(one), beside=first) for one in revision.shadows)
        others = (LiveVariant(revision, one, take(one), shadows, beside=first) for one in answering[1:])
        variants = (LiveVariant(revision, answering[0], first, shadows), *others)
        return LiveEndpoint(revision, revision_digest(data), variants, bounds([one.weight for one in answering]))

    def _swap(self, live: LiveEndpoint) -> None:
        name = live.revision.endpoint
        former = self.live.get(name)
        self.live = {**self.live, name: live}
        self.only = _only(self.live)
        self._fault(name, None)
        log.info("%s: revision %d is in force", name, live.revision.number)
        self._previous[name] = _digests(former.revision) if former else self._before(live.revision)
        self._remember_champion(live)
        # The models of the revision before stay, and so does the champion before this one: a rollback is immediate.
        self._shelf.keep_only(self._in_use())

    def _in_use(self) -> set[str]:
        digests = set().union(*(_digests(one.revision) for one in self.live.values()), *self._previous.values())
        return digests.union(*self._champions.values())

    def _before(self, revision: EndpointRevision) -> set[str]:
        """What the revision before this one serves: nothing is loaded of it, but copies of it are still good."""
        try:
            data = self._read(revision.endpoint, revision.number - 1)
            return _digests(decode_revision(data)) if data else set()
        except (LoopwrightError, ValueError):
            return set()

    def _remember_champion(self, live: LiveEndpoint) -> None:
        """The last two different bundles that answered alone: the champion, and the one that a rollback goes to."""
        known = self._champions.setdefault(live.revision.endpoint, [])
        digest = live.variants[0].variant.bundle_digest
        if len(live.variants) == 1 and (not known or known[-1] != digest):
            self._champions[live.revision.endpoint] = [*known[-1:], digest]

    def _is_away(self, name: str) -> bool:
        return self.faults.get(name, "").startswith(_AWAY)

    def _fault(self, name: str, text: str | None) -> None:
        if self.faults.get(name) == text:
            return
        others = {key: fault for key, fault in self.faults.items() if key != name}
        self.faults = {**others, name: text} if text else others
        if text:
            log.warning("%s: %s", name, text)

    def _read(self, name: str, number: int) -> bytes | None:
        try:
            return self._storage.get(revision_key(name, number))
        except NotFoundError:
            return None


def _only(live: Mapping[str, LiveEndpoint]) -> LiveEndpoint | None:
    found = list(live.values())
    if len(found) > 1:
        found = [one for name, one in live.items() if not name.endswith(STAGING)]
    return found[0] if len(found) == 1 else None


def _digests(revision: EndpointRevision) -> set[str]:
    return {one.bundle_digest for one in revision.variants}
