"""Features to a matrix: what a fitted `Encoding` does to raw columns, the same in training and in serving.

The rules, for a list of JSON values and for a NumPy array alike:

number      a number, a boolean (0, 1) or text that spells a number. None and NaN are missing; infinities stay.
boolean     True, False, 0, 1, or "true" and "false" in any case. None and NaN are missing.
category    any value by its text (`category_text`): 3, 3.0 and "3" are one category, so are True and "true".
            A text that is not in the vocabulary but spells a number or a truth value is looked up as that.
            None, NaN and NaT are missing; an empty text is a value.
date        ISO 8601 text, a date or datetime, a NumPy datetime64, or seconds since 1970-01-01. What carries a zone
            is brought to UTC. None, NaN and NaT are missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.records import Encoding, FeatureColumn
from loopwright.errors import RequestError

Columns = Mapping[str, "list[Any] | NDArray[Any]"]
"""Raw rows by column: equally long lists (JSON values, None where missing) or arrays."""

Matrix = NDArray[np.float64]
MISSING = math.nan
UNSEEN = -1.0


def encode(encoding: Encoding, columns: Columns) -> Matrix:
    """The matrix `[n, len(encoding.names)]` of `columns`, each row from itself alone.

    Raises `RequestError` that names the column, what was expected and what came. Where the same encoding is used
    again and again, keep an `Encoder`.
    """
    return Encoder(encoding)(columns)


class Encoder:
    """An `Encoding` made ready: vocabularies as tables, columns by their places in the matrix."""

    def __init__(self, encoding: Encoding) -> None:
        self.width = len(encoding.names)
        self._numbers: list[tuple[int, str]] = []
        self._others: list[tuple[slice, str, Callable[[Any], NDArray[Any]], str]] = []
        place = 0
        for column in encoding.columns:
            width = matrix_width(column)
            if column.kind == "number":
                self._numbers.append((place, column.name))
            else:
                expected, convert = _converter(column)
                self._others.append((slice(place, place + width), column.name, convert, expected))
            place += width
        if place != self.width:
            raise ValueError(f"the encoding names {self.width} matrix columns, but its features make {place}")
        self._number_places = np.array([place for place, _ in self._numbers], dtype=np.intp)

    def __call__(self, columns: Columns) -> Matrix:
        """The matrix of `columns`. Raises `RequestError`."""
        rows = len(next(iter(columns.values()))) if columns else 0
        matrix = np.empty((rows, self.width), dtype=np.float64)
        if rows > _FEW or not self._fill_numbers_at_once(columns, matrix):
            self._fill_numbers(columns, matrix)
        for places, name, convert, expected in self._others:
            try:
                matrix[:, places] = convert(columns[name])
            except KeyError:
                raise _absent(name) from None
            except (ValueError, TypeError, OverflowError):
                raise misfit(name, expected, columns[name], convert) from None
        return matrix

    def _fill_numbers_at_once(self, columns: Columns, matrix: Matrix) -> bool:
        """Whether one conversion did for all number columns: at a few rows the cost is the calls, not the values."""
        lists = [columns.get(name) for _, name in self._numbers]
        if not all(type(values) is list for values in lists):
            return False
        try:
            block = np.array(lists, dtype=np.float64)
        except (ValueError, TypeError, OverflowError):
            return False
        if block.shape != (len(self._numbers), len(matrix)):
            return False
        matrix[:, self._number_places] = block.T
        return True

    def _fill_numbers(self, columns: Columns, matrix: Matrix) -> None:
        for place, name in self._numbers:
            try:
                matrix[:, place] = numbers(columns[name])
            except KeyError:
                raise _absent(name) from None
            except (ValueError, TypeError, OverflowError):
                raise misfit(name, "a number", columns[name], numbers) from None


def matrix_width(column: FeatureColumn) -> int:
    """How many matrix columns a feature makes."""
    return len(column.parts) if column.kind == "date" else 1


def matrix_names(columns: Iterable[FeatureColumn]) -> tuple[str, ...]:
    """The names of the matrix columns that `columns` make: a date's parts as `<column>.<part>`."""
    return tuple(
        name
        for column in columns
        for name in ([f"{column.name}.{part}" for part in column.parts] if column.kind == "date" else [column.name])
    )


