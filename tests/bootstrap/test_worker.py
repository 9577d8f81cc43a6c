"""The worker survives what users' files and single models do to it."""

from __future__ import annotations

import logging

import pytest

from loopwright.bootstrap.platform import open_platform
from loopwright.bootstrap.worker import Worker

MODEL = (
    "from loopwright import Model, NewData, Canary\nmodel = Model({name!r}, source='data.csv', target='sold'{more})\n"
)


@pytest.fixture
def platform(tmp_path, clock):
    for name in ("alpha", "beta"):
        (tmp_path / f"{name}.py").write_text(MODEL.format(name=name, more=""))
    opened = open_platform(tmp_path, overrides={"tracking": "off"}, clock=clock)
    yield opened
    opened.close()


def test_one_models_mishap_keeps_no_other_from_its_turn_and_is_logged_in_full_once(platform, monkeypatch, caplog):
    looked = []

    def tick(_, declarations, look_at_source):
        looked.extend(declarations)
        if "alpha" in declarations:
            raise ZeroDivisionError("nothing to divide by")
        return []

    monkeypatch.setattr(type(platform.monitors), "tick", tick)
    worker = Worker(platform)
    with caplog.at_level(logging.ERROR):
        beats = [worker.tick() for _ in range(3)]
    assert looked == ["alpha", "beta"] * 3
    assert beats[0].troubles == ["monitors of alpha: ZeroDivisionError: nothing to divide by"]
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_a_run_whose_file_is_broken_ends_and_says_why(platform):
    (platform.root / "alpha.py").write_text("from loopwright import Model\nmodel = Model('alpha'\n")
    submitted = platform.journal.submit("alpha", cause="by hand", actor="ann")
    ended = Worker(platform).work()
    assert (ended.id, ended.status) == (submitted.id, "failed")
    assert "alpha.py, line 2" in ended.fault.message
    assert Worker(platform).work() is None


def test_a_broken_file_keeps_no_run_of_another_from_its_start(platform):
    (platform.root / "alpha.py").write_text("from loopwright import nothing\n")
    platform.journal.submit("beta", cause="by hand", actor="ann")
    ended = Worker(platform).work()
    assert "data.csv" in ended.fault.message, "it came as far as its source, which is not there"


def test_doors_are_told_what_is_declared_whenever_that_changes(platform):
    worker = Worker(platform)
    worker.tick()
    assert [(one.name, one.file) for one in platform.declared] == [("alpha", "alpha.py"), ("beta", "beta.py")]
    (platform.root / "beta.py").unlink()
    (platform.root / "gamma.py").write_text(MODEL.format(name="gamma", more=", retrain=[NewData(5)], rollout=Canary()"))
    worker.tick()
    _, gamma = platform.declared
    assert gamma.name == "gamma"
    assert gamma.declaration["retrain"] == [{"kind": "NewData", "min_rows": 5}]
    assert gamma.declaration["rollout"]["kind"] == "Canary"


def test_what_a_killed_compaction_left_on_disk_goes(platform):
    left = platform.home / "cache" / "compaction-killed"
    left.mkdir(parents=True)
    (left / "whole.parquet").write_bytes(b"half")
    assert Worker(platform).tick().troubles == []
    assert not left.exists()
