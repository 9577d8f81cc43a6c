"""Comparisons made up by their figures."""

from loopwright.evaluation.records import Comparison
from loopwright.statistics.special import normal_quantile, normal_tail

Z = normal_quantile(0.95)


def comparison(against, difference, low, *, metric="rmse", rows=500, baseline=100.0, margin=0.05):
    """As a normal figure's would be whose one-sided bound at 95 % is `low`."""
    allowed = 0.0 if against == "dummy" else margin * abs(baseline)
    known = {}
    if low is not None:
        error = (difference - low) / Z
        known = {
            "low": low,
            "high": 2 * difference - low,
            "error": error,
            "p_better": p_value(difference, error),
            "p_not_worse": p_value(difference + allowed, error),
            "p_worse": p_value(-difference - allowed, error),
        }
    given = {
        "against": against,
        "metric": metric,
        "difference": difference,
        "low": None,
        "high": None,
        "confidence": 0.95,
        "rows": rows,
        "baseline": baseline,
        "allowed": allowed,
    }
    return Comparison(**(given | known))


def p_value(ahead, error):
    return normal_tail(ahead / error) if error else float(ahead <= 0)
