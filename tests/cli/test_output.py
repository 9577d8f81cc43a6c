"""Tables for a person: whatever the width of the terminal, no word and no figure is cut short."""

from __future__ import annotations

import pytest
from rich.console import Console

from loopwright.cli import output

HEADS = ("model", "roc_auc, corrected", "predictions", "labels", *(f"metric_{one}" for one in range(8)))
ROW = ("credit", "0.8002 (0.7851 – 0.8155)", "3,051", "3,000 (98%)", *(f"0.{one}1234" for one in range(8)))


def drawn(monkeypatch: pytest.MonkeyPatch, width: int, heads: tuple[str, ...], *rows: tuple[str, ...]) -> str:
    console = Console(width=width)
    monkeypatch.setattr(output, "console", console)
    with console.capture() as said:
        output.table(heads, rows, none="there is none")
    return said.get()


def test_no_word_is_cut_where_the_terminal_is_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    said = drawn(monkeypatch, 60, HEADS, ROW)

    assert set(said.split()) == {word for cell in (*HEADS, *ROW) for word in cell.split()}


def test_lines_are_no_wider_than_the_terminal_where_words_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    said = drawn(monkeypatch, 60, ("model", "why"), ("credit", "all of it is as it was " * 8))

    assert max(map(len, said.splitlines())) <= 60
    assert said.count("was") == 8


def test_a_word_longer_than_a_line_goes_on_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    said = drawn(monkeypatch, 60, ("model", "why"), ("credit", "x" * 300))

    assert said.count("x") == 300
    assert max(map(len, said.splitlines())) <= 60


def test_where_there_is_nothing_that_is_said_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, 60, HEADS) == "there is none\n"
