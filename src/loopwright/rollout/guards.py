"""What may end a rollout: the challenger's failures, latency, predictions and quality, and the split of the traffic.

Each guard spends its part of the policy's `alpha` over all steps and looks; `level` is that part. Pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, log

import numpy as np

from loopwright.core.decision import Finding, Reason
from loopwright.rollout.evidence import asked, failed
from loopwright.rollout.records import Block, Look, RolloutPlan, StepEvidence
from loopwright.statistics.arrays import AnyArray, Floats
from loopwright.statistics.divergence import psi
from loopwright.statistics.sequential import (
    different,
    log_mean,
    mean_difference_sequence,
    more_often,
    share_sequence,
    split_is,
    subset_p,
)
from loopwright.traffic.predictions import OUTPUT
from loopwright.traffic.summary import BESIDE, LATENCY_EDGES_MS, WindowSummary

ALONE_ERROR_SHARE = 0.05
"""With no champion to compare with, the share of failed requests that ends a rollout."""

ALONE_SLOW_SHARE = 0.05
"""With no champion beside, the share of a key's answers that may be slow in the mean: 1 % of the champion's were, but
of all its answers and not of each key's."""

LATENCY_REQUESTS = 50
"""The first requests that a process answers are slow: latencies of fewer are not judged."""

HARMLESS_MS = 5.0
"""An answer within so many milliseconds is fast enough, whatever the champion's are."""

QUALITY_UNITS = 100
"""The bounds of a mean hold for large samples: with fewer units quality is not judged."""


def errors(plan: RolloutPlan, seen: StepEvidence, level: float) -> Reason:
    """Does the challenger surely fail more often? Half the level is for what both did side by side, half for the rest.

    Side by side by `more_often` on blocks, over the whole rollout; with keys by `subset_p` on the slots' failures
    beyond their share, at looks of the step. Where they do not answer side by side, by their confidence sequences: the
    challenger's failures in this step against the champion's since the rollout began, or against 5 %; with keys the
    shares of the slots, at looks again.
    """
    ours, theirs = seen.challenger, seen.champion
    text = f"challenger failed {ours.errors} of {ours.requests} requests"
    if theirs.requests:
        text += f", champion {theirs.errors} of {theirs.requests}"
    figures = {
        "challenger_requests": float(ours.requests),
        "challenger_errors": float(ours.errors),
        "champion_requests": float(theirs.requests),
        "champion_errors": float(theirs.errors),
    }
    if seen.keyed and beside(seen):
        return _by_keys("errors", text, figures, [(one, one.failed, one.requests) for one in seen.looks], plan, level)
    if beside(seen):
        return _evidence("errors", text, figures, _more_failures(*_apart(seen.blocks)), level / 2)
    low, limit = _apart_bounds(plan, seen, level / 4)
    said = f"{text}: surely {low:.1%} or more, where {limit:.1%} is the limit"
    return Reason(rule="errors", finding=_if(low > limit), text=said, figures=figures | {"low": low, "limit": limit})


def fewer_errors_p(plan: RolloutPlan, seen: StepEvidence) -> float:
    """An always-valid p-value against the challenger failing no more seldom than the champion."""
    if seen.keyed:
        looks = seen.looks
        p = min((_spent(one) * _look_p(one, one.failed, one.requests, less=True) for one in looks), default=1.0)
        return min(1.0, p * len(plan.steps))
    theirs, ours = _apart(seen.blocks)[::-1]
    return exp(min(0.0, -_more_failures(theirs, ours)))


