"""Rows that have judged before: a test that is asked again and again on the same rows is passed by luck in the end."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from loopwright.core.digest import digest_record
from loopwright.evaluation.records import JudgedRows
from loopwright.evaluation.rows import Floats, Places
from loopwright.training.records import SplitPlan


def judged_rows(plan: SplitPlan, moments: Floats | None, places: Places) -> JudgedRows:
    """The rows at `places` as they are remembered: in order by their first and last moment, else by the hash's way."""
    way = f"{plan.kind} {plan.column or ''}".strip()
    if moments is None:
        return JudgedRows(way=f"{way} {digest_record([plan.test_share, plan.columns])[:12]}", rows=len(places))
    known = moments[places]
    return JudgedRows(way=way, rows=len(places), since=float(known.min()), until=float(known.max()))


def uses(now: JudgedRows, earlier: Iterable[JudgedRows], moments: Floats | None, places: Places) -> float:
    """How often the rows have judged, this time included: an earlier time counts by the share of them that it had.

    By a hash the rows of earlier times are among those of now. In order they are those from its first moment to its
    last.
    """
    return 1.0 + sum(_shared(now, one, moments, places) for one in earlier if one.way == now.way)


def _shared(now: JudgedRows, then: JudgedRows, moments: Floats | None, places: Places) -> float:
    if moments is None or then.since is None or then.until is None:
        return min(1.0, then.rows / now.rows)
    known = moments[places]
    return float(np.mean((known >= then.since) & (known <= then.until)))
