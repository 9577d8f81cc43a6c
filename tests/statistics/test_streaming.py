"""Detectors find a rise, seldom cry without one, and do not mind in which portions the values come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.codec import from_json, to_json
from loopwright.statistics.streaming import Adwin, Detector, EDetector, PageHinkley, alarms, usual_losses

pytestmark = pytest.mark.filterwarnings("error")
DETECTORS = (EDetector(mean=0.2, run_length=10_000), PageHinkley(threshold=25), Adwin())


def errors(rng: np.random.Generator, rows: int, share: float) -> np.ndarray:
    return (rng.random(rows) < share).astype(np.float64)


def test_an_e_detector_keeps_its_run_length() -> None:
    rng = np.random.default_rng(1)
    runs = [alarms(EDetector(mean=0.2, run_length=200), errors(rng, 2_000, 0.2)) for _ in range(100)]
    assert sum(map(len, runs)) <= 100 * 2_000 / 200 * 1.1


def test_an_e_detector_keeps_its_run_length_where_errors_come_in_bursts_of_the_same_mean() -> None:
    rng = np.random.default_rng(2)
    values = rng.beta(0.2, 0.8, size=(100, 2_000))  # nearly all at 0 or 1, with mean 0.2
    runs = [alarms(EDetector(mean=0.2, run_length=200), one) for one in values]
    assert sum(map(len, runs)) <= 100 * 2_000 / 200 * 1.1


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: type(one).__name__)
def test_a_rise_is_found_soon_and_a_fall_is_none(detector: Detector) -> None:
    rng = np.random.default_rng(3)
    calm, risen = errors(rng, 1_000, 0.15), errors(rng, 1_000, 0.5)
    found = alarms(detector, np.concatenate([calm, risen]))
    assert found
    assert 1_000 <= found[0] < 1_200
    assert alarms(detector, np.concatenate([errors(rng, 1_000, 0.2), errors(rng, 1_000, 0.02)])) == []


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 400), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_portions_are_as_good_as_the_whole_and_detectors_survive_json(seed: int, portions: list[int]) -> None:
    rng = np.random.default_rng(seed)
    values = errors(rng, sum(portions), 0.25)
    values[rng.random(len(values)) < 0.1] = np.nan
    for whole in DETECTORS:
        found, start, detector = [], 0, whole
        for portion in portions:
            left, end = start, start + portion
            while left < end:
                detector, place = detector.after(values[left:end])
                if place is None:
                    break
                found.append(left + place)
                left += place + 1
            detector, start = from_json(to_json(detector), type(detector)), end
        assert found == alarms(whole, values)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: type(one).__name__)
def test_nothing_and_unknown_values_change_nothing(detector: Detector) -> None:
    assert detector.after(np.array([])) == (detector, None)
    assert detector.after(np.array([np.nan, np.nan])) == (detector, None)


def test_adwin_drops_what_was_before_the_change_and_stays_small() -> None:
    rng = np.random.default_rng(4)
    detector, place = Adwin().after(np.concatenate([errors(rng, 5_000, 0.1), errors(rng, 1_000, 0.6)]))
    assert place is not None
    assert 5_000 <= place < 5_200
    assert sum(count for count, _, _ in detector.buckets) < place - 4_000
    steady, place = Adwin().after(np.full(20_000, 0.3))
    assert place is None
    assert sum(count for count, _, _ in steady.buckets) == 20_000
    assert len(steady.buckets) < 100


def test_the_usual_loss_is_capped_and_bounded_from_above() -> None:
    rng = np.random.default_rng(5)
    losses = rng.exponential(2.0, 500)
    losses[0] = 1e6
    usual = usual_losses(losses)
    assert usual is not None
    assert 5 < usual.cap < 20
    assert usual.scaled(losses).mean() < usual.mean < 1.3 * usual.scaled(losses).mean()
    assert usual.scaled(np.array([0.0, 1e9])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("losses", [[], [1.0] * 29, [0.0] * 100, [np.nan] * 100, [np.inf] * 100])
def test_there_is_no_usual_of_too_few_losses_or_of_none(losses: list[float]) -> None:
    assert usual_losses(np.array(losses)) is None


def test_rare_errors_have_a_usual_too() -> None:
    usual = usual_losses(np.array([0.0] * 999 + [1.0]))
    assert usual is not None
    assert usual.cap == 1.0
    assert 0.001 < usual.mean < 0.004