def latency(plan: RolloutPlan, seen: StepEvidence, level: float) -> Reason:
    """Is the challenger surely more than `max_latency_ratio` times slower?

    Side by side: at every edge of the latency counts, whether it is slower than the edge times the ratio more often
    than the champion is slower than the edge, by `more_often`, and the mean of that evidence over the edges; no
    quantile is chosen by what is to be judged. With keys: the slots' answers slower than the revision's limit, by
    `subset_p`. Else, with all traffic, whether more than 1 % are slower than the ratio times an upper bound of the
    champion's p99, since the rollout began or in the hour before; with keys whether `ALONE_SLOW_SHARE` of the slots'
    are slower than the revision's limit.
    """
    ours, theirs = seen.challenger, max(seen.champion, seen.before, key=lambda one: sum(one.latency))
    if min(sum(ours.latency), sum(theirs.latency)) < LATENCY_REQUESTS or ours.p99_ms is None or theirs.p99_ms is None:
        return Reason(rule="latency", finding="pass", text="too few requests to compare latency yet")
    text = f"challenger's p99 latency is {ours.p99_ms:.1f} ms, champion's {theirs.p99_ms:.1f} ms"
    text += f" (limit: {plan.max_latency_ratio:g} times)"
    figures = {"challenger_p99_ms": ours.p99_ms, "champion_p99_ms": theirs.p99_ms}
    if seen.keyed and beside(seen):
        looks: list[_Seen] = [(one, one.slow, np.subtract(one.requests, one.failed)) for one in seen.looks]
        return _by_keys("latency", text, figures, looks, plan, level)
    if beside(seen):
        return _evidence("latency", text, figures, _slower(seen.blocks, plan.max_latency_ratio), level / 2)
    if seen.keyed:
        return _slow_alone(plan, seen, level / 2, text, figures)
    limit = _p99_bound(theirs.latency, level / 4)
    if limit is None:
        said = f"{text}: too few answers of the champion to judge by"
        return Reason(rule="latency", finding="pass", text=said, figures=figures)
    edge = _edge(max(HARMLESS_MS, limit * plan.max_latency_ratio))
    slow, answered = sum(ours.latency[edge + 1 :]), sum(ours.latency)
    low, _ = share_sequence(slow, answered, level / 4)
    said = f"{text}: surely {low:.1%} or more of its answers take {LATENCY_EDGES_MS[edge]:.0f} ms, where 1 % may"
    return Reason(rule="latency", finding=_if(low > 0.01), text=said, figures=figures | {"low": low})


def shift(plan: RolloutPlan, seen: StepEvidence, level: float) -> Reason | None:
    """Are predictions surely distributed differently, and by `max_shift` (PSI) at least? None where none are counted.

    `different` on the outputs' bins. Judged only where each request has one row and no key, since rows that belong
    together say less than their number does; told otherwise.
    """
    found = {name: _bins(seen.blocks, name) for name in _outputs(seen.blocks)}
    sizes = {name: psi(theirs.sum(axis=0), ours.sum(axis=0)) for name, (ours, theirs) in found.items()}
    known = {name: size for name, size in sizes.items() if size is not None}
    if not known:
        return None
    name = max(known, key=lambda one: known[one])
    size, sure = known[name], different(*found[name]) + log(level / len(found)) >= 0
    text = f"{name} of the two lies {size:.2f} apart (population stability index)"
    figures = {"psi": size}
    if plan.max_shift is None:
        return Reason(rule="shift", finding="pass", text=f"{text}; no limit is declared", figures=figures)
    if seen.keyed or any(one.rows != one.requests for some in _apart(seen.blocks) for one in some):
        text = f"{text}; not judged, since rows of one key or request are not independent"
        return Reason(rule="shift", finding="warn", text=text, figures=figures)
    said = f"{text}, {'surely' if sure else 'not surely'} more than chance (limit: {plan.max_shift:g})"
    return Reason(rule="shift", finding=_if(sure and size >= plan.max_shift), text=said, figures=figures)


def quality(seen: StepEvidence, level: float) -> Reason:
    """Is the challenger's mean loss surely greater? By the confidence sequence of the difference of two means."""
    if seen.quality is None:
        return Reason(rule="quality", finding="pass", text="quality is not judged: no outcomes are known")
    ours, theirs = seen.quality
    fewest = min(ours.units, theirs.units)
    if fewest < QUALITY_UNITS:
        text = (
            f"challenger's outcomes of {ours.units} are known, champion's of {theirs.units}: {QUALITY_UNITS} are needed"
        )
        return Reason(rule="quality", finding="pass", text=text, figures={"units": float(fewest)})
    low, high = loss_difference(seen, level)
    text = (
        f"challenger's mean loss is {ours.mean:.4g} of {ours.units}, champion's {theirs.mean:.4g} of {theirs.units}"
        f" (difference surely from {low:.2g} to {high:.2g}; outcomes of {ours.coverage:.0%} are known)"
    )
    return Reason(rule="quality", finding=_if(low > 0), text=text, figures={"low": low, "high": high})


