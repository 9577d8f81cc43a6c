"""The exam of `ports.Predictor`."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from loopwright.errors import BundleError, FeatureError, RequestError
from loopwright.ports.predictor import Predictor


class PredictorExam:
    """Fixtures `predictor`; `rows`, two or more rows that it takes, as lists by column; `needed`, one of those columns
    that it cannot do without; `misfit`, a column and a value that it cannot hold; and `offline`, outputs by name (all,
    or some) as they were told for `rows` when the model was made.

    Numbers may differ by `tolerance`, absolute and relative. Leave it 0 but where the library itself computes a row
    alone in another order than a row among others.
    """

    tolerance = 0.0

    def test_each_output_has_one_entry_a_row(self, predictor: Predictor, rows: dict[str, list[Any]]) -> None:
        answer = predictor.predict(rows)
        assert answer
        assert {len(values) for values in answer.values()} == {_count(rows)}

    def test_the_numbers_are_those_told_when_the_model_was_made(
        self, predictor: Predictor, rows: dict[str, list[Any]], offline: Mapping[str, Any]
    ) -> None:
        answer = predictor.predict(rows)
        for name, values in offline.items():
            self._same(answer[name], values)

    def test_a_row_alone_gives_what_it_gives_beside_others(
        self, predictor: Predictor, rows: dict[str, list[Any]]
    ) -> None:
        together = predictor.predict(rows)
        for place in range(_count(rows)):
            alone = predictor.predict(_part(rows, place, place + 1))
            for name, values in together.items():
                self._same(alone[name][0], values[place])

    def test_no_rows_give_no_predictions(self, predictor: Predictor, rows: dict[str, list[Any]]) -> None:
        names = predictor.predict(rows).keys()
        answer = predictor.predict({name: [] for name in rows})
        assert {name: len(answer.get(name, ())) for name in names} == dict.fromkeys(names, 0)

    def test_arrays_give_what_lists_give(self, predictor: Predictor, rows: dict[str, list[Any]]) -> None:
        listed = predictor.predict(rows)
        for name, values in predictor.predict({name: np.asarray(values) for name, values in rows.items()}).items():
            self._same(values, listed[name])

    def test_columns_may_come_in_any_order(self, predictor: Predictor, rows: dict[str, list[Any]]) -> None:
        listed = predictor.predict(rows)
        for name, values in predictor.predict(dict(reversed(rows.items()))).items():
            self._same(values, listed[name])

    def test_a_missing_value_is_answered_or_refused_and_changes_no_other_row(
        self, predictor: Predictor, rows: dict[str, list[Any]]
    ) -> None:
        whole = predictor.predict(rows)
        for column in rows:
            holed = {**rows, column: [None, *rows[column][1:]]}
            try:
                answer = predictor.predict(holed)
            except (RequestError, FeatureError, BundleError):
                continue
            for name, values in whole.items():
                self._same(answer[name][1:], values[1:])

    def test_a_missing_column_is_named(self, predictor: Predictor, rows: dict[str, list[Any]], needed: str) -> None:
        with pytest.raises(RequestError, match=needed) as caught:
            predictor.predict({name: values for name, values in rows.items() if name != needed})
        assert caught.value.remedy

    def test_a_value_that_does_not_fit_names_its_column(
        self, predictor: Predictor, rows: dict[str, list[Any]], misfit: tuple[str, Any]
    ) -> None:
        column, value = misfit
        with pytest.raises(RequestError, match=column):
            predictor.predict({**rows, column: [value, *rows[column][1:]]})

    def test_several_threads_may_ask_at_once(self, predictor: Predictor, rows: dict[str, list[Any]]) -> None:
        parts = [_part(rows, place, place + 1) for place in range(_count(rows))] + [rows]
        expected = [predictor.predict(part) for part in parts]
        with ThreadPoolExecutor(max_workers=4) as threads:
            answers = list(threads.map(predictor.predict, parts * 20))
        for answer, wanted in zip(answers, expected * 20, strict=True):
            for name, values in wanted.items():
                self._same(answer[name], values)

    def _same(self, found: Any, wanted: Any) -> None:
        if self.tolerance and np.asarray(wanted).dtype.kind == "f":
            np.testing.assert_allclose(found, wanted, rtol=self.tolerance, atol=self.tolerance)
        else:
            np.testing.assert_array_equal(found, wanted)


def _count(rows: dict[str, list[Any]]) -> int:
    return len(next(iter(rows.values())))


def _part(rows: dict[str, list[Any]], begin: int, end: int) -> dict[str, list[Any]]:
    return {name: values[begin:end] for name, values in rows.items()}
