"""The exam of `ports.Hosting`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from loopwright.errors import HostingError
from loopwright.ports.hosting import Hosting

Release = Callable[[float], None]


class HostingExam:
    """Fixtures `hosting`; `release`, which releases a next revision of the endpoint `demand` whose model answers `row`
    with the number it is given; `spoil`, which releases one whose bundle cannot be loaded; and `row`, by column.
    """

    def test_an_endpoint_that_is_reached_answers(self, hosting: Hosting, release: Release, row: dict[str, Any]) -> None:
        release(3.0)
        assert _asked(hosting, row) == [3.0]

    def test_what_answers_is_the_newest_revision(self, hosting: Hosting, release: Release, row: dict[str, Any]) -> None:
        for number in (3.0, 4.0):
            release(number)
            assert _asked(hosting, row) == [number]
        with hosting.reach("demand") as client:
            assert client.get("/status").json()["revisions"]["demand"] == 2

    def test_a_request_that_does_not_fit_is_refused_by_the_server_not_the_host(
        self, hosting: Hosting, release: Release, row: dict[str, Any]
    ) -> None:
        release(3.0)
        with hosting.reach("demand") as client:
            refused = client.post("/endpoints/demand/invocations", json={"instances": [{}]})
            assert refused.status_code == 400
            assert refused.json()["error"]

    def test_what_fails_inside_is_passed_on(self, hosting: Hosting, release: Release) -> None:
        release(3.0)
        with pytest.raises(ZeroDivisionError), hosting.reach("demand"):
            raise ZeroDivisionError

    def test_an_endpoint_without_revisions_is_refused(self, hosting: Hosting) -> None:
        with pytest.raises(HostingError, match="demand") as caught, hosting.reach("demand"):
            pass
        assert caught.value.remedy

    def test_a_revision_that_cannot_be_served_is_refused_though_another_could(
        self, hosting: Hosting, release: Release, spoil: Callable[[], None]
    ) -> None:
        release(3.0)
        spoil()
        with pytest.raises(HostingError, match="demand"), hosting.reach("demand"):
            pass


def _asked(hosting: Hosting, row: dict[str, Any]) -> Any:
    with hosting.reach("demand") as client:
        answer = client.post("/endpoints/demand/invocations", json={"instances": [row]})
        assert answer.status_code == 200, answer.text
        return answer.json()["predictions"]
