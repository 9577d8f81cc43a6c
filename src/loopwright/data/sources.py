"""What a source string means: the files it names, on local disk or in an object store, or the query it is."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from loopwright.data.files import FORMATS, SourceFile, format_of, is_readable
from loopwright.data.remote import SCHEMES, list_remote
from loopwright.errors import SourceError

__all__ = ["SourceFile", "is_query", "list_source"]


def is_query(source: str) -> bool:
    """Whether a source is SQL rather than a place."""
    return re.match(r"\s*(select|with)\s", source, re.IGNORECASE) is not None


def list_source(source: str, root: Path) -> list[SourceFile]:
    """The files that `source` names, in lexical order. Raises `SourceError` where there are none, or none readable."""
    scheme = urlsplit(source).scheme if "://" in source else ""
    if scheme == "file":
        return _local(unquote(urlsplit(source).path), root, source)
    if scheme in SCHEMES:
        return list_remote(source)
    if scheme:
        raise SourceError(f"{source} begins with {scheme}://, which names no store", remedy=FORMATS)
    return _local(source, root, source)


def _local(pattern: str, root: Path, source: str) -> list[SourceFile]:
    place = root / pattern
    if place.is_dir():
        found = sorted(path for path in place.rglob("*") if is_readable(str(path.relative_to(place))))
    elif place.exists():
        found = [place]
    else:
        found = sorted(path for path in _matching(place) if path.is_file())
    if not found:
        raise SourceError(_nothing(place, source), remedy=f"paths are relative to {root}; {FORMATS}")
    return [_local_file(path, root) for path in found]


def _matching(pattern: Path) -> list[Path]:
    named = glob.glob(str(pattern), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    return [Path(name) for name in named]


def _local_file(path: Path, root: Path) -> SourceFile:
    origin = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
    return SourceFile(origin=origin, format=format_of(origin), mark=None, bring=lambda _: path, sample=lambda _: path)


def _nothing(place: Path, source: str) -> str:
    if place.is_dir():
        return f"the directory {source} holds no file that can be read"
    if glob.has_magic(source):
        return f"nothing matches {source}"
    return f"there is no file {source}"