def category_text(value: Any) -> str | None:
    """A value as the text a vocabulary knows it by; None where it is missing.

    Text is itself; truth values are `true`, `false`; whole numbers have no decimal point (3.0 is `3`), others their
    shortest exact form; moments are in ISO 8601, at midnight as a mere date. Raises `TypeError` for what is none of
    these.
    """
    if isinstance(value, np.generic):
        value = _plain(np.asarray(value)).item()
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return None if math.isnan(value) else str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, date):
        return value.isoformat().removesuffix("T00:00:00")
    raise TypeError(f"{value!r} cannot be a category")


def category_texts(values: list[Any] | NDArray[Any]) -> list[str | None]:
    """`category_text` of each value: what a vocabulary is fitted on."""
    return [category_text(value) for value in values]


def numbers(values: list[Any] | NDArray[Any]) -> Matrix:
    """Values as numbers, NaN where missing. Raises `ValueError` or `TypeError`."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "Mmc":
        raise TypeError(f"{values.dtype} is no number")
    array = np.array(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError("not one value a row")
    return array


def booleans(values: list[Any] | NDArray[Any]) -> Matrix:
    """Truth values as 0 and 1, NaN where missing. Raises `ValueError` or `TypeError`."""
    try:
        array = numbers(values)
    except ValueError:
        array = numbers([_truth(value) for value in values])
    if not np.all((array == 0) | (array == 1) | np.isnan(array)):
        raise ValueError("not a truth value")
    return array


def moments(values: list[Any] | NDArray[Any]) -> NDArray[np.datetime64]:
    """Values as UTC moments to the microsecond, NaT where missing. Raises `ValueError` or `TypeError`."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "M":
            return values.astype("M8[us]")
        if values.dtype.kind in "iuf":
            return _since_1970(values)
        values = values.tolist()
    return np.array([_moment(value) for value in values], dtype="M8[us]")


def misfit(
    name: str, expected: str, values: list[Any] | NDArray[Any], convert: Callable[[list[Any]], Any]
) -> RequestError:
    """The error for a column that `convert` refused: it names the first value that does not fit by itself."""
    remedy = f"send {expected}, or null, for each row"
    for row, value in enumerate(values.tolist() if isinstance(values, np.ndarray) else values, start=1):
        try:
            convert([value])
        except (ValueError, TypeError, OverflowError):
            shown = repr(value)
            shown = shown if len(shown) <= 80 else shown[:77] + "..."
            return RequestError(
                f"the column {name!r} expects {expected}, but row {row} of {len(values)} holds {shown}", remedy=remedy
            )
    came = f"{values.dtype} values" if isinstance(values, np.ndarray) else "something else"
    return RequestError(f"the column {name!r} expects {expected}, but {came} came", remedy=remedy)


def date_parts(when: NDArray[np.datetime64], parts: Iterable[str]) -> Matrix:
    """The named parts of moments, `[n, len(parts)]`, NaN where missing. Raises `KeyError` for an unknown part."""
    missing = np.isnat(when)
    filled = np.where(missing, np.datetime64(0, "us"), when)
    matrix = np.stack([DATE_PARTS[part](filled) for part in parts], axis=1).astype(np.float64)
    matrix[missing] = MISSING
    return matrix


DATE_PARTS: dict[str, Callable[[NDArray[np.datetime64]], NDArray[Any]]] = {
    "year": lambda when: _count(when, "Y") + 1970,
    "month": lambda when: _count(when, "M") % 12 + 1,
    "day": lambda when: (when.astype("M8[D]") - when.astype("M8[M]").astype("M8[D]")).astype(np.int64) + 1,
    "dayofyear": lambda when: (when.astype("M8[D]") - when.astype("M8[Y]").astype("M8[D]")).astype(np.int64) + 1,
    "weekday": lambda when: (_count(when, "D") + 3) % 7,
    "hour": lambda when: _count(when, "h") % 24,
    "minute": lambda when: _count(when, "m") % 60,
    "days": lambda when: _count(when, "D"),
}
"""What a date can give: months and days count from 1, weekdays from Monday = 0, `days` since 1970-01-01."""

