"""Outcomes over HTTP: they end in the ledger in the object store, once."""

from __future__ import annotations

import pytest

from loopwright.traffic.outcomes import decode_outcomes, outcomes_folder


def kept(platform):
    keys = platform.storage.list(outcomes_folder("demand"))
    return [one for key in keys for one in decode_outcomes(platform.storage.get(key))]


def test_outcomes_are_kept_once_by_prediction_or_by_key(client, platform, release):
    release("first")
    told = {
        "endpoint": "demand",
        "outcomes": [
            {"prediction_id": "p-1", "value": 12.5, "at": "2026-01-02T00:00:00+01:00"},
            {"key": "17", "value": "yes"},
            {"prediction_id": "p-3", "value": True},
        ],
    }
    first = client.post("/api/v1/outcomes", json=told)
    assert first.status_code == 201
    assert first.json()["kept"] == 3
    assert client.post("/api/v1/outcomes", json=told).json() == first.json()
    found = kept(platform)
    assert [(one.prediction_id, one.key, one.value) for one in found] == [
        ("p-1", None, 12.5),
        (None, "17", "yes"),
        ("p-3", None, True),
    ]
    assert found[0].at.isoformat() == "2026-01-02T00:00:00+01:00"
    assert found[1].at == platform.clock.now()


@pytest.mark.parametrize(
    ("outcome", "named"),
    [
        ({"value": 1}, "names no prediction"),
        ({"prediction_id": "p-1"}, "value"),
        ({"prediction_id": "p-1", "value": None}, "value"),
        ({"prediction_id": "p-1", "value": 1, "at": "2026-01-02T00:00:00"}, "at"),
        ({"prediction_id": "p-1", "value": 1, "at": "yesterday"}, "at"),
        ({"prediction_id": "", "value": 1}, "prediction_id"),
        ({"prediction_id": "p-1", "value": 1, "when": "now"}, "when"),
    ],
)
def test_a_bad_one_is_named_and_none_is_kept(client, platform, release, outcome, named):
    release("first")
    good = {"prediction_id": "p-0", "value": 1}
    answer = client.post("/api/v1/outcomes", json={"endpoint": "demand", "outcomes": [good, outcome]})
    assert answer.status_code == 422
    assert named in answer.json()["detail"]
    assert kept(platform) == []


def test_an_endpoint_that_nobody_knows_keeps_none(client):
    told = {"endpoint": "../demand", "outcomes": [{"prediction_id": "p-1", "value": 1}]}
    assert client.post("/api/v1/outcomes", json=told).status_code in (404, 422)
