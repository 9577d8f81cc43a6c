"""A real server process: it answers, follows revisions, captures what it answered, and ends in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Serve = Callable[..., Any]


def test_what_was_answered_is_captured_when_the_server_ends(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle(version=3))
    server = serve()
    for number in range(30):
        response = server.infer({**row, "n": number}, headers={"X-Loopwright-Prediction-Id": f"p{number}"})
        assert response.status_code == 200, response.text
        assert response.json() == {"predictions": [1.5 + 10 * number]}
    assert server.stop() == 0, server.log.read_text()
    captured = {one["prediction_id"]: one for one in project.captured()}
    assert {name: one["output.prediction"] for name, one in captured.items()} == {
        f"p{number}": 1.5 + 10 * number for number in range(30)
    }
    assert sum(one["requests"] for one in project.summaries()) == 30
