"""The pages on HTTP and storage: requests go to a real server, answers come back, and what is left lies as they say."""

from __future__ import annotations

import re
from pathlib import Path

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


def _places() -> list[re.Pattern[str]]:
    """The keys that the page on storage lists, as patterns."""
    page = (ROOT / "docs/reference/storage.md").read_text(encoding="utf-8")
    heads = re.findall(r"^\| (`[^|]*) \|", page, flags=re.MULTILINE)
    keys = [key for head in heads for key in re.findall(r"`([^`]+)`", head)]
    return [re.compile(re.sub(r"<[^>]+>", "[^/]+", re.escape(key)).replace("…", ".+")) for key in keys]
