"""The file of notices through the exam: each once, whole, whatever stood there before."""

import json

import pytest

from loopwright.adapters.local.notifier import LogNotifier
from loopwright.errors import StorageError
from loopwright.ports.notifier import Notice
from loopwright.testing.exams.notifier import NotifierExam

NOTICE = Notice(id="alert-1", severity="warning", title="Drift", text="temp: PSI 0.31")


class TestLogNotifier(NotifierExam):
    @pytest.fixture
    def notifier(self, tmp_path):
        return LogNotifier(tmp_path / "logs")

    @pytest.fixture
    def delivered(self, notifier):
        return lambda: [f"{line['title']}\n{line['text']}" for line in lines(notifier)]


def lines(notifier):
    return [json.loads(line) for line in notifier.path.read_text().splitlines()]


def test_a_notice_sent_again_stands_there_once_also_after_a_restart(tmp_path):
    for _ in range(2):
        LogNotifier(tmp_path).send(NOTICE)
    assert [line["id"] for line in lines(LogNotifier(tmp_path))] == ["alert-1"]


def test_a_torn_last_line_costs_no_other(tmp_path):
    notifier = LogNotifier(tmp_path)
    notifier.send(NOTICE)
    with notifier.path.open("a") as file:
        file.write('{"id":"alert-2","sever')
    notifier.send(Notice(id="alert-3", severity="info", title="t", text="x"))
    kept = notifier.path.read_text().splitlines()
    assert json.loads(kept[0])["id"] == "alert-1"
    assert json.loads(kept[2])["id"] == "alert-3"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "logs").write_text("in the way")
    with pytest.raises(StorageError, match="alert-1 could not be written") as caught:
        LogNotifier(tmp_path / "logs").send(NOTICE)
    assert caught.value.remedy
