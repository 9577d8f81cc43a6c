"""What all policies check of what is written: each field by its annotation, and what several are bound by alike."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import fields
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from loopwright.core.clock import parse_duration
from loopwright.errors import DeclarationError


def check_fields(declared: Any, of: str | None = None) -> None:
    """Hold every field of a frozen dataclass against its annotation; a list becomes the tuple that it stands for.

    `True` is no number, an int will do for a float, and numbers are finite: so they are read back as they were written.
    Messages begin with `of`, or the class. Raises `DeclarationError`.
    """
    policy: Any = type(declared)
    begin = of or policy.__name__
    for name, kind in _kinds(policy).items():
        value = getattr(declared, name)
        if get_origin(kind) is tuple:
            value = as_tuple(f"{begin} {name}", value)
            object.__setattr__(declared, name, value)
        check_kind(f"{begin} {name}", value, kind)


def check_kind(what: str, value: object, kind: Any) -> None:
    if not _fits(value, kind):
        raise DeclarationError(f"{what} is {value!r:.80}", remedy=f"write {_words(kind)}")


def as_tuple(what: str, values: Iterable[Any]) -> tuple[Any, ...]:
    """`values` in their order, which a set has not. Raises `DeclarationError` where they are not several."""
    if isinstance(values, str | Set) or not isinstance(values, Iterable):
        items = sorted(values, key=repr) if isinstance(values, Set) else [values]
        raise DeclarationError(f"{what} is {values!r:.80}", remedy=f"write a list: {what.split()[-1]}={items!r:.80}")
    return tuple(values)


def one_of(names: Iterable[str]) -> str:
    return f"choose one of {', '.join(names)}"


def check_share(what: str, value: float) -> None:
    if not 0 <= value < 1:
        raise DeclarationError(f"{what} is {value}", remedy="write a share from 0 to below 1")


def check_some_time(what: str, text: str) -> None:
    check_duration(what, text)
    if not parse_duration(text):
        raise DeclarationError(f"{what} has no length", remedy="for example 1d")


def check_duration(what: str, text: str) -> None:
    try:
        parse_duration(text)
    except ValueError as error:
        raise DeclarationError(f"{what}: {error}", remedy="for example 1d") from None


@cache
def _kinds(declared: Any) -> dict[str, Any]:
    hints = get_type_hints(declared)
    return {one.name: hints[one.name] for one in fields(declared)}


_LARGEST = 2**63 - 1
"""Of the whole numbers that JSON takes everywhere."""


def _fits(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(one, inner[0]) for one in value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST
    if kind is float:
        return (isinstance(value, float) and isfinite(value)) or _fits(value, int)
    return isinstance(value, kind)


_WORDS = {float: "a number", int: "a whole number", str: "a text", bool: "True or False"}


def _words(kind: Any) -> str:
    """What to write for a field of this kind."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f'"{one}"' for one in inner)
    if origin is tuple:
        return f"a list, each of it {_words(inner[0])}"
    if origin in (Union, UnionType):
        said = " or ".join(_words(one) for one in inner if one is not NoneType)
        return f"{said}, or leave it out" if NoneType in inner else said
    return _WORDS.get(kind, f"{kind.__name__}(…)")
