"""How many rows a comparison needs to see what it is to see."""

from __future__ import annotations

from math import ceil

from loopwright.statistics.special import normal_quantile

POWER = 0.8
"""How often an effect is to be seen: four times in five."""

_HOPELESS = 1e-4  # of an effect's standard errors: a hundred million times the rows would not do


def rows_needed(rows: int, error: float, effect: float, *, alpha: float, power: float = POWER) -> int | None:
    """Rows at which a one-sided test at `alpha` sees `effect` > 0 with the chance `power`.

    `error` is the figure's standard error on `rows` rows, which falls with the root of their number. None where it is 0
    or the effect is next to nothing: no number follows. ((z of alpha + z of power) error / effect) ** 2 (Lehr, 1992).
    """
    if effect <= error * _HOPELESS or error <= 0:
        return None
    return ceil(rows * ((normal_quantile(1 - alpha) + normal_quantile(power)) * error / effect) ** 2)