_FEW = 16
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - no zone: moments are UTC
_SECONDS_OF_YEAR_1, _SECONDS_OF_YEAR_10000 = -62135596800, 253402300800


class _Vocabulary(dict[Any, float]):
    """Places by text; what is not there as it stands is brought to text first, and may be missing or unseen."""

    def __missing__(self, value: Any) -> float:
        text = category_text(value)
        if text is None:
            return MISSING
        place = self.get(text)
        return self.get(_as_value(text), UNSEEN) if place is None else place

    def places(self, values: list[Any] | NDArray[Any]) -> Matrix:
        """A place for each value. Raises `TypeError` for a value that cannot be a category."""
        if isinstance(values, np.ndarray):
            if values.dtype.kind in "biufM" and len(values) > _FEW:
                different, inverse = np.unique(values, return_inverse=True)
                return self.places(_plain(different).tolist())[inverse]
            values = _plain(values).tolist()
        return np.fromiter(map(self.__getitem__, values), dtype=np.float64, count=len(values))


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Moments in a unit that Python has: nanoseconds would become mere integers."""
    return array.astype("M8[us]") if array.dtype.kind == "M" else array


def _converter(column: FeatureColumn) -> tuple[str, Callable[[Any], NDArray[Any]]]:
    """What is expected of a column's values in words, and how they become matrix columns."""
    if column.kind == "boolean":
        return "true or false", lambda values: booleans(values)[:, None]
    if column.kind == "category":
        table = _Vocabulary({text: float(place) for place, text in enumerate(column.vocabulary)})
        return "a text, a number or a truth value", lambda values: table.places(values)[:, None]
    unknown = [part for part in column.parts if part not in DATE_PARTS]
    if unknown:
        raise ValueError(f"{column.name}: {unknown[0]!r} is no part of a date")
    return "a date in ISO 8601, or seconds since 1970", lambda values: date_parts(moments(values), column.parts)


def _truth(value: Any) -> Any:
    return _TRUTHS.get(value.lower(), value) if isinstance(value, str) else value


_TRUTHS = {"true": True, "false": False}


def _as_value(text: str) -> str | None:
    """A text that spells a number or a truth value, as `category_text` writes that value."""
    folded = text.strip().lower()
    if folded in _TRUTHS:
        return folded
    try:
        return category_text(float(folded))
    except (ValueError, OverflowError):
        return None


def _moment(value: Any) -> datetime | np.datetime64 | None:
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - no zone: moments are UTC
    if isinstance(value, np.datetime64):
        return value
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        return _EPOCH + timedelta(microseconds=round(float(value) * 1e6)) if value == value else None
    raise TypeError(f"{value!r} is no date")


def _since_1970(seconds: NDArray[Any]) -> NDArray[np.datetime64]:
    seconds = seconds.astype(np.float64)
    present = seconds[~np.isnan(seconds)]
    if present.size and not (present.min() >= _SECONDS_OF_YEAR_1 and present.max() < _SECONDS_OF_YEAR_10000):
        raise ValueError("seconds since 1970 beyond the year 9999")
    when = np.full(seconds.shape, np.datetime64("NaT"), dtype="M8[us]")
    when[~np.isnan(seconds)] = np.round(present * 1e6).astype(np.int64).astype("M8[us]")
    return when


def _count(when: NDArray[np.datetime64], unit: str) -> NDArray[np.int64]:
    return when.astype(f"M8[{unit}]").astype(np.int64)


def _absent(name: str) -> RequestError:
    return RequestError(f"the column {name!r} is missing", remedy=f"send {name!r} with every row, null where unknown")
