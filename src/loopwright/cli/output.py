"""What commands share: the options that all have, and how answers and errors are said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.segment import Segments
from rich.table import Table
from rich.text import Text

from loopwright.bootstrap.platform import Platform, open_platform
from loopwright.cli.where import Where, given
from loopwright.core.codec import to_json
from loopwright.core.decision import Reason
from loopwright.errors import StorageError

console = Console()

Limit = Annotated[int, Parameter(help="How many to show.", validator=Number(gte=1))]
"""An option of commands that list."""


@Parameter(name="*")
@dataclass(frozen=True)
class Common(Where):
    """The options of a command that works on the platform."""

    def platform(self, **overrides: Any) -> Platform:
        """The project's platform; `overrides` are settings given on the command line (None: not given).

        Raises `NotFoundError` where its folder is not there.
        """
        return open_platform(self.root, environment=self.env, overrides=given(overrides))


def answer(record: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.buffer.write(to_json(record) + b"\n")
    sys.stdout.flush()


def say(text: str = "") -> None:
    """A line for a person."""
    console.print(text, highlight=False)


def write_text(path: Path, text: str) -> None:
    """Raises `StorageError`."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}", remedy="write elsewhere") from None


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, none: str = "") -> None:
    """Rows for a person; where there are none, nothing but the heads, or what `none` says instead.

    No word is cut short: where the terminal is too narrow for the longest ones, the lines are wider than it.
    """
    shown = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not shown and none:
        say(escape(none))
        return
    widths = _widths([list(cells) for cells in zip(columns, *shown, strict=True)], console.width)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name, width in zip(columns, widths, strict=True):
        drawn.add_column(name, width=width, overflow="fold")
    for cells in shown:
        drawn.add_row(*map(Text, cells))
    wide = console.options.update(width=max(console.width, sum(widths) + 2 * len(widths)))
    console.print(Segments(console.render(drawn, wide)), end="", crop=False)


def reasons(given: Iterable[Reason]) -> None:
    """A decision's reasons for a person, each with its mark."""
    marks = {"pass": "[green]✓[/]", "fail": "[red]✗[/]", "warn": "[yellow]![/]"}
    for reason in given:
        say(f"  {marks[reason.finding]} {escape(reason.text)}")


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar while something works long; what is yielded moves it: words, and the share that is done."""
    with Progress(console=console, disable=quiet, transient=True) as shown:
        task = shown.add_task(what, total=1.0)
        yield lambda text, done: shown.update(task, description=escape(text), completed=done)


_LONGEST = 44
"""How much room a word is given; what is longer, such as an address, goes on in the next line."""


def _widths(columns: Sequence[Sequence[str]], room: int) -> list[int]:
    """How wide each column of cells is: none narrower than its longest word, and none wider than it needs."""
    most = [max(cell_len(line) for cell in cells for line in cell.split("\n")) for cells in columns]
    least = [
        min(_LONGEST, max((cell_len(word) for cell in cells for word in cell.split()), default=0)) for cells in columns
    ]
    least[0] = most[0]  # names and ids come first: they are copied from here
    for level in range(room, 0, -1):
        widths = [min(max(level, low), high) for low, high in zip(least, most, strict=True)]
        if sum(widths) + 2 * len(widths) <= room:
            return widths
    return least
