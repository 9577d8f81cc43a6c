"""How long labels take to come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from loopwright.outcomes.lag import label_lag

START = datetime(2026, 1, 1, tzinfo=UTC)


def rows(*waits: float | None) -> pl.DataFrame:
    """Predictions of the first moment; the labels came after so many days, or have not (None)."""
    known = [None if wait is None else START + timedelta(days=wait) for wait in waits]
    moment = pl.Datetime("us", "UTC")
    return pl.DataFrame({"at": [START] * len(waits), "known_at": known}, schema={"at": moment, "known_at": moment})


def test_lag_is_told_in_words():
    lag = label_lag([rows(*[2] * 10, *[9] * 10)], START + timedelta(days=10))
    assert (lag.predictions, lag.known, lag.share) == (20, 20, 1.0)
    assert str(lag) == "half come within 2 days, 95 % within 9 days"


def test_labels_still_to_come_make_the_lag_longer_and_what_is_beyond_sight_is_not_claimed():
    lag = label_lag([rows(1, 1, 1, None), rows(None, None)], START + timedelta(days=3))
    assert lag.within == {"0.1": 86_400.0, "0.25": 86_400.0, "0.5": 86_400.0}
    assert str(lag) == "half come within 1 day, 50% within 3 days, and what comes later is not known yet"


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        ([rows(None)], "none has come, 3 days after the first prediction"),
        ([rows(-5)], "half come within 0 seconds, 95 % within 0 seconds"),
        ([rows(1, None, None, None)], "25% come within 3 days, and what comes later is not known yet"),
    ],
)
def test_edges(frames, said):
    assert str(label_lag(frames, START + timedelta(days=3))) == said


def test_without_predictions_there_is_no_lag():
    assert label_lag([rows()], START) is None
    assert label_lag([], START) is None


def test_predictions_after_now_are_not_awaited_yet():
    assert label_lag([rows(None)], START - timedelta(days=1)).longest == 0.0
