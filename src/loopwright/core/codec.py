"""Records to JSON and back: one codec for files, the state database and the wire of jobs."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def to_json(record: Any) -> bytes:
    """`record` (a dataclass, or plain values) as canonical JSON: keys sorted, so equal records give equal bytes."""
    return msgspec.json.encode(record, order="sorted", enc_hook=_python_value)


def from_json(data: bytes | str, kind: type[T]) -> T:
    """The record of type `kind` that `data` spells. Raises `ValueError` that names the field which does not fit."""
    return msgspec.json.decode(data, type=kind)


def to_plain(record: Any) -> Any:
    """`record` as dicts (their keys are texts), lists, strings and numbers."""
    return msgspec.to_builtins(record, str_keys=True, enc_hook=_python_value)


def from_plain(values: Any, kind: Any) -> Any:
    """The record of type `kind` (any annotation msgspec understands) that `values` spell. Raises `ValueError`."""
    return msgspec.convert(values, type=kind, str_keys=True)


def _python_value(value: Any) -> Any:
    """NumPy's scalars, which slip into records from arithmetic, as Python's own."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a record")
