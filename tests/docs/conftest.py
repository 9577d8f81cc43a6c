"""The tutorial's project with its first champion, made once; and a terminal whose commands run in this process."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loopwright.bootstrap import session as sessions
from loopwright.bootstrap.job import run_job
from loopwright.bootstrap.platform import Platform, open_platform
from loopwright.bootstrap.predictor import load_predictor
from loopwright.cli import main, output
from loopwright.testing.hosting import InProcessHosting
from loopwright.testing.jobs import InProcessCompute
from tests.docs.pages import ROOT, blocks
from tests.docs.running import Reader, Terminal
from tests.loop.conftest import quiet_environment

__all__ = ["quiet_environment"]

TUTORIAL = ROOT / "docs/tutorial/first-model.md"
FILES = ("orders.py", "delivery.py")


def quick_platform(
    root: Path | str = ".", *, environment: str | None = None, overrides: dict[str, Any] | None = None
) -> Platform:
    """The platform with its jobs and its staging in this process, and without MLflow."""
    platform = open_platform(root, environment=environment, overrides={"tracking": "off", **(overrides or {})})
    scratch = platform.root / ".loopwright" / "scratch"
    platform.__dict__["compute"] = InProcessCompute(
        platform.storage, lambda document: run_job(document, platform.storage, scratch / document.id)
    )
    platform.__dict__["hosting"] = InProcessHosting(platform.storage, load_predictor, scratch)
    return platform


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of the tutorial after its first run; not to be changed, but copied."""
    folder = tmp_path_factory.mktemp("trained") / "delivery"
    folder.mkdir()
    reader = Reader(folder)
    reader.read([block for block in blocks(TUTORIAL) if block.kind == "file" and block.said in FILES])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        makes_data = next(block for block in blocks(TUTORIAL) if "spring.csv" in block.text and not block.kind)
        reader.read([makes_data])
        with sessions.Session(quick_platform(folder)) as session:
            assert session.run().status == "succeeded"
        _forget_modules()
    return folder


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the trained project to work in, as its reader does."""
    folder = tmp_path / "delivery"
    shutil.copytree(trained, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sessions, "open_platform", quick_platform)
    monkeypatch.setattr(output, "open_platform", quick_platform)
    yield folder
    _forget_modules()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """Runs a command as the console script does."""
    monkeypatch.setattr(output.console, "width", 200)

    def run(words: list[str]) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["loopwright", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out + said.err

    return run


def _forget_modules() -> None:
    """The project's modules, so that the next page's are read anew."""
    for name in [
        name for name, module in sys.modules.items() if "/delivery/" in (getattr(module, "__file__", "") or "")
    ]:
        del sys.modules[name]
