"""Requests of any mixture are put end to end as if each column were gathered by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.bundle.blocks import Block
from loopwright.bundle.records import Input
from loopwright.serving.batch import JOINED, gather, join
from loopwright.serving.served import Served
from loopwright.serving.typed import as_arrow, gathered
from loopwright.traffic.records import CapturePolicy

AT = datetime(2026, 1, 2, tzinfo=UTC)
NUMBER = st.floats(width=32) | st.integers(-9, 9) | st.booleans() | st.none() | st.sampled_from(["2.5", " 1 "])
STRANGE = st.sampled_from(["x", "", [1], {"a": 1}, 10**400])
VALUES = {"x": NUMBER, "n": st.integers() | st.none(), "shop": st.text(max_size=2) | STRANGE, "open": st.booleans()}


@st.composite
def requests(draw: Any, strange: bool) -> dict[str, list[Any]]:
    rows = draw(st.integers(1, 3))
    names = draw(st.sets(st.sampled_from(sorted(VALUES))))
    values = {name: VALUES[name] | STRANGE if strange else VALUES[name] for name in names}
    return {name: draw(st.lists(kind, min_size=rows, max_size=rows)) for name, kind in values.items()} | {
        "extra": [0] * rows
    }


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), strange=st.booleans())
def test_columns_gathered_at_once_are_those_gathered_one_by_one(
    served: Callable[..., Any], data: st.DataObject, strange: bool
) -> None:
    sent = data.draw(st.lists(requests(strange), min_size=1, max_size=6))
    records = [served(columns, [0.0] * len(columns["extra"])) for columns in sent]
    cut = data.draw(st.integers(0, len(records)))
    batch = join([*gather(records[:cut]), *gather(records[cut:])])
    for column in batch.live.model.inputs:
        apart = gathered([(one.columns.get(column.name), one.rows) for one in records])
        assert as_arrow(column.kind, batch.columns[column.name]).equals(as_arrow(column.kind, apart))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(NUMBER | STRANGE, min_size=2, max_size=2), min_size=1, max_size=6))
def test_blocks_are_gathered_as_their_columns_are(rows: list[list[Any]]) -> None:
    names = ("a", "b")
    live: Any = _Live(names)
    blocks = [Block(names, row, 1) for row in rows]
    together, apart = (
        join(gather([Served(live, "p", 1, AT, None, 1.0, columns, {}) for columns in some]))
        for some in (blocks, [block.columns() for block in blocks])
    )
    for name in names:
        assert as_arrow("number", together.columns[name]).equals(as_arrow("number", apart.columns[name]))


def test_many_batches_are_joined_in_their_order_with_rests_between(served: Callable[..., Any]) -> None:
    many, rests = JOINED * JOINED + 1, []
    sent = [served({"x": [number]}, [float(number)], id=str(number)) for number in range(many)]
    whole = join([batch for one in sent for batch in gather([one])], lambda: rests.append(1))
    assert whole.ids == [str(number) for number in range(many)]
    assert list(whole.columns["x"]) == whole.outputs["prediction"].tolist() == list(range(many))
    assert len(rests) > JOINED


def test_long_arrays_stay_arrays(served: Callable[..., Any]) -> None:
    records = [served({"x": np.array([1.0, 2.0]), "n": np.array([1, 2])}, [0.0, 0.0]) for _ in range(2)]
    batch = join(gather(records))
    assert isinstance(batch.columns["n"], np.ndarray)
    assert as_arrow("number", batch.columns["x"]).to_pylist() == [1.0, 2.0, 1.0, 2.0]


def test_requests_are_chosen_with_their_rows(served: Callable[..., Any]) -> None:
    sent = [({"x": [1], "shop": ["a"]}, [1.0]), ({"x": [2, 3], "shop": ["b", "c"]}, [2.0, 3.0]), ({"x": [4]}, [4.0])]
    batch = join(gather([served(*one, id=str(number), key=f"k{number}") for number, one in enumerate(sent)]))
    chosen = batch.where(np.array([False, True, True]))
    assert (chosen.ids, chosen.rows, chosen.keys) == (["1", "2"], 3, ["k1", "k1", "k2"])
    assert (list(chosen.columns["x"]), chosen.columns["shop"]) == ([2, 3, 4], ["b", "c", None])
    assert chosen.outputs["prediction"].tolist() == [2.0, 3.0, 4.0]


class _Live:
    """As much of a variant in force as a batch looks at."""

    def __init__(self, names: tuple[str, ...]) -> None:
        inputs = [Input(name=name, kind="number") for name in names]
        self.model = SimpleNamespace(names=names, inputs=inputs, manifest=SimpleNamespace(key=None, redact=()))
        self.revision = SimpleNamespace(capture=CapturePolicy(), sticky_by=None, answering=())
