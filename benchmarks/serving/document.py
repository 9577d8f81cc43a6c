"""The page of figures: the block between two marks is written by the program, everything else by people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from serving.figures import Figure, shown

BEGIN, END = "<!-- figures: written by a program in benchmarks/ -->", "<!-- end of figures -->"


def write_block(page: Path, machine: str, figures: Sequence[Figure], pictures: Mapping[str, str]) -> None:
    """Put the figures between the marks of `page`. Raises `ValueError` where it has none."""
    head, begin, rest = page.read_text().partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks the marks {BEGIN} and {END}")
    page.write_text(f"{head}{BEGIN}\n\n{block(machine, figures, pictures)}\n{END}{tail}")


def block(machine: str, figures: Sequence[Figure], pictures: Mapping[str, str]) -> str:
    """The machine, a table for each part, the pictures: file names by what they show."""
    parts = [f"Measured on: {machine}.\n"]
    for part in dict.fromkeys(one.part for one in figures):
        lines = [_row(one) for one in figures if one.part == part]
        parts.append(
            "\n".join(
                [f"### {part}\n", "| | median | least – greatest | goal | |", "|---|--:|--:|--:|---|", *lines, ""]
            )
        )
    parts += [f"![{shows}]({name})\n" for shows, name in pictures.items()]
    return "\n".join(parts)


def _row(one: Figure) -> str:
    if math.isnan(one.value):
        return f"| {one.name} | – | | | {one.note.splitlines()[0][:120].replace('|', '/')} |"
    verdict = {None: one.note, True: "met", False: "**not met**"}[one.met]
    spread = f"{shown(one.low)} – {shown(one.high)}"
    return f"| {one.name} | {shown(one.value)} {one.unit} | {spread} | {one.goal} | {verdict} |"
