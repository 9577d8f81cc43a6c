"""Each how-to page is worked through in a copy of the tutorial's project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.docs.running import Reader, Terminal

PAGES = sorted((ROOT / "docs/how-to").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_does_what_it_says(page: Path, project: Path, terminal: Terminal) -> None:
    Reader(project, terminal=terminal).read(blocks(page))
