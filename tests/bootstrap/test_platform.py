"""The control plane's parts, put together from the settings."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from loopwright.bootstrap.platform import open_platform


def test_who_acts_is_who_is_logged_in_unless_said_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOOPWRIGHT_ACTOR", raising=False)
    assert open_platform(tmp_path).actor == getpass.getuser()
    monkeypatch.setenv("LOOPWRIGHT_ACTOR", "the nightly build")
    assert open_platform(tmp_path).actor == "the nightly build"


def test_a_user_without_a_name_is_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", nameless)
    monkeypatch.delenv("LOOPWRIGHT_ACTOR", raising=False)
    assert open_platform(tmp_path).actor.startswith("user ")
