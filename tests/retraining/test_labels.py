"""What labels say of themselves, and when that is suspect."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.decision import Decision
from loopwright.data.snapshot import snapshot
from loopwright.declare import Declaration
from loopwright.registry.records import ModelVersion
from loopwright.retraining.labels import look_at_labels
from loopwright.retraining.records import LabelFacts, LabelJump
from loopwright.retraining.suspicion import LEAST, suspicions
from loopwright.testing.storage import MemoryStorage

DAYS = 400


def frame(*, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    day = np.datetime64("2026-01-01T00:00:00", "us") + np.arange(DAYS).astype("timedelta64[D]")
    kind = random.integers(0, 3, DAYS)
    label = np.where(random.random(DAYS) < 0.03, (kind + 1) % 3, kind)
    return pl.DataFrame({"day": day, "id": np.arange(DAYS), "kind": kind, "label": [f"c{one}" for one in label]})


class Store:
    def __init__(self, folder: Path, **declared: object) -> None:
        self.folder, self.storage = folder, MemoryStorage()
        self.declared = Declaration(
            name="sort", source="x", target="label", **({"time": "day", "key": "id"} | declared)
        )

    def taken(self, rows: pl.DataFrame):
        rows.write_parquet(self.folder / "rows.parquet")
        scratch, source = self.folder / "scratch", str(self.folder / "rows.parquet")
        return snapshot(name="sort", source=source, root=self.folder, storage=self.storage, scratch=scratch)

    def facts(self, rows: pl.DataFrame, learned: pl.DataFrame, *, task="multiclass", until="2026-07-20T00:00:00"):
        champion = ModelVersion(
            id="v", model="sort", number=1, run="r", task=task, folder="f", digest="d", evaluated=None, dataset="s",
            code="c", created=datetime(2026, 1, 1, tzinfo=UTC), gate=Decision(passed=True, reasons=()),
            trained_until=until,
        )  # fmt: skip
        old, new = self.taken(learned), self.taken(rows)
        return look_at_labels(self.declared, new, champion, old, self.storage, self.folder / "scratch")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def changed(rows: pl.DataFrame, labels: pl.Expr, *, recent: bool) -> pl.DataFrame:
    """The rows with other labels after (or up to) what the champion has seen."""
    new = pl.col("day") > pl.datetime(2026, 7, 20)
    return rows.with_columns(label=pl.when(new if recent else ~new).then(labels).otherwise(pl.col("label")))


def rules(facts: LabelFacts) -> list[str]:
    return [one.rule for one in suspicions(facts, None)]


def test_labels_as_ever_are_not_suspect(store):
    facts = store.facts(frame(), frame().head(201))
    assert (facts.recent, facts.earlier) == (DAYS - 201, 201)
    assert (facts.only, facts.vanished, facts.corrected) == (None, (), 0)
    assert facts.known == 201
    assert rules(facts) == []


def test_one_label_for_all_new_rows_is_suspect(store):
    facts = store.facts(changed(frame(), pl.lit("c1"), recent=True), frame().head(201))
    assert facts.only[0] == "c1"
    assert "constant_label" in rules(facts)


def test_a_class_that_is_gone_is_suspect(store):
    facts = store.facts(frame().filter((pl.col("label") != "c0") | (pl.col("id") < 201)), frame().head(201))
    assert [name for name, _ in facts.vanished] == ["c0"]
    assert rules(facts) == []
    many = LabelFacts(recent=1000, earlier=1000, vanished=(("c0", 0.33),))
    assert rules(many) == ["vanished_label"]


def test_rows_that_contradict_their_likes_are_suspect(store):
    shifted = changed(frame(), pl.col("label").shift(1), recent=True).drop_nulls()
    facts = store.facts(shifted, frame().head(201))
    assert facts.twins == facts.recent
    assert facts.contradicted / facts.twins > 0.5
    assert facts.earlier_contradicted / facts.earlier_twins < 0.15
    assert rules(facts) == ["contradicted_label"]


def test_many_corrected_labels_are_suspect_with_a_key_and_without(store, tmp_path):
    other = changed(frame(), pl.concat_str(pl.lit("x"), pl.col("label")), recent=False)
    facts = store.facts(other, frame().head(201))
    assert (facts.known, facts.corrected) == (201, 201)
    assert "corrected_label" in rules(facts)
    (tmp_path / "keyless").mkdir()
    keyless = Store(tmp_path / "keyless", key=None).facts(other, frame().head(201))
    assert (keyless.known, keyless.corrected) == (201, 201)


def test_files_that_are_as_they_were_hold_no_corrections(store):
    facts = store.facts(frame(), frame())
    assert (facts.known, facts.corrected) == (0, 0)


def test_in_no_order_new_rows_are_those_beyond_as_many_as_were_learned(tmp_path):
    facts = Store(tmp_path, time=None, key="id").facts(frame(), frame().head(300), until=None)
    assert (facts.recent, facts.earlier) == (100, 300)


@pytest.mark.parametrize("rows", [frame().head(201), frame().with_columns(label=pl.lit(None, dtype=pl.String))])
def test_nothing_new_and_nothing_known_are_not_suspect(store, rows):
    facts = store.facts(rows, frame().head(201))
    assert facts.recent == 0
    assert rules(facts) == []


def test_numbers_have_no_classes_to_vanish(store):
    numbers = frame().with_columns(label=pl.col("id").cast(pl.Float64))
    facts = store.facts(numbers, numbers.head(201), task="regression")
    assert (facts.vanished, facts.twins) == ((), 0)
    assert rules(facts) == []


@given(
    st.builds(
        LabelFacts,
        recent=st.integers(0, 10**7),
        earlier=st.integers(0, 10**7),
        only=st.none() | st.tuples(st.just("a"), st.floats(0, 1)),
        vanished=st.just(()) | st.tuples(st.tuples(st.just("b"), st.floats(0, 1))),
        twins=st.integers(0, 100),
        contradicted=st.just(0),
        earlier_twins=st.integers(0, 100),
        known=st.integers(0, 1000),
        corrected=st.just(0),
    )
)
@settings(max_examples=200, deadline=None)
def test_every_doubt_has_its_figures_and_few_rows_raise_none(facts):
    found = suspicions(facts, None)
    assert all(one.text and one.figures for one in found)
    if min(facts.recent, facts.earlier) < LEAST:
        assert found == []


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"unexplained": 6.0, "error": 3.0}, "jumped_label"),
        ({"unexplained": -6.0, "error": 3.0}, "jumped_label"),
        ({"unexplained": 6.0, "error": 2.9}, None),
        ({"unexplained": 4.9, "error": 30.0}, None),
        ({"classes": True, "unexplained": -0.4, "error": 1.6}, "jumped_label"),
        ({"classes": True, "unexplained": 0.2, "error": 1.6}, None),
        ({"agreement": -0.7}, "turned_label"),
        ({"agreement": -1.0}, "turned_label"),
        ({"agreement": -0.3}, None),
        ({"agreement": None}, None),
        ({"agreement": -0.7, "rows": 60}, None),
    ],
)
def test_a_jump_is_suspect_where_inputs_do_not_explain_it(values, rule):
    calm = {"rows": 600, "earlier": 600, "classes": False, "unexplained": 0.0, "error": 1.0, "earlier_error": 1.0}
    jump = LabelJump(**(calm | {"agreement": 0.8, "earlier_agreement": 0.8} | values))
    found = suspicions(LabelFacts(recent=600, earlier=600), jump)
    assert [one.rule for one in found] == ([] if rule is None else [rule])
