"""A hash of values that never changes: not with the machine, the process, Polars' version or the rows around them.

A value becomes a 64-bit word, and words are mixed by a step of SplitMix64 (Steele, Lea and Flood, "Fast
splittable pseudorandom number generators", OOPSLA 2014). Whole numbers are themselves, whichever type they are held
in; other numbers their IEEE 754 bits; dates and moments their microseconds since 1970; text the CRC-32 of its UTF-8.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

Words = NDArray[np.uint64]


def hash_rows(rows: pl.LazyFrame, columns: Iterable[str]) -> Words:
    """A hash of each row's values in `columns`, one column in memory at a time."""
    hashes: Words | None = None
    for name in columns:
        words = hash_values(rows.select(name).collect().to_series())
        hashes = words if hashes is None else _mix(hashes * np.uint64(31) ^ words)
    if hashes is None:
        raise ValueError("there is no column to hash")
    return hashes


def hash_values(values: pl.Series) -> Words:
    """A hash of each value; missing ones share theirs."""
    missing = values.is_null().to_numpy()
    return _mix(np.where(missing, _MISSING, _words(values)))


def _words(values: pl.Series) -> Words:
    if values.dtype.is_temporal():
        values = values.dt.epoch("us")
    if values.dtype.is_float():
        return _number_words(values.fill_null(0.0).to_numpy().astype(np.float64))
    if values.dtype.is_integer() or values.dtype == pl.Boolean:
        return values.cast(pl.Int64).fill_null(0).to_numpy().view(np.uint64)
    return _text_words(values.cast(pl.String).fill_null(""))


def _text_words(texts: pl.Series) -> Words:
    different = texts.unique()
    if len(different) <= len(texts) // 2:  # each text once: a search costs less than a sum
        words = pl.Series(_text_words(different), dtype=pl.UInt64)
        return texts.replace_strict(different, words, return_dtype=pl.UInt64).to_numpy()
    encoded = texts.cast(pl.Binary).to_list()
    return np.fromiter(map(zlib.crc32, encoded), np.uint64, len(encoded)) | _TEXT


def _number_words(numbers: NDArray[np.float64]) -> Words:
    whole = (np.abs(numbers) < 2.0**53) & (numbers == np.round(numbers))
    return np.where(whole, np.where(whole, numbers, 0).astype(np.int64).view(np.uint64), numbers.view(np.uint64))


def _mix(words: Words) -> Words:
    words = words + _GAMMA
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Words = words ^ (words >> np.uint64(31))
    return mixed


_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MISSING = np.uint64(0xA5A5A5A55A5A5A5A)
_TEXT = np.uint64(1 << 63)
