"""How an error is said: what is wrong, and what to do about it."""

from __future__ import annotations

import sys

from rich.console import Console

from loopwright.core.codec import to_json
from loopwright.errors import LoopwrightError

errors = Console(stderr=True)


def fail(error: LoopwrightError, *, as_json: bool) -> None:
    """Say it to a person on standard error, or to a program on standard output."""
    if as_json:
        said = {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}
        sys.stdout.buffer.write(to_json(said) + b"\n")
        return
    errors.print(error.message, style="bold red", highlight=False, markup=False, soft_wrap=True)
    if error.remedy:
        errors.print(f"  {error.remedy}", highlight=False, markup=False, soft_wrap=True)
