"""A shadow beside the version that answered, row by row."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from loopwright.bundle.outputs import OutputShaper
from loopwright.bundle.records import Manifest
from loopwright.core.codec import from_json, to_json
from loopwright.errors import NotFoundError, RequestError
from loopwright.monitoring.shadow_page import headline, to_html
from loopwright.monitoring.shadow_records import ShadowComparison
from loopwright.monitoring.shadows import ANSWER, compare_shadow, draw_shadow, pair_shadow
from loopwright.outcomes.telling import record_outcomes
from loopwright.traffic.outcomes import Outcome
from loopwright.traffic.predictions import segment_key
from loopwright.traffic.summary import LATENCY_EDGES_MS, WindowSummary, summary_key
from tests.manifests import draft_manifest

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 300


@pytest.fixture
def version(promote, storage) -> Callable[..., Manifest]:
    """`version("first", "binary")`: a registered version of that task."""

    def make(name: str, task: str = "regression", **changes: Any) -> Manifest:
        registered = promote(name)
        manifest = draft_manifest(task, START, **changes)
        storage.put(f"{registered.folder}/bundle.json", to_json(manifest))
        return manifest

    return make


@pytest.fixture
def captured(storage) -> Callable[..., None]:
    """`captured(manifest, scores, version=1)`: a segment as a server writes it; ids are r0, r1, …"""
    sequence = [0]

    def write(
        manifest: Manifest,
        scores: np.ndarray,
        *,
        version: int = 1,
        shadow: bool = False,
        ids: Sequence[str] | None = None,
        keys: Sequence[str] | None = None,
        **inputs: Sequence[Any],
    ) -> None:
        count = len(scores)
        outputs = OutputShaper(manifest)(scores, count)
        frame = pl.DataFrame(
            {
                "prediction_id": list(ids or [f"r{place}" for place in range(count)]),
                "version": [version] * count,
                "at": [START + timedelta(seconds=place) for place in range(count)],
                "key": pl.Series(keys or [None] * count, dtype=pl.String),
                "shadow": [shadow] * count,
                **{f"input.{name}": values for name, values in inputs.items()},
                **{
                    f"output.{name}": pl.Series(values, dtype=pl.Array(pl.Float64, values.shape[1]))
                    if values.ndim == 2
                    else pl.Series(values)
                    for name, values in outputs.items()
                },
            }
        )
        sink = io.BytesIO()
        frame.write_parquet(sink)
        sequence[0] += 1
        storage.put(segment_key("demand", START, "server", sequence[0]), sink.getvalue())

    return write


@pytest.fixture
def paired(storage, registry, tmp_path):
    def read(**asked: Any):
        until = START + timedelta(days=1)
        where = {"storage": storage, "registry": registry, "scratch": tmp_path}
        return pair_shadow("demand", START, until, **where, **asked)

    return read


@pytest.fixture
def two(version, captured) -> Callable[..., np.ndarray]:
    """A champion and a shadow that answers 1 more in the north; gives what the champion answered."""

    def make(**inputs: Any) -> np.ndarray:
        first, second = version("first"), version("second")
        values = np.random.default_rng(0).normal(10, 2, ROWS)
        shop = np.where(np.arange(ROWS) % 3, "south", "north")
        captured(first, values, shop=shop, **inputs)
        captured(second, values + (shop == "north"), version=2, shadow=True, shop=shop)
        return values

    return make


def test_rows_of_both_are_held_against_each_other_by_segment(two, paired):
    two()
    found = compare_shadow(paired(by=["shop"]))
    assert (found.version, found.against, found.rows, found.unpaired, found.repeated) == (2, 1, ROWS, 0, 0)
    assert found.notes == ()
    whole = found.differences.whole
    assert whole.changed.value == pytest.approx(1 / 3)
    assert whole.shift.value == pytest.approx(1 / 3)
    assert whole.shift.low < 1 / 3 < whole.shift.high
    by_shop = {one.value: one.shift.value for one in found.differences.segments if one.column == "shop"}
    assert by_shop == pytest.approx({"south": 0.0, "north": 1.0})
    assert sum(one.column == ANSWER for one in found.differences.segments) == 10


def test_slices_that_were_not_captured_are_passed_over_but_a_column_asked_for_is_told(two, paired):
    two()
    assert paired(slices=["weather", "shop"]).by == ("shop",)
    with pytest.raises(RequestError, match="'weather' of demand was not captured"):
        paired(by=["weather"])


def test_only_rows_with_one_answer_and_one_shadow_are_compared(version, captured, paired):
    first, second = version("first"), version("second")
    captured(first, np.arange(4.0), ids=["a", "b", "twice", "twice"])
    captured(second, np.arange(4.0), ids=["b", "c", "twice", "twice"], version=2, shadow=True)
    found = compare_shadow(paired())
    assert (found.rows, found.unpaired, found.repeated) == (1, 1, 2)
    assert found.differences.whole.shift.value == pytest.approx(-1.0)
    assert len(found.notes) == 2


def test_the_order_in_which_rows_were_captured_does_not_matter(version, captured, paired):
    first, second = version("first"), version("second")
    captured(first, np.array([1.0, 2.0, 3.0]), ids=["a", "b", "c"])
    captured(second, np.array([3.0, 1.0, 2.0]), ids=["c", "a", "b"], version=2, shadow=True)
    assert compare_shadow(paired()).differences.whole.p95 == 0


def test_it_is_held_against_the_version_that_answered_most(version, captured, paired):
    first, second, third = version("first"), version("second"), version("third")
    captured(first, np.zeros(2), ids=["a", "b"])
    captured(second, np.zeros(3), ids=["c", "d", "e"], version=2)
    captured(third, np.ones(5), ids=["a", "b", "c", "d", "e"], version=3, shadow=True)
    found = compare_shadow(paired())
    assert (found.against, found.rows, found.unpaired) == (2, 3, 2)


def test_the_last_shadow_is_meant_unless_another_is_named(version, captured, paired):
    first, second, third = version("first"), version("second"), version("third")
    captured(first, np.zeros(5))
    captured(second, np.zeros(2), version=2, shadow=True)
    captured(third, np.zeros(4), version=3, shadow=True)
    assert paired().version == 3
    assert paired(version=2).version == 2
    with pytest.raises(NotFoundError, match="version 1 of demand has not, as a shadow, predicted anything"):
        paired(version=1)


def test_without_a_shadow_there_is_nothing_to_compare(version, captured, paired):
    captured(version("first"), np.zeros(5))
    with pytest.raises(NotFoundError, match="no shadow of demand has predicted anything"):
        paired()


def test_a_shadow_of_uncaptured_answers_has_no_differences(version, captured, paired):
    version("first")
    captured(version("second"), np.zeros(5), version=2, shadow=True)
    found = compare_shadow(paired(by=["shop"]))
    assert (found.against, found.rows, found.differences, found.answered) == (None, 0, None, None)
    assert "nothing to compare" in found.notes[0]
    assert draw_shadow(paired()) is None
    assert "0 rows could be compared" in to_html(found, None)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_classes_that_flip_are_counted_and_drawn(version, captured, paired, task):
    first, second = version("first", task), version("second", task)
    random = np.random.default_rng(1)
    scores = random.random(ROWS) if task == "binary" else random.dirichlet(np.ones(3), ROWS)
    other = 1 - scores if task == "binary" else np.roll(scores, 1, axis=1)
    captured(first, scores)
    captured(second, other, version=2, shadow=True)
    pair = paired()
    found = compare_shadow(pair)
    assert found.differences.whole.flipped.value == pytest.approx(1.0)
    assert sum(sum(row.values()) for row in found.differences.flips.values()) == ROWS
    page = to_html(found, draw_shadow(pair))
    assert "data:image/png;base64,iVBOR" in page
    assert "answered ↓ shadow →" in page


def test_numbers_and_classes_cannot_be_compared(version, captured, paired):
    first, second = version("first"), version("second", "binary")
    captured(first, np.zeros(5))
    captured(second, np.zeros(5), version=2, shadow=True)
    found = compare_shadow(paired())
    assert found.differences is None
    assert "cannot be compared" in found.notes[0]


def test_known_outcomes_give_both_versions_metrics_on_the_same_rows(two, paired, storage):
    values = two()
    told = [
        Outcome(endpoint="demand", prediction_id=f"r{place}", value=float(values[place]) + 0.5, at=START)
        for place in range(0, ROWS, 2)
    ]
    record_outcomes(storage, told, START + timedelta(hours=2))
    found = compare_shadow(paired())
    assert found.outcomes == ROWS / 2
    mae = next(one for one in found.metrics if one.name == "mae")
    assert (mae.answered, mae.shadow) == pytest.approx((0.5, 0.5))
    assert mae.difference == pytest.approx(0.0)
    assert mae.low <= 0 <= mae.high


def test_a_better_shadow_is_shown_to_be_better(version, captured, paired, storage):
    first, second = version("first"), version("second")
    random = np.random.default_rng(2)
    truth = random.normal(0, 1, ROWS)
    captured(first, truth + random.normal(0, 1, ROWS))
    captured(second, truth + random.normal(0, 0.3, ROWS), version=2, shadow=True)
    told = [
        Outcome(endpoint="demand", prediction_id=f"r{place}", value=float(one), at=START)
        for place, one in enumerate(truth)
    ]
    record_outcomes(storage, told, START + timedelta(hours=2))
    rmse = next(one for one in compare_shadow(paired()).metrics if one.name == "rmse")
    assert rmse.low > 0.4
    assert rmse.difference == pytest.approx(0.7, abs=0.15)


def test_errors_and_latency_are_those_of_the_time_when_the_shadow_was_there(two, paired, storage):
    two()

    def counted(version: int, minute: int, *, requests: int, errors: int, ms: float, shadow: bool = False) -> None:
        latency = [0] * (len(LATENCY_EDGES_MS) + 1)
        latency[next(place for place, edge in enumerate(LATENCY_EDGES_MS) if edge >= ms)] = requests
        one = WindowSummary(
            endpoint="demand",
            revision=1,
            variant="shadow" if shadow else "champion",
            version=version,
            start=START + timedelta(minutes=minute),
            seconds=60.0,
            requests=requests,
            rows=requests,
            errors={"model": errors} if errors else {},
            latency=tuple(latency),
            shadow=shadow,
        )
        storage.put(summary_key(one, "server", minute), to_json(one))

    counted(1, 0, requests=1000, errors=500, ms=50.0)  # before
    counted(1, 10, requests=98, errors=2, ms=1.0)
    counted(2, 10, requests=90, errors=10, ms=3.0, shadow=True)
    found = compare_shadow(paired())
    assert (found.answered.requests, found.answered.errors) == (100, {"model": 2})
    assert (found.shadow.requests, found.shadow.error_share.value) == (100, pytest.approx(0.1))
    assert found.shadow.error_share.low < 0.1 < found.shadow.error_share.high
    assert found.answered.p50_ms == pytest.approx(1.0, rel=0.21)
    assert found.shadow.p99_ms == pytest.approx(3.0, rel=0.21)


def test_the_record_survives_the_codec_and_is_said_in_a_sentence(two, paired):
    two()
    found = compare_shadow(paired())
    assert from_json(to_json(found), ShadowComparison) == found
    assert headline(found).startswith("300 rows that version 1 answered from 2026-01-01 00:00")
    assert "33.3% [" in headline(found)
