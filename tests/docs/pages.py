"""The pages of the documentation, taken apart: their code blocks with the marks above them, their links, their words.

A mark is an HTML comment on the line above a block, unseen by readers:

    <!-- file: NAME -->      the block is the content of this file
    <!-- edit: NAME -->      the block takes its place in this contract
    <!-- background -->      the command goes on running while the rest of the page is worked through
    <!-- again -->           the commands are repeated until they say what the text block below them says
    <!-- refused -->         the command ends with 1, as it should
    <!-- not run: WHY -->    the block is read, not run: its commands, settings and names must exist
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the mark above it (`kind` and what it says)."""

    page: Path
    line: int
    language: str
    text: str
    kind: str = ""
    said: str = ""

    @property
    def place(self) -> str:
        return f"{name(self.page)}:{self.line}"

    @property
    def runs(self) -> bool:
        return self.kind != "not run"

    def commands(self) -> list[str]:
        """A console block's commands; one may go on over several lines, by a backslash or within quotes."""
        found, pending = [], ""
        for line in re.sub(r"\\\n\s*", "", self.text).splitlines():
            pending = f"{pending}\n{line}" if pending else line
            try:
                words = shlex.split(pending, comments=True)
            except ValueError:  # a quote is open
                continue
            found += [pending] if words else []
            pending = ""
        assert not pending, f"{self.place}: a quote is not closed"
        return found


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return list(_blocks(page))


def prose(page: Path) -> str:
    """The page without its fenced blocks and comments."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)


def code_words(page: Path) -> list[str]:
    """What stands between backticks in the prose."""
    return re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(page))


def links(page: Path) -> list[str]:
    """The targets of the page's links, those to other sites left out."""
    found = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(page))
    return [one for one in found if not re.match(r"[a-z]+:", one)]


def anchors(page: Path) -> set[str]:
    """What a link may name behind its `#`: the headings, as Git hosts spell them."""
    heads = re.findall(r"^#{1,6} +(.+?)\s*$", prose(page), flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", head.replace("`", "").lower()) for head in heads)
    return {head.replace(" ", "-") for head in plain}


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        kind, _, said = (found["mark"] or "").partition(":")
        indent = found["indent"]
        lines = [line.removeprefix(indent) for line in found["text"].splitlines()]
        yield Block(
            page=page,
            line=text.count("\n", 0, found.start("fence")) + 1,
            language=found["language"],
            text="\n".join(lines) + "\n",
            kind=kind.strip(),
            said=said.strip(),
        )


_FENCE = re.compile(
    r"(?:^[ ]*<!-- (?P<mark>[^\n]*?) -->\n)?"
    r"^(?P<indent>[ ]*)(?P<fence>```)(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
