"""Files in an object store: found by key, prefix or glob, brought here whole or as far as it takes to tell columns."""

from __future__ import annotations

import glob
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.exceptions import BaseError
from obstore.store import from_url

from loopwright.data.files import FORMATS, SourceFile, format_of, is_readable
from loopwright.errors import SourceError

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
"""What the URL of an object store begins with."""

HEAD = 1 << 20
"""Bytes of a text file that are enough to tell its columns."""


def list_remote(url: str) -> list[SourceFile]:
    """The files at `url` (an object, a prefix or a glob), in lexical order. Raises `SourceError`."""
    parts = urlsplit(url, allow_fragments=False)
    bucket, path = f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")
    literal = re.split(r"[*?\[]", path, maxsplit=1)[0]
    folder = literal.rsplit("/", 1)[0] if "/" in literal else ""
    try:
        store = open_store(bucket)
        objects = [entry for batch in obstore.list(store, prefix=folder or None) for entry in batch]
    except (BaseError, FileNotFoundError, ValueError) as error:
        raise SourceError(
            f"{bucket} does not answer: {str(error).splitlines()[0]}",
            remedy="check the name, the region and the credentials in the environment",
        ) from None
    wanted = _wanted(path)
    named = sorted((entry["path"], entry) for entry in objects if wanted(entry["path"]))
    if not named:
        raise SourceError(f"nothing lies at {url}", remedy=FORMATS)
    return [_file(store, bucket, path, entry) for path, entry in named]


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
    return lambda key: key == path or (key.startswith(below) and is_readable(key[len(below) :]))


def _as_regex(pattern: str) -> str:
    """A glob as a regular expression: `*` and `?` stay within a folder, `**/` crosses folders."""
    tokens = re.split(r"(\*\*/|\*|\?|\[[^\]]*\])", pattern)
    known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return "".join(known.get(token) or (token if token.startswith("[") else re.escape(token)) for token in tokens)


def _file(store: Any, bucket: str, path: str, entry: Any) -> SourceFile:
    origin = f"{bucket}/{path}"
    written = format_of(origin)

    def bring(folder: Path) -> Path:
        target = _target(folder, path)
        with _readable(origin), target.open("wb") as file:
            for chunk in obstore.get(store, path).stream():
                file.write(chunk)
        return target

    def sample(folder: Path) -> Path:
        if entry["size"] <= HEAD:
            return bring(folder)
        target = _target(folder, path)
        with _readable(origin):
            if written == "parquet":
                return target if _write_empty(_footer(store, path, entry["size"]), target) else bring(folder)
            head = bytes(obstore.get_range(store, path, start=0, length=HEAD))
            target.write_bytes(head[: head.rfind(b"\n") + 1] or head)
        return target

    mark = f"{entry['e_tag']}:{entry['size']}:{entry['last_modified'].isoformat()}"
    return SourceFile(origin=origin, format=written, mark=mark, bring=bring, sample=sample)


def _target(folder: Path, path: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / Path(path).name


def _footer(store: Any, path: str, size: int) -> bytes:
    """The end of a Parquet file, which describes the rest: its last 8 bytes say how long it is."""
    length = int.from_bytes(bytes(obstore.get_range(store, path, start=size - 8, length=4)), "little")
    start = max(size - 8 - length, 0)
    return bytes(obstore.get_range(store, path, start=start, length=size - start))


def _write_empty(footer: bytes, target: Path) -> bool:
    """Write a Parquet file with the columns that `footer` describes and no rows; False where it describes none."""
    try:
        pq.write_table(pq.read_schema(io.BytesIO(b"PAR1" + footer)).empty_table(), target)
    except (pa.ArrowInvalid, OSError):
        return False
    return True


@contextmanager
def _readable(origin: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise SourceError(
            f"{origin} cannot be read: {str(error).splitlines()[0]}", remedy="check that the credentials may read it"
        ) from None
