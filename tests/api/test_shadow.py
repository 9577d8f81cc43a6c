"""A shadow's comparison over HTTP."""

from __future__ import annotations

import io

import polars as pl

from loopwright.core.codec import to_json
from loopwright.traffic.predictions import segment_key
from tests.manifests import draft_manifest


def capture(platform, version: int, *, shadow: bool, shift: float = 0.0) -> None:
    now = platform.clock.now()
    manifest = draft_manifest("regression", now)
    platform.storage.put(f"{platform.registry.get('demand', version).folder}/bundle.json", to_json(manifest))
    frame = pl.DataFrame(
        {
            "prediction_id": [f"r{place}" for place in range(50)],
            "version": [version] * 50,
            "at": [now] * 50,
            "key": pl.Series([None] * 50, dtype=pl.String),
            "shadow": [shadow] * 50,
            "input.shop": ["north", "south"] * 25,
            "output.prediction": [place + shift for place in range(50)],
        }
    )
    sink = io.BytesIO()
    frame.write_parquet(sink)
    platform.storage.put(segment_key("demand", now, "server", version), sink.getvalue())


def test_a_shadow_is_held_against_what_was_answered(client, platform, release):
    release("first")
    release("second")
    capture(platform, 1, shadow=False)
    capture(platform, 2, shadow=True, shift=2.0)
    platform.clock.sleep(60)
    found = client.get("/api/v1/endpoints/demand/shadow", params={"by": ["shop"], "since": "1h"}).json()
    assert (found["version"], found["against"], found["rows"]) == (2, 1, 50)
    assert found["differences"]["whole"]["shift"]["value"] == 2.0
    assert {one["value"] for one in found["differences"]["segments"]} >= {"north", "south"}


def test_what_cannot_be_compared_is_told_as_a_problem(client, platform, release):
    release("first")
    assert client.get("/api/v1/endpoints/demand/shadow").status_code == 404
    capture(platform, 1, shadow=False)
    release("second")
    capture(platform, 2, shadow=True)
    platform.clock.sleep(60)
    wrong = client.get("/api/v1/endpoints/demand/shadow", params={"by": ["weather"]})
    assert (wrong.status_code, "was not captured" in wrong.json()["detail"]) == (422, True)
    odd = client.get("/api/v1/endpoints/demand/shadow", params={"since": "soon"})
    assert (odd.status_code, odd.json()["title"].startswith("What was asked cannot be answered")) == (422, True)
