"""The reference pages say what the code says: every setting, every command, every error."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from loopwright import errors
from loopwright.settings import Settings
from tests.cli.test_main import commands

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", ["settings.md", "commands.md", "errors.md"])
def test_a_page_is_as_the_code_has_it(name: str) -> None:
    pages = runpy.run_path(str(REFERENCE / "generate.py"))["PAGES"]
    found = (REFERENCE / name).read_text(encoding="utf-8")
    assert found == pages[name](), f"run: python docs/reference/generate.py ({name} is not what the code says)"


def test_every_setting_command_and_error_is_named() -> None:
    pages = {name: (REFERENCE / name).read_text() for name in ("settings.md", "commands.md", "errors.md")}
    assert [one for one in Settings.model_fields if f"| `{one}` |" not in pages["settings.md"]] == []
    missing = [words for words in commands() if f"# loopwright {' '.join(words)}\n" not in pages["commands.md"]]
    assert missing == []
    assert [one for one in errors.__all__ if f"| `{one}` |" not in pages["errors.md"]] == []


def test_every_setting_and_every_error_has_its_sentence() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert [name for name in errors.__all__ if not getattr(errors, name).__doc__] == []
