"""The card and the bill of materials."""

import platform
from datetime import UTC, datetime

import numpy as np

from loopwright.bundle.card import bom, model_card
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Input, Manifest

MANIFEST = Manifest(
    model="churn",
    task="binary",
    runtime="onnx",
    signature=task_signature("binary", [Input(name="a|b", kind="number", required=False)], ("no", "yes")),
    files={},
    created=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    target="left",
    classes=("no", "yes"),
    positive="yes",
    threshold=0.35,
    trained_rows=12345,
    trained_until="2025-12-31",
    lineage={"run": "run-1", "dataset": "abc"},
)


def test_a_card_says_what_the_model_is_how_it_does_and_where_it_comes_from() -> None:
    card = model_card(
        MANIFEST, metrics={"roc_auc": 0.912345}, importance={"x": 1.0, "y": 7.0}, params={"n": 3}, notes=["a note"]
    )
    assert card.startswith("# churn\n\nA binary classifier of `left`, served by onnx.")
    assert "from 12,345 rows, the newest of 2025-12-31." in card
    assert "called yes from a probability of 0.35" in card
    assert "| roc_auc | 0.9123 |" in card
    assert card.index("| y | 7 |") < card.index("| x | 1 |")
    assert "| a\\|b | number | no |" in card
    assert "- a note" in card
    assert card.index("| dataset | abc |") < card.index("| run | run-1 |")


def test_a_card_leaves_out_what_is_not_known() -> None:
    card = model_card(MANIFEST)
    assert "How it does" not in card
    assert "Notes" not in card


def test_the_bill_of_materials_holds_installed_versions() -> None:
    bill = bom()
    assert bill["python"] == platform.python_version()
    assert bill["packages"]["numpy"] == np.__version__
    assert {"loopwright", "lightgbm", "onnxruntime", "scikit-learn"} <= bill["packages"].keys()
    assert not any(set(name) & set("<>=[]; ") for name in bill["packages"])
