"""How long things take, held against statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from loopwright.statistics.survival import kaplan_meier


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=2, max_size=80))
def test_shares_and_errors_are_those_of_statsmodels(rows):
    waited, came = np.array([a for a, _ in rows], dtype=float), np.array([b for _, b in rows])
    found = kaplan_meier(waited, came)
    if not came.any():
        assert len(found.times) == 0
        return
    known = SurvfuncRight(waited, came.astype(int))
    np.testing.assert_array_equal(found.times, known.surv_times)
    np.testing.assert_allclose(1 - found.share, known.surv_prob, atol=1e-12)
    open_ended = known.surv_prob > 0
    np.testing.assert_allclose(found.error[open_ended], known.surv_prob_se[open_ended], atol=1e-10)


def test_waiting_in_vain_makes_all_seem_slower_than_leaving_it_out():
    waited, came = np.array([1.0, 2.0, 3.0, 9.0, 9.0, 9.0]), np.array([True] * 3 + [False] * 3)
    assert kaplan_meier(waited, came).within(0.9) is None
    assert kaplan_meier(waited, came).within(0.5) == 3.0
    assert kaplan_meier(waited[:3], came[:3]).within(0.9) == 3.0


def test_shares_by_a_time_and_times_of_a_share_are_steps():
    found = kaplan_meier([1.0, 2.0, 4.0, 8.0], [True] * 4)
    assert [found.by(time) for time in (0.5, 1.0, 3.9, 100.0)] == [0.0, 0.25, 0.5, 1.0]
    assert [found.within(share) for share in (0.25, 0.26, 1.0)] == [1.0, 2.0, 8.0]


@pytest.mark.parametrize(
    ("waited", "came", "share"),
    [([], [], None), ([np.nan, np.inf], [True, True], None), ([5.0], [False], None), ([-3.0, 0.0], [True, True], 0.0)],
)
def test_edges(waited, came, share):
    found = kaplan_meier(np.array(waited), np.array(came, dtype=bool))
    assert found.within(0.5) == share
    assert not np.isnan(found.error).any()
