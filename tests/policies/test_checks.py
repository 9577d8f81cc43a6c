"""What is written into a policy is what its annotation says, or is refused with policy, field and remedy."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, is_dataclass
from decimal import Decimal
from importlib import import_module
from math import inf, nan
from pkgutil import iter_modules
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright import policies
from loopwright.core.codec import from_json, to_json
from loopwright.declare import Declaration, Model
from loopwright.errors import DeclarationError
from loopwright.policies.gate import Gate
from loopwright.policies.retraining import NewData
from loopwright.policies.rollout import Canary
from loopwright.policies.training import Threshold

MODULES = [import_module(f"{policies.__name__}.{one.name}") for one in iter_modules(policies.__path__)]
POLICIES = [
    found
    for module in MODULES
    for found in vars(module).values()
    if is_dataclass(found) and found.__module__ == module.__name__ and not found.__name__.startswith("_")
]
NEEDED: dict[str, dict[str, Any]] = {
    "Declaration": {"name": "demand", "source": "a.csv", "target": "sold"},
    "Fairness": {"column": "sex", "max_gap": 0.1},
    "Schedule": {"cron": "0 3 * * 1"},
}
FIELDS = [(policy, one) for policy in (*POLICIES, Declaration) for one in fields(policy)]

WRONG: dict[str, list[Any]] = {
    "int": ["5", 1.5, True, nan, [1], 10**30, b"5"],
    "float": ["high", True, nan, inf, -inf, [0.1], 1j, Decimal("0.1"), 10**400],
    "str": [5, b"x", ["x"], {}],
    "bool": [1, 0, "yes", []],
    "tuple": [5, "x", True, {"x"}, (object(),), (None,)],
    "other": [5, "nonsense", [], {}, object()],
}
"""By the word that an annotation begins with, what is wrong there; `other` is a choice of words, or a policy."""

JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.binary(max_size=3),
        st.sampled_from([np.float64(0.5), np.int64(3), np.str_("x"), np.arange(3), 1j, object(), int, Gate(), "1d"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2) | st.sets(st.text())
    ),
    max_leaves=4,
)


def written(policy: Any, field: Field[Any], value: Any) -> Any:
    return policy(**{**NEEDED.get(policy.__name__, {}), field.name: value})


@pytest.mark.parametrize(
    ("policy", "field"), FIELDS, ids=lambda one: one.name if isinstance(one, Field) else one.__name__
)
def test_another_kind_is_refused_with_the_field_what_it_is_and_what_it_should_be(
    policy: Any, field: Field[Any]
) -> None:
    said = str(field.type)
    kind = next((one for one in WRONG if said.startswith(one)), "other")
    wrong = [*WRONG[kind], *([] if "None" in said else [None])]
    for value in wrong:
        if (policy, field.name, value) == (Threshold, "objective", 5) or (
            policy is Declaration and field.name == "name"
        ):
            continue  # a number may be a threshold, and a model's name is told of by another sentence
        with pytest.raises(DeclarationError) as caught:
            written(policy, field, value)
        of = "demand:" if policy is Declaration else policy.__name__
        assert caught.value.message == f"{of} {field.name} is {value!r:.80}"
        assert caught.value.remedy.startswith("write ")


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(FIELDS), JUNK)
def test_junk_is_refused_or_read_back_as_it_was_written(of: tuple[Any, Field[Any]], value: Any) -> None:
    policy, field = of
    try:
        made = written(policy, field, value)
    except DeclarationError:
        return
    if policy is not Declaration:  # the kinds of its rollout and its triggers are not told apart in JSON
        assert from_json(to_json(made), policy) == made


def test_defaults_are_of_their_own_kinds() -> None:
    for policy in POLICIES:
        assert policy(**NEEDED.get(policy.__name__, {}))
    assert all(
        one.default is not MISSING or one.default_factory is not MISSING or name in NEEDED
        for name, one in ((policy.__name__, one) for policy, one in FIELDS)
    )


def test_an_int_is_a_number_and_a_list_is_the_tuple_it_stands_for() -> None:
    assert Gate(margin=0).margin == 0
    assert Canary(steps=[50, 100]).steps == (50, 100)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "message", "remedy"),
    [
        (
            {"retrain": NewData()},
            "demand: retrain is NewData(min_rows=1)",
            "write a list: retrain=[NewData(min_rows=1)]",
        ),
        ({"capture": 0.5}, "demand: capture is 0.5", "write Capture(…), or leave it out"),
        ({"replay": False}, "demand: replay is False", "write Replay(…)"),
        ({"gate": "rmse"}, "demand: gate is 'rmse'", "write Gate(…)"),
        ({"seed": 1.0}, "demand: seed is 1.0", "write a whole number"),
        ({"drop": {"b", "a"}}, "demand: drop is ", "write a list: drop=['a', 'b']"),
        ({"drop": 5}, "demand: drop is 5", "write a list: drop=[5]"),
        (
            {"task": "ranking"},
            "demand: task is 'ranking'",
            'write "binary" or "multiclass" or "regression", or leave it out',
        ),
    ],
)
def test_a_model_says_of_itself_what_is_written_wrong(wrong: dict[str, Any], message: str, remedy: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        Model("demand", source="a.csv", target="sold", **wrong)
    assert caught.value.message.startswith(message)
    assert caught.value.remedy == remedy


@pytest.mark.parametrize("search", [{"trials": "5"}, {"trials": True}, {"budget": 5}])
def test_a_search_says_so_too(search: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match="demand: tune"):
        Model("demand", source="a.csv", target="sold").tune(**search)
