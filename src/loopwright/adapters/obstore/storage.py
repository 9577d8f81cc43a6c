"""`ports.Storage` over obstore: a local directory, `s3://`, `gs://`, `az://` or `memory://`, by URL."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from loopwright.errors import LoopwrightError, NotFoundError, SettingsError, StorageError

_SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
_SMALL = 8 * 1024 * 1024  # below this one request is quicker than the three that a multipart upload begins with


def open_storage(url: str) -> ObjectStorage:
    """The store at `url`; a plain path or `file://` is a local directory, made if it is not there.

    Credentials and endpoint come from the environment, as each cloud's own tools read them (`AWS_ENDPOINT_URL`, …).
    Raises `SettingsError` for a URL that names no store and `StorageError` for a directory that cannot be made.
    """
    scheme = urlsplit(url).scheme
    if scheme in ("", "file"):
        path = unquote(urlsplit(url).path) if scheme else url
        return ObjectStorage(_local(Path(path).expanduser().absolute()))
    if scheme == "memory":
        return ObjectStorage(MemoryStore())
    if scheme not in _SCHEMES:
        raise SettingsError(
            f"storage {url!r} names no store",
            remedy="write a directory, or a URL that begins with s3://, gs://, az://, file:// or memory://",
        )
    return ObjectStorage(_cloud(url, scheme))


class ObjectStorage:
    """Keeps the promises of `ports.Storage` for any obstore store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._root = Path(str(store.prefix)) if isinstance(store, LocalStore) else None

    def get(self, key: str) -> bytes:
        with _refusals(key, "read"):
            return bytes(self._store.get(_sound(key)).bytes())

    def put(self, key: str, data: bytes) -> None:
        with _refusals(key, "written"):
            self._store.put(_sound(key), data, use_multipart=len(data) > _SMALL)

    def create(self, key: str, data: bytes) -> bool:
        with _refusals(key, "created"):
            try:
                self._store.put(_sound(key), data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

    def list(self, prefix: str) -> Iterator[str]:
        folder = prefix.rstrip("/")
        keys = self._keys(folder)
        yield from sorted(keys) if self._root else keys  # a directory has no order of its own; every other store has

    def delete(self, key: str) -> None:
        with _refusals(key, "deleted"):
            try:
                self._store.delete(_sound(key))
            except FileNotFoundError:
                return

    def upload(self, key: str, path: Path) -> None:
        if not path.is_file():
            raise NotFoundError(f"{path} cannot be stored as {key!r}: there is no such file")
        with _refusals(key, "written"):
            self._store.put(_sound(key), path, chunk_size=_SMALL)

    def move(self, key: str, path: Path) -> None:
        if self._root is None or not _renamed(path, self._root / _sound(key)):
            self.upload(key, path)
            path.unlink()

    def fetch(self, key: str, folder: Path) -> Path:
        target = (self._root or folder) / _sound(key)
        if target.is_file():
            return target
        with _refusals(key, "fetched"):
            chunks = self._store.get(key).stream(min_chunk_size=_SMALL)
            target.parent.mkdir(parents=True, exist_ok=True)
            with _whole_file(target) as descriptor, os.fdopen(descriptor, "wb") as file:
                file.writelines(bytes(chunk) for chunk in chunks)
        return target

    def _keys(self, folder: str) -> Iterator[str]:
        with _refusals(f"{folder}/", "listed"):
            for batch in self._store.list(folder or None, chunk_size=1000):
                yield from (entry["path"] for entry in batch if entry["path"] != folder)


def _local(path: Path) -> LocalStore:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused(f"storage directory {path}", "made", error.strerror or str(error), error.errno) from error
    return LocalStore(path)


def _cloud(url: str, scheme: str) -> ObjectStore:
    # An endpoint of one's own (MinIO, a test server) often speaks plain HTTP; who names one has said so.
    plain = scheme.startswith("s3") and os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    try:
        return from_url(
            url,
            client_options={"allow_http": plain},
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=30)},
        )
    except (BaseError, ValueError) as error:
        raise SettingsError(
            f"storage {url!r} cannot be opened: {_first_line(error)}",
            remedy="check the URL, the credentials and the endpoint in the environment",
        ) from error


def _sound(key: str) -> str:
    if any(name in ("", ".", "..") for name in key.split("/")):
        raise StorageError(f"{key!r} is no key of an object", remedy=_REMEDIES[errno.EINVAL])
    return key


@contextmanager
def _refusals(key: str, verb: str) -> Iterator[None]:
    """Turns what obstore and the operating system raise into our errors, each naming the key and its state."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(
            f"object {key!r} is not in the store", remedy="check the key; it may have been collected"
        ) from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise _refused(f"object {key!r}", verb, _first_line(error), errno.EACCES) from error
    except OSError as error:
        raise _refused(f"object {key!r}", verb, error.strerror or str(error), error.errno) from error
    except (BaseError, ValueError) as error:
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else errno.EINVAL if isinstance(error, ValueError) else None
        raise _refused(f"object {key!r}", verb, _first_line(error), number) from error


def _refused(thing: str, verb: str, cause: str, number: int | None) -> LoopwrightError:
    return StorageError(f"{thing} could not be {verb}: {cause}", remedy=_REMEDIES.get(number, _REMEDIES[None]))


_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space, or let the store live elsewhere",
    errno.EDQUOT: "the disk quota is used up: free some space, or ask for more",
    errno.EFBIG: "the file would be larger than this process may write: raise its limit (ulimit -f)",
    errno.EROFS: "the file system is read-only: let the store live on one that can be written",
    errno.EACCES: "this user may not: mend the permissions or the credentials",
    errno.EPERM: "this user may not: mend the permissions",
    errno.ENOTDIR: "a file stands where a folder is needed: move it away",
    errno.EEXIST: "a file stands where a folder is needed: move it away",
    errno.EISDIR: "a folder stands where the object should: choose another key",
    errno.ENAMETOOLONG: "the file system takes names of up to 255 bytes: choose a shorter key",
    errno.EINVAL: "a key is made of names parted by single slashes, without '.' or '..'",
    None: "check that the store answers, and the settings that name it",
}


def _renamed(path: Path, target: Path) -> bool:
    """Whether that could be done: not to another disk, say. An upload tells what is amiss."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    except OSError:
        return False
    return True


@contextmanager
def _whole_file(target: Path) -> Iterator[int]:
    """A descriptor to write to; `target` appears when all is written, and nothing stays behind when it fails."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".fetching-")
    try:
        yield descriptor
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
