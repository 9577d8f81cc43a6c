"""What a prediction costs, learnt as it goes: so much for the call, so much for each row."""

from __future__ import annotations

FORGET = 0.95
"""The weight that a call keeps at each later one: what is measured follows the last twenty or so."""


class Pace:
    """Seconds = call + row * rows, by least squares in which newer calls weigh more."""

    def __init__(self) -> None:
        self._weight = self._rows = self._seconds = self._squares = self._products = 0.0

    def observe(self, rows: int, seconds: float) -> None:
        """A prediction of so many rows took so long."""
        self._weight = FORGET * self._weight + 1
        self._rows = FORGET * self._rows + rows
        self._seconds = FORGET * self._seconds + seconds
        self._squares = FORGET * self._squares + rows * rows
        self._products = FORGET * self._products + rows * seconds

    def expected(self, rows: int) -> float:
        """Seconds that so many rows will take; 0 while nothing is known."""
        call, row = self._line()
        return call + row * rows

    def rows_within(self, seconds: float) -> int:
        """How many rows will take no longer than `seconds`; at least one."""
        call, row = self._line()
        return max(1, int((seconds - call) / row)) if row > 0 else _ANY

    def _line(self) -> tuple[float, float]:
        """The call's and the row's share. Where all calls were alike, each row is taken to cost its part of them:
        a guess that errs to the slow side.
        """
        if not self._weight:
            return 0.0, 0.0
        rows, seconds = self._rows / self._weight, self._seconds / self._weight
        spread = self._squares / self._weight - rows * rows
        if spread <= _ALIKE * rows * rows:
            return 0.0, seconds / rows
        row = (self._products / self._weight - rows * seconds) / spread
        row = min(max(row, 0.0), seconds / rows)
        return seconds - row * rows, row


_ANY = 1 << 30
_ALIKE = 1e-3
