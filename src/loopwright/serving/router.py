"""Which variant answers: by weight, and always the same one for the same key. Pure functions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate

from loopwright.traffic.summary import SLOTS


def place(endpoint: str, key: str) -> float:
    """Where `key` stands in [0, 100), for ever: a BLAKE2b hash of endpoint and key."""
    digest = blake2b(f"{endpoint}\x1f{key}".encode("utf-8", "replace"), digest_size=7).digest()
    return int.from_bytes(digest, "big") * _PERCENT


@lru_cache(maxsize=1 << 16)
def slot(endpoint: str, key: str) -> int:
    """In which of the slots `key` is counted, by its place: so a slot is answered by one variant. Keys come again."""
    return int(place(endpoint, key) * SLOTS / 100)


def bounds(weights: Sequence[float]) -> tuple[float, ...]:
    """The upper ends of the variants' shares of [0, 100), in the order given; all zero where no variant has weight.

    Shares lie side by side, so weight that moves between neighbours moves those keys alone that lie in it. (For three
    variants or more no rule without memory can promise that for every pair.)
    """
    total = sum(weights)
    return tuple(100 * (sum_ / total) for sum_ in accumulate(weights)) if total else (0.0,) * len(weights)


def pick(upper: Sequence[float], where: float) -> int:
    """The number of the variant whose share holds `where`; the first where no variant has weight."""
    found = bisect_right(upper, where)
    return found if found < len(upper) else 0


_PERCENT = 100.0 / (1 << 56)
