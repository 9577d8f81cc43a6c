"""How much is tried: the whole programme, or a quick look that shows that it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Effort:
    """`simulations` of each rate at most, the `seed` they begin with, the folder of data sets (None: left out)."""

    simulations: int = 2_000
    seed: int = 20_261_121
    data: Path | None = None

    @property
    def quick(self) -> bool:
        return self.simulations < 500
