"""Captured predictions meet what came true."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.core.codec import to_json
from loopwright.errors import DataError
from loopwright.monitoring.performance import performance
from loopwright.monitoring.records import PerformanceReport
from loopwright.outcomes.telling import record_outcomes
from loopwright.traffic.outcomes import Outcome
from loopwright.traffic.predictions import segment_key
from tests.manifests import draft_manifest

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def live(promote, storage) -> Callable[..., None]:
    """`live("first", "regression")`: a champion of that task."""

    def make(name: str, task: str = "regression") -> None:
        version = promote(name)
        manifest = draft_manifest(task, START)
        storage.put(f"{version.folder}/bundle.json", to_json(manifest))

    return make


@pytest.fixture
def predicted(storage) -> Callable[..., None]:
    """`predicted({"prediction": [1.0]}, ids=["a"])`: a segment as a server writes it."""
    sequence = [0]

    def write(
        outputs: dict[str, pa.Array],
        *,
        ids: Sequence[str],
        keys: Sequence[str | None] | None = None,
        at: Sequence[datetime] | None = None,
        version: int = 1,
        shadow: bool | None = None,
    ) -> None:
        count = len(ids)
        at = at or [START + timedelta(minutes=place) for place in range(count)]
        table = pa.table(
            {
                "prediction_id": pa.array(ids, pa.string()),
                "endpoint": pa.array(["demand"] * count),
                "revision": pa.array([1] * count, pa.int64()),
                "variant": pa.array(["champion"] * count),
                "version": pa.array([version] * count, pa.int64()),
                "at": pa.array(at, pa.timestamp("us", "UTC")),
                "key": pa.array(keys or [None] * count, pa.string()),
                "latency_ms": pa.array([1.0] * count),
                **({} if shadow is None else {"shadow": pa.array([shadow] * count)}),
                "input.temp": pa.array([0.5] * count),
                **{f"output.{name}": values for name, values in outputs.items()},
            }
        )
        sink = io.BytesIO()
        pq.write_table(table, sink)
        sequence[0] += 1
        storage.put(segment_key("demand", at[0], "server", sequence[0]), sink.getvalue())

    return write


@pytest.fixture
def measured(storage, registry, tmp_path) -> Callable[..., PerformanceReport]:
    def report(days: int = 7, window: str = "1d") -> PerformanceReport:
        return performance(
            "demand",
            START,
            START + timedelta(days=days),
            storage=storage,
            registry=registry,
            scratch=tmp_path,
            window=window,
        )

    return report


def told(storage, *outcomes: Outcome, on: datetime = START + timedelta(days=1)) -> None:
    record_outcomes(storage, outcomes, on)


def of(prediction: str, value: object, at: datetime = START) -> Outcome:
    return Outcome(endpoint="demand", prediction_id=prediction, value=value, at=at)


def by_key(key: str, value: object) -> Outcome:
    return Outcome(endpoint="demand", key=key, value=value, at=START)


def test_outcomes_meet_their_predictions_by_id_and_coverage_counts_the_rest(live, predicted, measured, storage):
    live("first")
    predicted({"prediction": pa.array([10.0, 20.0, 30.0])}, ids=["a", "b", "c"])
    told(storage, of("a", 13), of("b", 16.0))
    (version,) = measured().versions
    assert (version.version, version.predictions, version.outcomes) == (1, 3, 2)
    assert version.coverage == pytest.approx(2 / 3)
    assert version.metrics["mae"] == pytest.approx(3.5)
    assert version.metrics["rmse"] == pytest.approx(np.sqrt((9 + 16) / 2))


def test_outcomes_meet_their_predictions_by_key_but_an_id_comes_first(live, predicted, measured, storage):
    live("first")
    predicted({"prediction": pa.array([10.0, 20.0])}, ids=["a", "b"], keys=["7", "8"])
    told(storage, by_key("7", 11), by_key("8", 99), of("b", 21))
    (version,) = measured().versions
    assert (version.outcomes, version.metrics["mae"]) == (2, pytest.approx(1.0))


def test_the_latest_outcome_counts_in_whatever_order_they_are_told(live, predicted, measured, storage):
    live("first")
    predicted({"prediction": pa.array([10.0])}, ids=["a"])
    told(storage, of("a", 10, START + timedelta(days=2)))
    told(storage, of("a", 50, START + timedelta(days=1)), on=START + timedelta(days=3))
    (version,) = measured().versions
    assert version.metrics["mae"] == 0.0


def test_telling_the_same_outcomes_twice_keeps_them_once(storage):
    told(storage, of("a", 1))
    told(storage, of("a", 1))
    assert len(list(storage.list("outcomes/demand"))) == 1


def test_what_a_shadow_said_is_not_measured(live, predicted, measured, storage):
    live("v1")
    told(storage, of("a", 1.0))
    predicted({"prediction": pa.array([1.5])}, ids=["a"], shadow=False)
    predicted({"prediction": pa.array([9.0])}, ids=["a"], shadow=True)
    (measured_one,) = measured().versions
    assert (measured_one.predictions, measured_one.version) == (1, 1)


def test_windows_and_versions_are_measured_apart(live, predicted, measured, storage):
    live("first")
    live("second")
    days = [START, START + timedelta(days=1)]
    predicted({"prediction": pa.array([10.0, 10.0])}, ids=["a", "b"], at=days)
    predicted({"prediction": pa.array([12.0, 12.0])}, ids=["c", "d"], at=days, version=2)
    told(storage, of("a", 10), of("b", 14), of("c", 10), of("d", 14))
    report = measured()
    assert [one.metrics["mae"] for one in report.versions] == [2.0, 2.0]
    found = [(one.start.day, one.version, one.metrics["mae"]) for one in report.windows]
    assert found == [(1, 1, 0.0), (1, 2, 2.0), (2, 1, 4.0), (2, 2, 2.0)]


def test_a_segment_of_yesterday_that_reaches_into_the_period_is_read(live, predicted, measured, storage):
    live("first")
    predicted(
        {"prediction": pa.array([1.0, 2.0])},
        ids=["a", "b"],
        at=[START - timedelta(minutes=1), START + timedelta(minutes=1)],
    )
    (version,) = measured().versions
    assert version.predictions == 1


def test_a_binary_model_is_measured_on_the_probability_of_its_positive_class(live, predicted, measured, storage):
    live("first", "binary")
    outputs = {"probability": pa.array([0.9, 0.8, 0.3, 0.1]), "label": pa.array(["yes", "yes", "no", "no"])}
    predicted(outputs, ids=list("abcd"))
    told(storage, of("a", "yes"), of("b", "no"), of("c", "yes"), of("d", "no"))
    (version,) = measured().versions
    assert version.metrics["accuracy"] == 0.5
    assert version.metrics["roc_auc"] == 0.75


def test_a_multiclass_model_is_measured_on_its_probabilities_and_an_unknown_class_is_left_out(
    live, predicted, measured, storage
):
    live("first", "multiclass")
    rows = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.5, 0.3, 0.2]])
    outputs = {
        "probabilities": pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), 3),
        "label": pa.array(["a", "b", "a"]),
    }
    predicted(outputs, ids=list("abc"))
    told(storage, of("a", "a"), of("b", "c"), of("c", "new"))
    report = measured()
    (version,) = report.versions
    assert (version.outcomes, version.metrics["accuracy"]) == (2, 0.5)
    assert any("1 outcome is none of its classes a, b, c" in note for note in report.notes)


def test_without_outcomes_there_is_coverage_of_nothing_and_without_predictions_nothing(live, predicted, measured):
    live("first")
    assert measured().versions == ()
    predicted({"prediction": pa.array([10.0])}, ids=["a"])
    (version,) = measured().versions
    assert (version.coverage, version.metrics) == (0.0, {})


@pytest.mark.parametrize("wrong", ["plenty", True, "inf", "1,5"])
def test_an_outcome_that_is_no_number_is_counted_and_the_others_are_measured(live, predicted, measured, storage, wrong):
    live("first")
    predicted({"prediction": pa.array([10.0, 10.0])}, ids=["a", "b"])
    told(storage, of("a", wrong), of("b", 13.0))
    report = measured()
    (version,) = report.versions
    assert (version.outcomes, version.metrics["mae"]) == (1, 3.0)
    assert any("1 outcome is no number" in note for note in report.notes)


def test_a_damaged_batch_is_named(live, predicted, measured, storage):
    live("first")
    predicted({"prediction": pa.array([10.0])}, ids=["a"])
    storage.put("outcomes/demand/2026-01-02/damaged.jsonl", b'{"endpoint": "dem')
    with pytest.raises(DataError, match=r"damaged\.jsonl"):
        measured()


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (by_key("", 1), "names no prediction"),
        (of("a", float("nan")), "has no value"),
        (of("a", float("-inf")), "is -inf"),
        (Outcome(endpoint="other", prediction_id="a", value=1, at=START), "is of other"),
        (of("a", 1, START.replace(tzinfo=None)), "without a zone"),
    ],
)
def test_a_bad_outcome_is_refused_and_none_is_kept(storage, outcome, said):
    with pytest.raises(DataError, match=f"outcome 2 of demand {said}|outcome 2 of demand is of .* {said}"):
        told(storage, of("a", 1), outcome)
    assert list(storage.list("outcomes")) == []


@pytest.mark.parametrize("value", [0.1 + 0.2, 1e-300, 123456789.123456789, -7, 2**53])
def test_numbers_survive_the_ledger_exactly(live, predicted, measured, storage, value):
    live("first")
    predicted({"prediction": pa.array([float(value)])}, ids=["a"])
    told(storage, of("a", value))
    (version,) = measured().versions
    assert version.metrics["mae"] == 0.0
