"""What a source string means: the files it names, on local disk or in an object store, or the query it is."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from loopwright.errors import SourceError

SUFFIXES = {
    ".csv": "delimited",
    ".tsv": "delimited",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""How a file is read, by how its name ends."""

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
"""What the URL of an object store begins with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """One file of a source. `mark` changes when a remote file does; None for a local one, whose bytes tell.

    `bring(folder)` gives it as a local file, copying a remote one into `folder`.
    """

    origin: str
    format: str
    mark: str | None
    bring: Callable[[Path], Path]


def is_query(source: str) -> bool:
    """Whether a source is SQL rather than a place."""
    return re.match(r"\s*(select|with)\s", source, re.IGNORECASE) is not None


def list_source(source: str, root: Path) -> list[SourceFile]:
    """The files that `source` names, in lexical order. Raises `SourceError` where there are none, or none readable."""
    scheme = urlsplit(source).scheme if "://" in source else ""
    if scheme == "file":
        return _local(unquote(urlsplit(source).path), root, source)
    if scheme in SCHEMES:
        return _remote(source)
    if scheme:
        raise SourceError(f"{source} begins with {scheme}://, which names no store", remedy=_FORMATS)
    return _local(source, root, source)


def _local(pattern: str, root: Path, source: str) -> list[SourceFile]:
    place = root / pattern
    if place.is_dir():
        found = sorted(
            path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES and not _hidden(path, place)
        )
    elif place.exists():
        found = [place]
    else:
        found = sorted(path for path in _matching(place) if path.is_file())
    if not found:
        raise SourceError(_nothing(place, source), remedy=f"paths are relative to {root}; {_FORMATS}")
    return [_local_file(path, root) for path in found]


def _matching(pattern: Path) -> list[Path]:
    named = glob.glob(str(pattern), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    return [Path(name) for name in named]


def _local_file(path: Path, root: Path) -> SourceFile:
    origin = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    return SourceFile(origin=origin, format=_format(origin), mark=None, bring=lambda _: path)


def _nothing(place: Path, source: str) -> str:
    if place.is_dir():
        return f"the directory {source} holds no file that can be read"
    if glob.has_magic(source):
        return f"nothing matches {source}"
    return f"there is no file {source}"


def _hidden(path: Path, base: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(base).parts)


def _remote(url: str) -> list[SourceFile]:
    parts = urlsplit(url, allow_fragments=False)
    bucket, path = f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")
    literal = re.split(r"[*?\[]", path, maxsplit=1)[0]
    folder = literal.rsplit("/", 1)[0] if "/" in literal else ""
    try:
        store = open_store(bucket)
        objects = [entry for batch in obstore.list(store, prefix=folder or None) for entry in batch]
    except (BaseError, ValueError) as error:
        raise SourceError(
            f"{bucket} does not answer: {str(error).splitlines()[0]}",
            remedy="check the name, the region and the credentials in the environment",
        ) from None
    wanted = _wanted(path)
    named = sorted((entry["path"], entry) for entry in objects if wanted(entry["path"]))
    if not named:
        raise SourceError(f"nothing lies at {url}", remedy=_FORMATS)
    return [_remote_file(store, bucket, path, entry) for path, entry in named]


def open_store(bucket: str) -> Any:
    """The object store behind `s3://bucket`, `gs://bucket` or `az://container`, by the environment's credentials."""
    # An endpoint of one's own (MinIO, a test server) often speaks plain HTTP; who names one has said so.
    plain = bucket.startswith("s3") and os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return from_url(
        bucket,
        client_options={"allow_http": plain},
        retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=30)},
    )


def _wanted(path: str) -> Callable[[str], bool]:
    """Whether a key is meant: named itself, matched as a glob, or a readable file below the prefix."""
    if glob.has_magic(path):
        pattern = re.compile(_as_regex(path))
        return lambda key: pattern.fullmatch(key) is not None
    below = path.rstrip("/") + "/" if path else ""
    return lambda key: key == path or (key.startswith(below) and Path(key).suffix.lower() in SUFFIXES)


def _as_regex(pattern: str) -> str:
    """A glob as a regular expression: `*` and `?` stay within a folder, `**/` crosses folders."""
    tokens = re.split(r"(\*\*/|\*|\?|\[[^\]]*\])", pattern)
    known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return "".join(known.get(token) or (token if token.startswith("[") else re.escape(token)) for token in tokens)


def _remote_file(store: Any, bucket: str, path: str, entry: Any) -> SourceFile:
    origin = f"{bucket}/{path}"
    mark = f"{entry['e_tag']}:{entry['size']}:{entry['last_modified'].isoformat()}"

    def bring(folder: Path) -> Path:
        target = folder / Path(path).name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with target.open("wb") as file:
                for chunk in obstore.get(store, path).stream():
                    file.write(chunk)
        except BaseError as error:
            raise SourceError(
                f"{origin} cannot be read: {str(error).splitlines()[0]}",
                remedy="check that the credentials may read it",
            ) from None
        return target

    return SourceFile(origin=origin, format=_format(origin), mark=mark, bring=bring)


def _format(origin: str) -> str:
    suffix = Path(origin).suffix.lower()
    if suffix not in SUFFIXES:
        raise SourceError(
            f"{origin} ends in {suffix or 'no extension'}, which is no known kind of table", remedy=_FORMATS
        )
    return SUFFIXES[suffix]


_FORMATS = (
    f"name local paths or URLs such as s3://bucket/folder, files that end in {', '.join(SUFFIXES)}, "
    "or read anything else by SQL (a source that begins with SELECT)"
)