def loss_difference(seen: StepEvidence, level: float) -> tuple[float, float]:
    """Bounds of the challenger's mean loss less the champion's, at all times; unbounded where too few are known."""
    if seen.quality is None or min(one.units for one in seen.quality) < QUALITY_UNITS:
        return -np.inf, np.inf
    ours, theirs = seen.quality
    return mean_difference_sequence(
        ours.units, ours.mean, ours.variance, theirs.units, theirs.mean, theirs.variance, level
    )


def split(plan: RolloutPlan, seen: StepEvidence, weight: int, level: float) -> Reason:
    """Is the traffic surely split otherwise than asked for? `split_is` by request; with keys `subset_p` on the slots'.

    Where it is, something sorts requests by more than chance, and no comparison of the two can be trusted.
    """
    got, total = seen.split
    text = f"the challenger had {got} of {total} requests, where {weight} % are meant"
    figures = {"challenger": float(got), "asked": float(total)}
    if not seen.keyed:
        return _evidence("split", text, figures, split_is(got, total - got, weight / 100), level)
    everything = [(one, np.sqrt(one.requests), np.ones(len(one.requests))) for one in seen.looks]
    p = min((2 * min(_look_p(*one), _look_p(*one, less=True)) * _spent(one[0]) for one in everything), default=1.0)
    return Reason(rule="split", finding=_if(p <= level), text=text, figures=figures | {"p": min(1.0, p)})


def beside(seen: StepEvidence) -> bool:
    """Whether the two have answered side by side long enough to be compared so."""
    return bool(seen.looks) and seen.looks[-1].first > 0 if seen.keyed else bool(seen.blocks)


def _more_failures(a: list[WindowSummary], b: list[WindowSummary]) -> float:
    path = more_often(_failed(a), _asked(a), _failed(b), _asked(b))
    return float(path[-1]) if len(path) else 0.0


def _evidence(rule: str, text: str, figures: dict[str, float], logs: float, level: float) -> Reason:
    found, needed = exp(min(logs, 700.0)), 1 / level
    said = f"{text} (evidence {found:.2g}, {needed:.0f} would abort)"
    return Reason(rule=rule, finding=_if(found >= needed), text=said, figures=figures | {"evidence": found})


def _by_keys(
    rule: str, text: str, figures: dict[str, float], looks: Sequence[_Seen], plan: RolloutPlan, level: float
) -> Reason:
    """The least p-value of the step's looks, each times what it may spend: the level, over the steps and looks."""
    steps = len(plan.steps)
    p = min((steps * _spent(one[0]) * _look_p(*one) for one in looks), default=1.0)
    said = f"{text} (by key, p = {min(1.0, p):.2g}, {level / 2:.2g} would abort)"
    return Reason(rule=rule, finding=_if(p <= level / 2), text=said, figures=figures | {"p": min(1.0, p)})


_Counts = AnyArray | tuple[int, ...]
_Seen = tuple[Look, _Counts, _Counts]
"""A look, and by slot the hits and of how many they are."""


def _spent(look: Look) -> float:
    """The shares 1/2, 1/6, 1/12, … of the level come to 1."""
    return float((look.number + 1) * (look.number + 2))


def _look_p(look: Look, hits: _Counts, units: _Counts, less: bool = False) -> float:
    """Hits beyond what each slot's units would have at the share of all: so the observed split is what counts.

    Over the root of the units, as that is how far chance carries them: else one heavy key would drown all others.
    """
    a, n = np.asarray(hits, np.float64), np.asarray(units, np.float64)
    beyond = a - n * (a.sum() / max(n.sum(), 1.0))
    beyond /= np.sqrt(np.maximum(n, 1.0))
    return subset_p(-beyond if less else beyond, np.arange(len(a)) >= look.first)


def _apart_bounds(plan: RolloutPlan, seen: StepEvidence, level: float) -> tuple[float, float]:
    """What share of the challenger's surely fails at least, of the champion's at most; a slot of keys counts once."""
    ours, theirs = seen.challenger, seen.champion
    if not seen.keyed:
        low, _ = share_sequence(ours.errors, ours.requests, level)
        _, high = share_sequence(theirs.errors, theirs.requests, level)
        return low, high if theirs.requests else ALONE_ERROR_SHARE
    _, high = share_sequence(theirs.slots[1], theirs.slots[0], level)
    limit = high if theirs.slots[0] else ALONE_ERROR_SHARE
    return _slots_low(plan, seen.looks, level, lambda one: (one.failed, one.requests)), limit


