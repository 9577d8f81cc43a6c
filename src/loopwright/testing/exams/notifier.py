"""The exam of `ports.Notifier`."""

from __future__ import annotations

from collections.abc import Callable

from loopwright.ports.notifier import Notice, Notifier

Delivered = Callable[[], list[str]]


class NotifierExam:
    """Fixtures `notifier`, and `delivered()`: what has arrived, a text a notice, in order."""

    def test_a_notice_arrives_with_its_title_and_text(self, notifier: Notifier, delivered: Delivered) -> None:
        notifier.send(Notice(id="alert-1", severity="warning", title="Drift in bike – demand", text="temp: PSI 0.31"))
        (arrived,) = delivered()
        assert "Drift in bike – demand" in arrived
        assert "temp: PSI 0.31" in arrived

    def test_notices_arrive_in_order_whatever_their_severity(self, notifier: Notifier, delivered: Delivered) -> None:
        notifier.send(Notice(id="alert-1", severity="critical", title="one", text="Endpoint down"))
        notifier.send(Notice(id="alert-2", severity="info", title="two", text='Endpoint "up"\nagain'))
        first, second = delivered()
        assert "one" in first
        assert "two" in second
