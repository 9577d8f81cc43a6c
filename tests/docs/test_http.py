"""The pages on HTTP and storage: requests go to a real server, answers come back, and what is left lies as they say."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import httpx

from loopwright.adapters.local.hosting import LocalHosting
from tests.docs.pages import ROOT, blocks
from tests.docs.running import Reader


def test_the_doors_answer_as_the_page_says(project: Path, tmp_path: Path) -> None:
    store, nobody = str(project / ".loopwright/store"), "http://127.0.0.1:9"
    with LocalHosting(store, address=nobody, spool=tmp_path / "spool").reach("delivery") as client:
        port = str(client.base_url.port)
        Reader(project, ports={"8401": port}).read(blocks(ROOT / "docs/reference/http.md"))
    left = {path.relative_to(store).as_posix() for path in Path(store).rglob("*") if path.is_file()}
    assert {key.split("/")[0] for key in left} >= {"datasets", "bundles", "endpoints", "predictions", "summaries"}
    assert sorted(key for key in left if not any(place.fullmatch(key) for place in _places())) == []


def test_the_page_on_grpc_asks_a_server(project: Path, tmp_path: Path) -> None:
    page = blocks(ROOT / "docs/how-to/grpc.md")
    (asking,) = [block for block in page if block.language == "python"]
    http, at_grpc = _free_port(), _free_port()
    command = [sys.executable, "-m", "loopwright.bootstrap.server", "--storage", str(project / ".loopwright/store")]
    command += ["--port", str(http), "--grpc-port", str(at_grpc), "--spool", str(tmp_path)]
    with (tmp_path / "server.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _wait_for(f"http://127.0.0.1:{http}/v2/health/ready", server)
            reader = Reader(project, ports={"8402": str(at_grpc)})
            reader.read([replace(asking, kind="")])
        finally:
            server.terminate()
    assert re.fullmatch(r"\[.+ .+\] champion\n", reader.said), reader.said


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            if httpx.get(url, timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError("the server is not ready")


def _places() -> list[re.Pattern[str]]:
    """The keys that the page on storage lists, as patterns."""
    page = (ROOT / "docs/reference/storage.md").read_text(encoding="utf-8")
    heads = re.findall(r"^\| (`[^|]*) \|", page, flags=re.MULTILINE)
    keys = [key for head in heads for key in re.findall(r"`([^`]+)`", head)]
    return [re.compile(re.sub(r"<[^>]+>", "[^/]+", re.escape(key)).replace("…", ".+")) for key in keys]
