"""The page on HTTP: its requests are sent to a real server, and its answers come back."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from loopwright.adapters.local.hosting import LocalHosting
from tests.docs.pages import ROOT, blocks
from tests.docs.running import Reader


def test_the_doors_answer_as_the_page_says(project: Path, tmp_path: Path) -> None:
    store, nobody = str(project / ".loopwright/store"), "http://127.0.0.1:9"
    with LocalHosting(store, address=nobody, spool=tmp_path / "spool").reach("delivery") as url:
        port = str(urlsplit(url).port)
        Reader(project, ports={"8401": port}).read(blocks(ROOT / "docs/reference/http.md"))
