"""The store in a dictionary takes the same exam as the real ones."""

import pytest

from loopwright.testing.exams.storage import StorageExam
from loopwright.testing.storage import MemoryStorage


class TestMemoryStorage(StorageExam):
    @pytest.fixture
    def storage(self):
        return MemoryStorage()
