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
from loopwright.serving import batch as batches
from loopwright.serving.batch import Batch
from loopwright.serving.recorder import Served
from loopwright.serving.typed import as_arrow, gathered

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
    served: Callable[..., Any], monkeypatch: Any, data: st.DataObject, strange: bool
) -> None:
    monkeypatch.setattr(batches, "CHUNK", 2)
    sent = data.draw(st.lists(requests(strange), min_size=1, max_size=6))
    records = [served(columns, [0.0] * len(columns["extra"])) for columns in sent]
    batch = Batch(records[0].live, records)
    for column in (*batch.live.model.inputs,):
        apart = gathered([(one.columns.get(column.name), one.rows) for one in records])
        assert as_arrow(column.kind, batch.column(column.name)).equals(as_arrow(column.kind, apart))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(NUMBER | STRANGE, min_size=2, max_size=2), min_size=1, max_size=6))
def test_blocks_are_gathered_as_their_columns_are(rows: list[list[Any]]) -> None:
    names = ("a", "b")
    live: Any = SimpleNamespace(
        model=SimpleNamespace(names=names, inputs=[Input(name=name, kind="number") for name in names])
    )
    blocks = [Block(names, row, 1) for row in rows]
    gathered_at_once, apart = (
        Batch(live, [Served(live, "p", 1, AT, None, 1.0, columns, {}) for columns in some])
        for some in (blocks, [block.columns() for block in blocks])
    )
    for name in names:
        assert as_arrow("number", gathered_at_once.column(name)).equals(as_arrow("number", apart.column(name)))


def test_long_arrays_stay_arrays(served: Callable[..., Any]) -> None:
    records = [served({"x": np.array([1.0, 2.0]), "n": np.array([1, 2])}, [0.0, 0.0]) for _ in range(2)]
    batch = Batch(records[0].live, records)
    assert isinstance(batch.column("n"), np.ndarray)
    assert as_arrow("number", batch.column("x")).to_pylist() == [1.0, 2.0, 1.0, 2.0]
