"""Cores are those that this process may use, not those that the machine has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loopwright.core import cores


@pytest.fixture
def quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a container's quota, on a machine of 8 cores."""
    monkeypatch.setattr(cores, "QUOTAS", (tmp_path / "cpu.max", tmp_path / "cpu.cfs_quota_us"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    return tmp_path / "cpu.max"


@pytest.mark.parametrize(
    ("said", "found"), [("max 100000", 8), ("150000 100000", 2), ("20000 100000", 1), ("6400000 100000", 8), ("", 8)]
)
def test_a_containers_share_counts_where_it_is_less(quota: Path, said: str, found: int) -> None:
    quota.write_text(said)
    assert cores.available_cores() == found


def test_without_a_quota_it_is_the_cores_this_process_may_run_on(quota: Path) -> None:
    assert cores.available_cores() == 8


@pytest.mark.parametrize(("said", "found"), [("300000", 3), ("-1", 8)])
def test_the_older_form_of_quotas_is_read(quota: Path, said: str, found: int) -> None:
    (quota.parent / "cpu.cfs_quota_us").write_text(said)
    (quota.parent / "cpu.cfs_period_us").write_text("100000")
    assert cores.available_cores() == found
