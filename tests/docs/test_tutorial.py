"""The tutorial, worked through from its first block to its last as a reader would, with real processes."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.docs.running import Reader


def test_the_tutorial_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    reader = Reader(tmp_path, ports={"8400": _free_port(), "8401": _free_port()})
    try:
        reader.read(blocks(ROOT / "docs/tutorial/first-model.md"))
    finally:
        if "session" in reader.names:
            reader.names["session"].close()
        reader.close()
        for module in ("orders", "delivery"):
            sys.modules.pop(module, None)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
