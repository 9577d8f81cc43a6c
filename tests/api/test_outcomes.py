"""Outcomes over HTTP: they end in the ledger in the object store, once."""

from __future__ import annotations

import io

import polars as pl
import pytest

from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Manifest
from loopwright.core.codec import to_json
from loopwright.traffic.outcomes import decode_outcomes, outcomes_folder
from loopwright.traffic.predictions import segment_key


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


def test_performance_is_told_as_the_labels_come(client, platform, release):
    release("first")
    manifest = Manifest(
        model="demand",
        task="regression",
        runtime="python",
        signature=task_signature("regression", (), ()),
        files={},
        created=platform.clock.now(),
    )
    platform.storage.put("bundles/first/bundle.json", to_json(manifest))
    at = [platform.clock.now()] * 8
    rows = pl.DataFrame(
        {
            "prediction_id": [f"p-{place}" for place in range(8)],
            "version": [1] * 8,
            "at": at,
            "key": pl.Series([None] * 8, dtype=pl.String),
            "output.prediction": [10.0] * 8,
        }
    )
    sink = io.BytesIO()
    rows.write_parquet(sink)
    platform.storage.put(segment_key("demand", at[0], "server", 1), sink.getvalue())
    told = [{"prediction_id": f"p-{place}", "value": 12.0} for place in range(6)]
    platform.clock.sleep(3600)
    client.post("/api/v1/outcomes", json={"endpoint": "demand", "outcomes": told})
    found = client.get("/api/v1/models/demand/performance?since=2d&window=1d").json()
    (version,) = found["versions"]
    assert (version["predictions"], version["outcomes"], version["metrics"]["mae"]) == (8, 6, 2.0)
    assert version["corrected"]["rmse"]["value"] == 2.0
    assert (found["lag"]["known"], found["lag"]["within"]["0.5"]) == (6, 3600.0)
    assert "nothing can be estimated" in found["notes"][0]
    before = at[0].isoformat().replace("+", "%2B")
    assert client.get(f"/api/v1/models/demand/performance?as_of={before}").json()["lag"]["known"] == 0


@pytest.mark.parametrize(
    ("url", "status"), [("models/nobody/performance", 404), ("models/demand/performance?since=ages", 422)]
)
def test_performance_of_nobody_or_of_no_time_is_refused(client, release, url, status):
    release("first")
    assert client.get(f"/api/v1/{url}").status_code == status
