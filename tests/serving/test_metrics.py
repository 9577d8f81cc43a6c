"""What Prometheus reads: its own parser must find every figure, whatever the names are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from loopwright.serving.batch import gather, join
from loopwright.serving.metrics import prometheus
from loopwright.serving.served import Failed, Lost
from loopwright.serving.totals import EDGES_ROWS, EDGES_SECONDS, Tally, Totals, added

AT = datetime(2026, 1, 2, tzinfo=UTC)


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """By name, and by the labels that are no version's."""
    return {
        (
            one.name,
            tuple(sorted((name, value) for name, value in one.labels.items() if name in ("kind", "le"))),
        ): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_counts_are_found_by_prometheus_own_parser(served: Callable[..., Any]) -> None:
    totals, first = Totals(), served({"x": [1]}, [1.0], latency_ms=0.2)
    slow = served({"x": [1, 2]}, [1.0, 2.0], latency_ms=30_000)
    totals.serve(join(gather([first, slow])))
    totals.fail({Failed(first.live, AT, "model"): 3})
    totals.lose(first.live, Lost(AT, requests=1, rows=5))
    totals.lose_summary(("demand", "champion", 1))
    totals.batch(first.live, 3)
    found = samples(prometheus("s", totals.tallies, {"workers": 1, "capture_lag_seconds": 0.5}))
    assert found["loopwright_requests_total", ()] == 3
    assert found["loopwright_rows_total", ()] == 8
    assert found["loopwright_errors_total", (("kind", "model"),)] == 3
    assert found["loopwright_capture_dropped_total", ()] == 5
    assert found["loopwright_summaries_lost_total", ()] == 1
    assert found["loopwright_latency_seconds_bucket", (("le", "0.00025"),)] == 1
    assert found["loopwright_latency_seconds_bucket", (("le", "10"),)] == 1
    assert found["loopwright_latency_seconds_bucket", (("le", "+Inf"),)] == 2
    assert found["loopwright_latency_seconds_count", ()] == 2
    assert abs(found["loopwright_latency_seconds_sum", ()] - 30.0002) < 1e-9
    assert found["loopwright_batch_rows_bucket", (("le", "2"),)] == 0
    assert found["loopwright_batch_rows_bucket", (("le", "4"),)] == 1
    assert found["loopwright_batch_rows_sum", ()] == 3
    assert found["loopwright_capture_lag_seconds", ()] == 0.5


@settings(max_examples=50)
@given(st.text(), st.text(), st.text())
def test_names_of_any_kind_are_kept(server: str, endpoint: str, variant: str) -> None:
    text = prometheus(server, {(endpoint, variant, 3): Tally(requests=2)}, {"workers": 1})
    (one,) = [
        s for f in text_string_to_metric_families(text) for s in f.samples if s.name == "loopwright_requests_total"
    ]
    assert one.labels == {"server": server, "endpoint": endpoint, "variant": variant, "version": "3"}


COUNTS = st.integers(0, 10**9)
TALLIES = st.builds(
    Tally,
    requests=COUNTS,
    rows=COUNTS,
    dropped=COUNTS,
    errors=st.dictionaries(st.sampled_from(["model", "request"]), COUNTS),
    latency=st.lists(COUNTS, min_size=len(EDGES_SECONDS) + 1, max_size=len(EDGES_SECONDS) + 1),
    batches=st.lists(COUNTS, min_size=len(EDGES_ROWS) + 1, max_size=len(EDGES_ROWS) + 1),
)
WORKERS = st.lists(st.dictionaries(st.tuples(st.just("e"), st.sampled_from("ab"), st.just(1)), TALLIES), max_size=3)


@settings(max_examples=30)
@given(WORKERS)
def test_workers_add_up_in_any_order(workers: list[Any]) -> None:
    total = added(workers)
    assert total == added(reversed(workers))
    assert sum(one.requests for one in total.values()) == sum(t.requests for w in workers for t in w.values())
    assert sum(sum(one.latency) for one in total.values()) == sum(sum(t.latency) for w in workers for t in w.values())
    assert sum(one.errors.get("model", 0) for one in total.values()) == sum(
        tally.errors.get("model", 0) for worker in workers for tally in worker.values()
    )
