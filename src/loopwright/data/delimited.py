"""Delimited text (CSV, TSV): its delimiter and its header, and where in it the trouble lies when it cannot be read."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from loopwright.data import kinds as k
from loopwright.errors import SourceError

DELIMITERS = (",", ";", "\t", "|")


def scan_delimited(path: Path, origin: str) -> tuple[pl.LazyFrame, Layout]:
    """The rows as text, lazily, and how the file is laid out. Raises `SourceError`."""
    layout = read_layout(path, origin)
    rows = pl.scan_csv(
        path, separator=layout.delimiter, infer_schema=False, new_columns=list(layout.names), low_memory=True
    )
    rows = rows.filter(~pl.all_horizontal(pl.all().is_null()))  # a blank line is no row
    return rows, layout


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How a delimited file is laid out: what separates its fields, and the names in its header."""

    delimiter: str
    names: tuple[str, ...]


def read_layout(path: Path, origin: str) -> Layout:
    """Delimiter and header, from the first 64 KiB. Raises `SourceError` where the file is empty or is not a table."""
    with path.open("rb") as file:
        head = file.read(65536)
        whole = not file.read(1)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise SourceError(f"{origin} is empty", remedy="write a header and at least one row, or name another source")
    text = _decode(head, origin)
    lines = text.splitlines(keepends=True)
    sample = "".join(lines if whole or len(lines) == 1 else lines[:-1])
    delimiter = _sniff(sample, origin)
    names = [name.strip() for name in next(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter))]
    return Layout(delimiter=delimiter, names=_checked(names, origin))


def explain(error: Exception, path: Path, origin: str) -> SourceError:
    """Why a delimited file could not be read, as an error that says where to look."""
    offset = bad_byte(path)
    if offset is not None:
        return _not_utf8(origin, offset)
    layout = read_layout(path, origin)
    odd = _odd_record(path, layout)
    if odd:
        line, fields = odd
        return SourceError(
            f"{origin}: line {line} has {fields} fields where the header has {len(layout.names)}",
            remedy="put quotes around fields that hold the delimiter, or remove the line",
        )
    said = str(error).splitlines()[0]
    return SourceError(
        f"{origin} cannot be read as delimited text: {said}", remedy="look for a quote that is never closed"
    )


def bad_byte(path: Path) -> int | None:
    """The offset of the first byte that is not UTF-8; None where all of the file is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with path.open("rb") as file:
        while True:
            block = file.read(1 << 20)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return offset - pending + error.start
            offset += len(block)
            if not block:
                return None


def _decode(head: bytes, origin: str) -> str:
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError as error:
        raise _not_utf8(origin, error.start) from None


def _not_utf8(origin: str, offset: int) -> SourceError:
    return SourceError(
        f"{origin} is not UTF-8: the byte at offset {offset} is no part of a character",
        remedy="convert it, for example with: iconv -f latin1 -t utf-8",
    )


def _sniff(sample: str, origin: str) -> str:
    """The delimiter that splits the header and the most lines alike; a comma where there is a single column."""
    best = max(DELIMITERS, key=lambda delimiter: _evenness(sample, delimiter))
    if _evenness(sample, best)[1] > 1:
        return best
    for foreign in (":", "^", "~", "\x01", " "):
        evenness, fields = _evenness(sample, foreign)
        if evenness == 1 and fields > 1 and sample.count("\n") > 1:
            raise SourceError(
                f"{origin} reads as a single column, but {foreign!r} would split every line into {fields} fields",
                remedy=f"save it with commas, or read it by SQL: SELECT * FROM read_csv('{origin}', delim='{foreign}')",
            )
    return ","


def _evenness(sample: str, delimiter: str) -> tuple[float, int]:
    """The share of records with as many fields as the header, and that number; (0, 1) where nothing is split."""
    widths = [len(row) for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row]
    if not widths or widths[0] < 2:
        return (0.0, 1)
    return (sum(width == widths[0] for width in widths) / len(widths), widths[0])


def _checked(names: list[str], origin: str) -> tuple[str, ...]:
    named = [name or f"column_{place}" for place, name in enumerate(names, 1)]
    k.check_names(named, origin)
    return tuple(named)


def _odd_record(path: Path, layout: Layout) -> tuple[int, int] | None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=layout.delimiter)
        for row in reader:
            if len(row) > len(layout.names):
                return reader.line_num, len(row)
    return None
