"""What a simulation's report says in a few words, on the page and on the terminal alike."""

from __future__ import annotations

from loopwright.policies.tasks import METRICS
from loopwright.simulation.records import SimulationReport


def facts(report: SimulationReport) -> list[tuple[str, str]]:
    """What was counted and measured: a name and a value each."""
    errors, regained = report.errors, report.errors.regained
    share = (
        " (there is next to nothing to be gained)" if regained is None else f" ({regained:.0%} of what is to be gained)"
    )
    counted = ", ".join(f"{number} {status}" for status, number in sorted(report.runs.items())) or "none"
    refusals = ", ".join(f"{number} {rule}" for rule, number in sorted(report.refusals.items())) or "nothing"
    error = error_name(report)
    return [
        (f"{error}, the loop", f"{errors.loop:.4g}{share}"),
        (f"{error}, retrained perfectly", f"{errors.oracle:.4g}"),
        (f"{error}, never retrained", f"{errors.never:.4g}"),
        ("longest until a change was found", _longest(report, report.detection_days)),
        ("longest until the loop recovered", _longest(report, report.recovery_days)),
        ("false alarms in 30 quiet days", f"{report.false_alarms_per_month:.2g} ({report.alarms} alarms in all)"),
        ("promotions, wrong ones", f"{report.promotions}, {report.wrong_promotions}"),
        ("kept out though better", str(report.missed_promotions)),
        ("retrains", counted),
        ("refused by the governor for", refusals),
        ("seconds of training", f"{report.training_seconds:.0f}"),
        ("requests, failed ones", f"{report.predictions:,}, {report.failed:,}"),
    ]


def error_name(report: SimulationReport) -> str:
    """What the errors are called: where more of the metric is better, they are what it lacks of 1."""
    _, more_is_better = METRICS[report.metric]
    return f"1 − {report.metric}" if more_is_better else report.metric


def _longest(report: SimulationReport, days: float | None) -> str:
    if not report.changes:
        return "nothing changed"
    return "never" if days is None else f"{days:.1f} days"
