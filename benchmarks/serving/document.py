"""The page of figures: the block between two marks is written by the program, everything else by people."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from serving.figures import Figure, shown

BEGIN, END = "<!-- figures: written by a program in benchmarks/ -->", "<!-- end of figures -->"


def write_block(page: Path, machine: str, figures: Sequence[Figure], pictures: Mapping[str, str]) -> None:
    """Put the figures between the marks of `page`, in the place of those of the same parts; other parts stay as they
    are. `pictures` are file names by what they show. Raises `ValueError` where the page has no marks.
    """
    head, begin, rest = page.read_text().partition(BEGIN)
    old, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks the marks {BEGIN} and {END}")
    sections = _sections(old) | {part: _section(machine, part, figures) for part in _parts(figures)}
    shown = [f"![{shows}]({name})\n" for shows, name in pictures.items() if (page.parent / name).exists()]
    page.write_text("\n".join([f"{head}{BEGIN}\n", *sections.values(), *shown, f"{END}{tail}"]))


def _sections(block: str) -> dict[str, str]:
    """What a block holds already, by part."""
    text = re.sub(r"^!\[.*\n\n?", "", block, flags=re.MULTILINE)
    each = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    return {one.split("\n", 1)[0]: f"### {one.rstrip()}\n" for one in each}


def _section(machine: str, part: str, figures: Sequence[Figure]) -> str:
    rows = [_row(one) for one in figures if one.part == part]
    table = ["| | median | least – greatest | goal | |", "|---|--:|--:|--:|---|", *rows]
    return "\n".join([f"### {part}\n", f"Measured on: {machine}.\n", *table, ""])


def _parts(figures: Sequence[Figure]) -> list[str]:
    return list(dict.fromkeys(one.part for one in figures))


def _row(one: Figure) -> str:
    if math.isnan(one.value):
        return f"| {one.name} | – | | | {one.note.splitlines()[0][:120].replace('|', '/')} |"
    verdict = {None: one.note, True: "met", False: "**not met**"}[one.met]
    spread = f"{shown(one.low)} – {shown(one.high)}"
    return f"| {one.name} | {shown(one.value)} {one.unit} | {spread} | {one.goal} | {verdict} |"
