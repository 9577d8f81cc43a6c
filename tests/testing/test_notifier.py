"""The notifier in a list takes the same exam as the real ones."""

import pytest

from loopwright.ports.notifier import Notice
from loopwright.testing.exams.notifier import NotifierExam
from loopwright.testing.notifier import MemoryNotifier


class TestMemoryNotifier(NotifierExam):
    @pytest.fixture
    def notifier(self):
        return MemoryNotifier()

    @pytest.fixture
    def delivered(self, notifier):
        return lambda: [f"{notice.title}\n{notice.text}" for notice in notifier.notices]


def test_a_notice_sent_twice_is_kept_once():
    notifier = MemoryNotifier()
    for _ in range(2):
        notifier.send(Notice(id="alert-1", severity="info", title="t", text="x"))
    assert [notice.id for notice in notifier.notices] == ["alert-1"]
