"""What all policies check of what is written."""

from __future__ import annotations

from collections.abc import Iterable

from loopwright.core.clock import parse_duration
from loopwright.errors import DeclarationError


def check_names(model: str, role: str, columns: Iterable[str]) -> tuple[str, ...]:
    if isinstance(columns, str):
        raise DeclarationError(
            f"{model}: {role} is the string {columns!r}", remedy=f'write a list: {role}=["{columns}"]'
        )
    return tuple(columns)


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