def _slow_alone(plan: RolloutPlan, seen: StepEvidence, level: float, text: str, figures: dict[str, float]) -> Reason:
    low = _slots_low(plan, seen.looks, level, lambda one: (one.slow, np.subtract(one.requests, one.failed)))
    said = f"{text}: surely {low:.1%} or more of a key's answers are slower than that, where {ALONE_SLOW_SHARE:.0%} may"
    return Reason(rule="latency", finding=_if(low > ALONE_SLOW_SHARE), text=said, figures=figures | {"low": low})


def _slots_low(
    plan: RolloutPlan, looks: Sequence[Look], level: float, of: Callable[[Look], tuple[_Counts, _Counts]]
) -> float:
    """What share of hits the challenger's slots surely have at least, each of which counts once: at the last look."""
    if not looks:
        return 0.0
    look = looks[-1]
    hits, units = (np.asarray(one, np.float64)[look.first :] for one in of(look))
    share = float((hits[units > 0] / units[units > 0]).sum())
    low, _ = share_sequence(share, float((units > 0).sum()), level / len(plan.steps) / _spent(look))
    return low


def _slower(blocks: tuple[Block, ...], ratio: float) -> float:
    step = LATENCY_EDGES_MS[1] / LATENCY_EDGES_MS[0]
    moved = int(min(np.ceil(np.log(ratio) / np.log(step) - 1e-9), len(LATENCY_EDGES_MS)))
    edges = [place for place, edge in enumerate(LATENCY_EDGES_MS) if edge >= HARMLESS_MS and place >= moved]
    if not edges:  # no latency that is counted lies so far beyond another
        return 0.0
    ours, theirs = (np.array([_beyond(one) for one in some]) for some in _apart(blocks))
    a, b = ours[:, edges], theirs[:, [min(place - moved, len(LATENCY_EDGES_MS) - 1) for place in edges]]
    found = more_often(a.T, ours[:, -1], b.T, theirs[:, -1])
    return float(log_mean(found[:, -1]))


def _beyond(one: WindowSummary) -> Floats:
    """How many answers were slower than each edge; at the end, how many there were."""
    counts = np.zeros(len(LATENCY_EDGES_MS) + 1)
    counts[: len(one.latency)] = one.latency
    return np.append(counts.sum() - np.cumsum(counts)[:-1], counts.sum())


def _p99_bound(latency: tuple[int, ...], level: float) -> float | None:
    """The least edge that surely at most 1 % of answers are slower than; None where too few are known to say."""
    total, below = sum(latency), np.cumsum(latency)
    for place, edge in enumerate(LATENCY_EDGES_MS[: len(below)]):
        if share_sequence(total - int(below[place]), total, level)[1] <= 0.01:
            return edge
    return None


def _edge(at_least: float) -> int:
    return min(int(np.searchsorted(LATENCY_EDGES_MS, at_least)), len(LATENCY_EDGES_MS) - 1)


def _outputs(blocks: tuple[Block, ...]) -> list[str]:
    """The outputs that are counted on common bins: the champion's."""
    ours, theirs = ([one.columns for one in some] for some in _apart(blocks))
    common = [name for name in (theirs[0] if theirs else ()) if name.startswith(OUTPUT)]
    return [name for name in common if all(name in one for one in theirs) and all(BESIDE + name in one for one in ours)]


def _bins(blocks: tuple[Block, ...], name: str) -> tuple[Floats, Floats]:
    challenger, champion = _apart(blocks)
    counted = [[one.columns[BESIDE + name] for one in challenger], [one.columns[name] for one in champion]]
    ours, theirs = (np.array([(*one.bins, one.missing, one.unseen) for one in some], float) for some in counted)
    return ours, theirs


def _apart(blocks: tuple[Block, ...]) -> tuple[list[WindowSummary], list[WindowSummary]]:
    return [one.challenger for one in blocks], [one.champion for one in blocks]


def _failed(windows: list[WindowSummary]) -> Floats:
    return np.array([failed([one]) for one in windows], dtype=np.float64)


def _asked(windows: list[WindowSummary]) -> Floats:
    return np.array([asked([one]) for one in windows], dtype=np.float64)


def _if(bad: bool) -> Finding:
    return "fail" if bad else "pass"
