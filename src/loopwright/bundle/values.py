"""Values as they come, as numbers, truth values, texts and moments. Lists of JSON values and NumPy arrays alike.

number      a number, a boolean (0, 1) or text that spells a number. None, NaN and infinities are missing.
boolean     True, False, 0, 1, or "true" and "false" in any case. None and NaN are missing.
text        any value by its text (`category_text`): 3, 3.0 and "3" are one, so are True and "true". None, NaN and NaT
            are missing; an empty text is a value.
moment      ISO 8601 text, a date or datetime, a NumPy datetime64, or seconds since 1970-01-01. What carries a zone
            is brought to UTC. None, NaN and NaT are missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.errors import RequestError

Matrix = NDArray[np.float64]
MISSING = math.nan


def category_text(value: Any) -> str | None:
    """A value as the text a vocabulary knows it by; None where it is missing.

    Text is itself; truth values are `true`, `false`; whole numbers have no decimal point (3.0 is `3`), others their
    shortest exact form; moments are in ISO 8601, at midnight as a mere date. Raises `TypeError` for what is none of
    these.
    """
    if isinstance(value, np.generic):
        value = plain(np.asarray(value)).item()
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
    """Values as numbers, NaN where missing or infinite. Raises `ValueError` or `TypeError`."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "Mmc":
        raise TypeError(f"{values.dtype} is no number")
    array = np.array(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError("not one value a row")
    return without_infinities(array)


def without_infinities(array: Matrix) -> Matrix:
    """The array itself, its infinities made NaN: snapshots hold none, so no model has ever seen one."""
    array[np.isinf(array)] = MISSING
    return array


def booleans(values: list[Any] | NDArray[Any]) -> Matrix:
    """Truth values as 0 and 1, NaN where missing. Raises `ValueError` or `TypeError`."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "b":
        return values.astype(np.float64)
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    return np.fromiter(map(truth, listed), dtype=np.float64, count=len(listed))


def truth(value: Any) -> float:
    """One truth value as 0 or 1, NaN where missing. Raises `ValueError` or `TypeError`."""
    known = _TRUTHS.get(value)
    if known is not None:
        return known
    number = float(_TRUTHS.get(value.strip().lower(), value)) if isinstance(value, str) else float(value)
    if number in (0.0, 1.0) or math.isnan(number):
        return number
    raise ValueError("not a truth value")


def moments(values: list[Any] | NDArray[Any]) -> NDArray[np.datetime64]:
    """Values as UTC moments to the microsecond, NaT where missing. Raises `ValueError` or `TypeError`."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind == "M":
            return values.astype("M8[us]")
        if values.dtype.kind in "iuf":
            return _since_1970(values)
        values = values.tolist()
    return np.array([moment(value) for value in values], dtype="M8[us]")


def moment(value: Any) -> datetime | None:
    """One value as a UTC moment without zone, None where missing. Raises `ValueError` or `TypeError`."""
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, np.datetime64):
        value = value.astype("M8[us]").item()
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - no zone: moments are UTC
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        return None if math.isnan(value) else _EPOCH + timedelta(microseconds=round(float(value) * 1e6))
    raise TypeError(f"{value!r} is no date")


def date_parts(when: NDArray[np.datetime64], parts: Iterable[str]) -> Matrix:
    """The named parts of moments, `[n, len(parts)]`, NaN where missing. Raises `KeyError` for an unknown part."""
    missing = np.isnat(when)
    filled = np.where(missing, np.datetime64(0, "us"), when)
    matrix = np.stack([DATE_PARTS[part][0](filled) for part in parts], axis=1).astype(np.float64)
    matrix[missing] = MISSING
    return matrix


def parts_of(when: datetime | None, parts: Iterable[str]) -> list[float]:
    """`date_parts` of one moment: the same numbers, thirty times as fast for a row alone."""
    return [MISSING if when is None else DATE_PARTS[part][1](when) for part in parts]


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


DATE_PARTS: dict[str, tuple[Callable[[NDArray[np.datetime64]], NDArray[Any]], Callable[[datetime], float]]] = {
    "year": (lambda when: _count(when, "Y") + 1970, lambda when: when.year),
    "month": (lambda when: _count(when, "M") % 12 + 1, lambda when: when.month),
    "day": (lambda when: _days_since(when, "M") + 1, lambda when: when.day),
    "dayofyear": (lambda when: _days_since(when, "Y") + 1, lambda when: when.timetuple().tm_yday),
    "weekday": (lambda when: (_count(when, "D") + 3) % 7, lambda when: when.weekday()),
    "hour": (lambda when: _count(when, "h") % 24, lambda when: when.hour),
    "minute": (lambda when: _count(when, "m") % 60, lambda when: when.minute),
    "days": (lambda when: _count(when, "D"), lambda when: when.toordinal() - _EPOCH.toordinal()),
}
"""What a date can give, for many moments and for one: months and days count from 1, weekdays from Monday = 0, `days`
since 1970-01-01."""

_TRUTHS: dict[Any, float] = {True: 1.0, False: 0.0, None: MISSING, "true": 1.0, "false": 0.0}
_EPOCH: datetime = datetime(1970, 1, 1)  # noqa: DTZ001 - no zone: moments are UTC
_SECONDS_OF_YEAR_1, _SECONDS_OF_YEAR_10000 = -62135596800, 253402300800


def plain(array: NDArray[Any]) -> NDArray[Any]:
    """Moments in a unit that Python has: nanoseconds would become mere integers."""
    return array.astype("M8[us]") if array.dtype.kind == "M" else array


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


def _days_since(when: NDArray[np.datetime64], unit: str) -> NDArray[np.int64]:
    days: NDArray[np.int64] = (when.astype("M8[D]") - when.astype(f"M8[{unit}]").astype("M8[D]")).astype(np.int64)
    return days
