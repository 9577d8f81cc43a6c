"""Parts that ask how late: a lone request, and the slowest hundredth at half load."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from serving.figures import Figure, figure, ratio
from serving.plans import asked, ceiling
from serving.rounds import at_rate, in_turns, measured, saturate, up
from serving.setting import BARE, CAPTURED, CEILING, CONNECTIONS, Setting, both, each, latencies


def lone(setting: Setting) -> list[Figure]:
    """One connection: how much later than the bare handler's our answer comes."""
    part, questions = "lone", asked(setting.store.numeric())
    with up([*both(setting, questions), ceiling(questions)], setting.cores) as servers:
        loads, _ = in_turns(each(servers, saturate(1, setting.pace)), setting.pace.rounds)
    figures = [figure(part, f"{name}, median", "µs", latencies(found, 0.5)) for name, found in loads.items()]
    for name in (CAPTURED, BARE):
        later = np.subtract(latencies(loads[name], 0.5), latencies(loads[CEILING], 0.5)).tolist()
        figures.append(figure(part, f"{name}, after the ceiling", "µs", later, at_most=50))
    return figures


def half(setting: Setting) -> list[Figure]:
    """p99 at half of what our server can take, against the ceiling's at the same rate.

    In many short turns: what else the machine does comes in spells, and a spell shall not decide more than one of them.
    """
    part, questions = "half", asked(setting.store.numeric())
    with up([*both(setting, questions), ceiling(questions)], setting.cores) as servers:
        most = measured(servers[CAPTURED], saturate(CONNECTIONS, setting.pace)).rate
        measure = at_rate(most / 2, 4 * CONNECTIONS, replace(setting.pace, seconds=2.0, warm=0.5, settle=1.0))
        loads, _ = in_turns(each(servers, measure), 6 * setting.pace.rounds)
    figures = [figure(part, "requests a second, sent to each", "/s", [most / 2])]
    for quantile, label in ((0.5, "p50"), (0.99, "p99")):
        figures += [figure(part, f"{name}, {label}", "µs", latencies(found, quantile)) for name, found in loads.items()]
    for name in (CAPTURED, BARE):
        upper, lower = latencies(loads[name], 0.99), latencies(loads[CEILING], 0.99)
        figures.append(ratio(part, f"{name} / ceiling, p99", upper, lower, at_most=2))
    return figures
