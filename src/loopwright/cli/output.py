"""What commands share: the options that all have, and how answers and errors are said."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from loopwright.bootstrap.platform import Platform, open_platform
from loopwright.core.codec import to_json

console = Console()


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """The options every command has."""

    project: Annotated[Path, Parameter(help="The project's folder.")] = Path()
    env: Annotated[str | None, Parameter(help="The environment in loopwright.toml, such as prod.")] = None
    json: Annotated[bool, Parameter(negative="", help="Answer in JSON, for a program.")] = False

    def platform(self, **overrides: Any) -> Platform:
        """The project's platform; `overrides` are settings given on the command line (None: not given)."""
        given = {name: value for name, value in overrides.items() if value is not None}
        return open_platform(self.project, environment=self.env, overrides=given)


def answer(record: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.buffer.write(to_json(record) + b"\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """A line for a person."""
    console.print(text, highlight=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows for a person; nothing but the heads where there are none."""
    drawn = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        drawn.add_row(*("" if cell is None else str(cell) for cell in row))
    console.print(drawn, highlight=False)
