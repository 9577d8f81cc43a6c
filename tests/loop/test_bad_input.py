"""What goes wrong says what is wrong and what to do, and leaves the champion as it was."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from loopwright.bootstrap.session import Session
from loopwright.errors import LoopwrightError

from .conftest import MODEL, open_here, rows, write_project

Spoil = Callable[[Path], None]


def data(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Spoil:
    """All of the data is replaced."""

    def spoil(root: Path) -> None:
        change(rows(100)).write_csv(root / "data" / "a.csv")

    return spoil


def text(content: bytes, name: str = "b.csv") -> Spoil:
    """One more file arrives."""

    def spoil(root: Path) -> None:
        (root / "data" / name).write_bytes(content)

    return spoil


def code(more: str) -> Spoil:
    """The model's file is changed."""

    def spoil(root: Path) -> None:
        rows(40, start=60).write_csv(root / "data" / "b.csv")
        (root / "demand.py").write_text(MODEL + more)

    return spoil


def truncated_parquet(root: Path) -> None:
    rows(100).write_parquet(root / "data" / "b.parquet")
    whole = (root / "data" / "b.parquet").read_bytes()
    (root / "data" / "b.parquet").write_bytes(whole[: len(whole) // 2])
    (root / "demand.py").write_text(MODEL.replace("data/*.csv", "data/*"))


FEATURES = "\n@model.features\ndef features(rows):\n    import polars as pl\n    "
CASES = {
    "empty file": (text(b""), r"b\.csv.*empty"),
    "header only": (text(b"id,day,shop,price,promotion,sold\n"), r"b\.csv.*(no rows|header)"),
    "wrong delimiter": (text(b"id|day|shop\n1|2026-01-01|north\n".replace(b"|", b"^")), r"b\.csv"),
    "a column gone": (data(lambda frame: frame.drop("price")), "price"),
    "a column retyped": (data(lambda frame: frame.with_columns(price=pl.lit("cheap"))), "price"),
    "a column all null": (data(lambda frame: frame.with_columns(price=pl.lit(None, pl.Float64))), "price"),
    "the target gone": (data(lambda frame: frame.drop("sold")), "sold"),
    "duplicate columns": (
        text(b"id,day,shop,price,price,sold\n1,2026-01-01,a,1,1,1\n"),
        "more than one column named .price",
    ),
    "not UTF-8": (text("id,day,shop\n1,2026-01-01,K\xf6ln\n".encode("latin-1")), r"b\.csv.*UTF-8"),
    "truncated Parquet": (truncated_parquet, r"b\.parquet"),
    "a feature function that raises": (code(FEATURES + "raise ValueError('no such thing')\n"), "no such thing"),
    "a feature function that drops rows": (code(FEATURES + "return rows.filter(pl.col('price') > 2)\n"), "rows"),
    "a feature function with a lag": (
        code(FEATURES + "return rows.with_columns(lag=pl.col('price').shift(1))\n"),
        "feature view|other rows|alone",
    ),
    "a feature made of the target": (
        code(FEATURES + "return rows.with_columns(leak=pl.col('sold') * 2)\n"),
        "sold|leak",
    ),
    "a train function that raises": (
        code("\n@model.train\ndef train(data, params):\n    raise MemoryError('too big')\n"),
        "too big",
    ),
    "a train function that returns nothing": (
        code("\n@model.train\ndef train(data, params):\n    return None\n"),
        "NoneType|returned nothing|predict",
    ),
    "a file that does not parse": (code("\ndef train(:\n"), r"demand\.py.*line"),
}


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a champion, to be copied."""
    root = tmp_path_factory.mktemp("bad") / "project"
    root.mkdir()
    write_project(root)
    session = open_here(root)
    assert session.run().status == "succeeded"
    session.close()
    return root


@pytest.fixture
def spoiled(champion: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(champion, tmp_path / "project"))


@pytest.mark.parametrize(("spoil", "words"), CASES.values(), ids=CASES.keys())
def test_it_is_said_and_the_champion_stays(spoiled: Path, spoil: Spoil, words: str) -> None:
    spoil(spoiled)
    said = what_is_said(spoiled)
    assert re.search(words, said, re.DOTALL), said
    assert "Traceback" not in said
    (spoiled / "demand.py").write_text(MODEL)
    session = open_here(spoiled)
    assert session.champion().number == 1
    assert len(session.versions()) == 1
    session.close()


def what_is_said(root: Path) -> str:
    """The run's summary and remedy, or the error of one that could not even begin."""
    session = open_here(root)
    try:
        run = session.run()
    except LoopwrightError as error:
        return f"{error.message}. {error.remedy}"
    finally:
        session.close()
    assert run.status in ("failed", "refused"), run
    assert run.summary
    return f"{run.summary}. {run.fault.remedy if run.fault else ''}"


def test_a_target_with_one_class(tmp_path: Path) -> None:
    write_project(tmp_path, MODEL.replace('target="sold"', 'target="promotion"').replace(", at_most=3.0", ""))
    (tmp_path / "demand.py").write_text(
        'from loopwright import Model\nmodel = Model("demand", source="data/*.csv", target="promotion", key="id")\n'
    )
    rows(60).with_columns(promotion=pl.lit(value=False)).write_csv(tmp_path / "data" / "a.csv")
    said = what_is_said(tmp_path)
    assert "promotion" in said
    assert re.search("nothing to learn", said)


def test_a_bundle_changed_on_disk_is_not_served_and_not_evaluated(spoiled: Path) -> None:
    (bundle,) = (spoiled / ".loopwright" / "store" / "bundles").iterdir()
    path = bundle / "encoding.json"
    path.write_bytes(path.read_bytes().replace(b"north", b"nowhe"))
    rows(40, start=60).write_csv(spoiled / "data" / "b.csv")
    said = what_is_said(spoiled)
    assert "encoding.json" in said
    assert "SHA-256" in said


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere; storage is tested on a read-only disk")
def test_a_read_only_home(spoiled: Path) -> None:
    home = spoiled / ".loopwright" / "store"
    home.chmod(0o500)
    try:
        assert re.search("denied|read-only|write", what_is_said(spoiled))
    finally:
        home.chmod(0o700)


def test_a_train_function_that_ends_the_process(spoiled: Path) -> None:
    from loopwright.bootstrap.platform import open_platform

    (spoiled / "demand.py").write_text(
        MODEL + "\n@model.train\ndef train(data, params):\n    import os\n    os._exit(7)\n"
    )
    rows(40, start=60).write_csv(spoiled / "data" / "b.csv")
    session = Session(open_platform(spoiled, overrides={"tracking": "off"}))
    run = session.run()
    assert run.status == "failed"
    assert run.fault is not None
    assert run.fault.error == "JobError"
    assert re.search("7|exit", run.summary)
    assert session.platform.rollouts.aliases("demand") == {"champion": 1}
    session.close()
