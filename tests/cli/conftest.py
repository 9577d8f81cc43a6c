"""The commands run in this process, as the console script runs them, on the small project of the loop's tests."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loopwright.bootstrap.platform import Platform
from loopwright.cli import main, output
from loopwright.core.sockets import free_port
from tests.loop.conftest import open_here, open_project, project, quiet_environment

__all__ = ["open_project", "project", "quiet_environment"]


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        (line,) = self.out.splitlines()
        return json.loads(line)


Command = Callable[..., Said]


@pytest.fixture
def command(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `loopwright <words>` in the small project, its jobs and its host in this process."""

    platforms: list[Platform] = []

    def opened(root: Path, *, environment: str | None = None, overrides: dict[str, Any] | None = None) -> Platform:
        platforms.append(open_here(root, **(overrides or {})).platform)
        return platforms[-1]

    def run(*words: object) -> Said:
        where = [] if "--project" in words else ["--project", str(project)]
        monkeypatch.setattr(sys, "argv", ["loopwright", *map(str, words), *where])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main()
        said = capsys.readouterr()
        while platforms:
            platforms.pop().close()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, said.out, said.err)

    for setting in ("PORT", "INFERENCE_PORT"):  # nobody else on this machine may be found there
        monkeypatch.setenv(f"LOOPWRIGHT_{setting}", str(free_port()))
    monkeypatch.setattr(output, "open_platform", opened)
    monkeypatch.setattr(output.console, "width", 240)
    return run
