"""A notifier that keeps what it is given."""

from __future__ import annotations

from loopwright.ports.notifier import Notice


class MemoryNotifier:
    """`ports.Notifier` in memory, for tests: each notice once, in the order sent, in `notices`."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def send(self, notice: Notice) -> None:
        if all(kept.id != notice.id for kept in self.notices):
            self.notices.append(notice)
