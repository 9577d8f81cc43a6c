"""What computing costs in money, where somebody has said what a core's time costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreHour:
    """What an hour of one core costs, in `currency` (empty: nobody has said in which)."""

    price: float
    currency: str = ""

    def said(self, amount: float) -> str:
        """An amount of money in words, such as `0.0139 EUR`."""
        return f"{amount:.3g} {self.currency}".strip()
