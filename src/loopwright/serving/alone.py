"""The model server alone: a store that holds one bundle, and the one revision that serves it.

To the server it is a store like any other, so a bundle served by itself goes through the same doors, checks and warming
as an endpoint's. What the server writes (captures, summaries, its status) goes to another store, or nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loopwright.bundle.read import bundle_digest, bundle_files, read_manifest
from loopwright.bundle.records import MANIFEST
from loopwright.errors import NotFoundError, SettingsError
from loopwright.ports.storage import Storage
from loopwright.traffic.records import CapturePolicy, EndpointRevision, Variant, encode_revision, revision_key

BUNDLE = "bundle/"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedAs:
    """What a bundle's predictions are recorded as: whoever routes in front of this server knows it."""

    endpoint: str
    revision: int = 1
    variant: str = "champion"
    version: int = 0


def served_as(text: str) -> ServedAs:
    """`ENDPOINT/REVISION/VARIANT/VERSION`, as in `delivery/7/challenger/3`. Raises `SettingsError`."""
    found = _SERVED_AS.fullmatch(text)
    if not found or int(found[2]) < 1:
        raise SettingsError(
            f"a bundle cannot be served as {text!r}",
            remedy="write ENDPOINT/REVISION/VARIANT/VERSION, such as delivery/7/challenger/3",
        )
    return ServedAs(endpoint=found[1], revision=int(found[2]), variant=found[3], version=int(found[4]))


class BundleStorage:
    """`ports.Storage` around the bundle in `folder`; what is written goes to `kept`, and is forgotten where None."""

    def __init__(self, folder: Path, identity: ServedAs | None = None, kept: Storage | None = None) -> None:
        """Raises `BundleError` where no bundle lies in `folder`."""
        manifest = read_manifest(folder)
        known = identity or ServedAs(endpoint=manifest.model)
        variant = Variant(
            name=known.variant,
            version=known.version,
            bundle=BUNDLE.rstrip("/"),
            bundle_digest=bundle_digest(folder),
            weight=100,
        )
        revision = EndpointRevision(
            endpoint=known.endpoint,
            model=manifest.model,
            number=known.revision,
            variants=(variant,),
            capture=CapturePolicy(share=0.0 if kept is None else 1.0),
            actor="loopwright serve",
            reason="a bundle is served by itself",
            cause="serve",
            at=manifest.created,
            previous="",
        )
        self.endpoint = known.endpoint
        self._kept = kept
        self._files = {BUNDLE + name: path for name, path in bundle_files(folder).items()}
        self._files[BUNDLE + MANIFEST] = folder / MANIFEST
        self._revision = (revision_key(known.endpoint, known.revision), encode_revision(revision))

    def get(self, key: str) -> bytes:
        if key == self._revision[0]:
            return self._revision[1]
        return self._path(key).read_bytes()

    def list(self, prefix: str) -> Iterator[str]:
        yield from sorted(key for key in (self._revision[0], *self._files) if key.startswith(prefix))

    def fetch(self, key: str, folder: Path) -> Path:
        return self._path(key)

    def put(self, key: str, data: bytes) -> None:
        if self._kept is not None:
            self._kept.put(key, data)

    def create(self, key: str, data: bytes) -> bool:
        return self._kept is None or self._kept.create(key, data)

    def delete(self, key: str) -> None:
        if self._kept is not None:
            self._kept.delete(key)

    def upload(self, key: str, path: Path) -> None:
        if self._kept is not None:
            self._kept.upload(key, path)

    def move(self, key: str, path: Path) -> None:
        if self._kept is not None:
            self._kept.move(key, path)
        else:
            path.unlink()

    def _path(self, key: str) -> Path:
        found = self._files.get(key)
        if found is None:
            raise NotFoundError(f"there is no {key!r}", remedy="this server holds one bundle and nothing else")
        return found


_SERVED_AS = re.compile(
    r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)/(\d{1,8})/([A-Za-z0-9][\w.-]{0,63})/(\d{1,8})", re.ASCII
)
