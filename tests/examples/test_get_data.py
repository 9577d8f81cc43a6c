"""The loader: takes only the very files that the examples were made for, wherever they come from."""

from __future__ import annotations

import io
import runpy
import urllib.request
import zipfile
from pathlib import Path

import pytest

from .conftest import EXAMPLES

LOADER = runpy.run_path(str(EXAMPLES / "get_data.py"))
HOUR = "bike_sharing_hourly/hour.csv"


def test_every_example_has_its_data_named() -> None:
    examples = {path.parent.name for path in EXAMPLES.glob("*/loopwright.toml")}
    assert set(LOADER["DATA_SETS"]) == examples
    for one in LOADER["DATA_SETS"].values():
        assert one.licence
        assert all(file.url.startswith("https://") and len(file.sha256) == 64 for file in one.files)


def test_another_file_of_the_same_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / HOUR).parent.mkdir()
    (tmp_path / HOUR).write_text("instant,cnt\n1,2\n")
    with pytest.raises(SystemExit, match="not the file this example was made for"):
        LOADER["get"]("bike_demand", tmp_path / "data", tmp_path)
    assert list((tmp_path / "data").iterdir()) == []


def test_a_folder_without_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="cannot be had"):
        LOADER["get"]("bike_demand", tmp_path / "data", tmp_path)


def test_what_is_there_already_is_not_fetched_again(data_folder: Path, tmp_path: Path) -> None:
    (first,) = LOADER["get"]("bike_demand", tmp_path, data_folder)
    (again,) = LOADER["get"]("bike_demand", tmp_path, tmp_path / "no such folder")
    assert first == again == tmp_path / "hour.csv"


def test_the_publisher_s_archive_is_opened(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline: what would be downloaded is packed here, as its publisher packs it, one archive in the other."""
    bank = (data_folder / "bank_marketing" / "bank-additional-full.csv").read_bytes()
    archive = zipped("bank-additional.zip", zipped("bank-additional/bank-additional-full.csv", bank))
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: io.BytesIO(archive))
    (path,) = LOADER["get"]("bank_marketing", tmp_path)
    assert path.read_bytes() == bank


def zipped(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()
