"""The exam of `ports.Predictor`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loopwright.errors import RequestError
from loopwright.ports.predictor import Predictor


class PredictorExam:
    """Fixtures `predictor`; `rows`, two or more rows that it takes, as lists by column; and `needed`, one of those
    columns that it cannot do without.
    """

    def test_each_output_has_one_entry_a_row(self, predictor: Predictor, rows: dict[str, list[Any]]) -> None:
        answer = predictor.predict(rows)
        assert answer
        assert {len(values) for values in answer.values()} == {_count(rows)}

    def test_a_row_alone_gives_what_it_gives_beside_others(
        self, predictor: Predictor, rows: dict[str, list[Any]]
    ) -> None:
        together = predictor.predict(rows)
        for place in range(_count(rows)):
            alone = predictor.predict({name: values[place : place + 1] for name, values in rows.items()})
            for name, values in together.items():
                np.testing.assert_array_equal(alone[name][0], values[place])

    def test_arrays_give_what_lists_give(self, predictor: Predictor, rows: dict[str, list[Any]]) -> None:
        listed = predictor.predict(rows)
        for name, values in predictor.predict({name: np.asarray(values) for name, values in rows.items()}).items():
            np.testing.assert_array_equal(values, listed[name])

    def test_columns_may_come_in_any_order(self, predictor: Predictor, rows: dict[str, list[Any]]) -> None:
        listed = predictor.predict(rows)
        for name, values in predictor.predict(dict(reversed(rows.items()))).items():
            np.testing.assert_array_equal(values, listed[name])

    def test_a_missing_column_is_named(self, predictor: Predictor, rows: dict[str, list[Any]], needed: str) -> None:
        with pytest.raises(RequestError, match=needed) as caught:
            predictor.predict({name: values for name, values in rows.items() if name != needed})
        assert caught.value.remedy


def _count(rows: dict[str, list[Any]]) -> int:
    return len(next(iter(rows.values())))
