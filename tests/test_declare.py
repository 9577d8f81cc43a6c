"""What can be misdeclared is refused as it is written, with the name, what was found, and the remedy."""

from __future__ import annotations

import pytest

from loopwright import (
    ABTest,
    Alerts,
    BlueGreen,
    Canary,
    Decay,
    Drift,
    Gate,
    Governor,
    Model,
    NewData,
    Replay,
    Schedule,
    Split,
    Threshold,
)
from loopwright.errors import DeclarationError


def model(**extra):
    return Model(**({"name": "demand", "source": "a.csv", "target": "cnt"} | extra))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: model(name="Bike Demand"), "Bike Demand"),
        (lambda: model(name=5), "name is 5"),
        (lambda: model(drop=["cnt"]), "target 'cnt' is dropped"),
        (lambda: model(drop="casual"), "drop is 'casual'"),
        (lambda: model(key="cnt"), "key is the target"),
        (lambda: model(time="day", drop=["day"]), "time 'day' is also dropped"),
        (lambda: model(time="day", order="rows"), "both time and order"),
        (lambda: model(order="time"), "order is 'time'"),
        (lambda: model(task="ranking"), "task is 'ranking'"),
        (lambda: model(label_delay="soon"), "'soon' is not a duration"),
        (lambda: model(task="regression", gate=Gate("roc_auc", at_least=0.8)), "gate is on roc_auc"),
        (lambda: model(task="regression", positive="yes"), "positive is 'yes'"),
        (lambda: model(task="multiclass", threshold=Threshold("f1")), "a threshold is declared"),
        (lambda: Gate("rsme"), "rsme"),
        (lambda: Gate("rmse", at_least=70), "less is better"),
        (lambda: Gate("roc_auc", at_most=0.9), "more is better"),
        (lambda: Gate(at_most=70), "names no metric"),
        (lambda: Gate(confidence=1.5), "confidence is 1.5"),
        (lambda: Canary(steps=(50, 10, 100)), "(50, 10, 100)"),
        (lambda: Canary(steps=(10, 50)), "(10, 50)"),
        (lambda: Canary(interval="quickly"), "'quickly' is not a duration"),
        (lambda: BlueGreen(interval="1"), "'1' is not a duration"),
        (lambda: BlueGreen(patience="long"), "'long' is not a duration"),
        (lambda: Canary(min_requests=-1), "min_requests is -1"),
        (lambda: Canary(max_latency_ratio=0), "max_latency_ratio is 0"),
        (lambda: Canary(max_latency_ratio=float("inf")), "max_latency_ratio is inf"),
        (lambda: Canary(max_latency_ratio=float("nan")), "max_latency_ratio is nan"),
        (lambda: model(name="demand-staging"), "staging endpoint of 'demand'"),
        (lambda: Schedule("every day"), "every day"),
        (lambda: Schedule("99 3 * * 1"), "99 3 * * 1"),
        (lambda: Split(validation=0.5, test=0.45), "95%"),
        (lambda: Split(validation=0), "0% of the rows for validation"),
        (lambda: Split(test=0), "0% for the test"),
        (lambda: Threshold("profit"), "profit"),
        (lambda: Threshold(1.5), "1.5"),
        (lambda: Governor("a while"), "'a while' is not a duration"),
        (lambda: Governor(per_week=0), "per_week is 0"),
        (lambda: Governor(breaker=0), "breaker is 0"),
        (lambda: Governor(worth=2), "worth is 2"),
        (lambda: Governor(approval="maybe"), "approval is 'maybe'"),
        (lambda: Governor(backtest="sometimes"), "backtest is 'sometimes'"),
        (lambda: Governor(freeze="fri 16:00-mon 08:00"), "freeze is 'fri 16:00-mon 08:00'"),
        (lambda: Governor(freeze=["weekends"]), "'weekends' is no time to freeze"),
        (lambda: Governor(freeze=["mon 00:00-sun 00:00", "sun 00:00-mon 00:00"]), "no minute of the week free"),
        (lambda: Governor(zone="Mars/Olympus"), "'Mars/Olympus' is no time zone"),
        (lambda: Governor(freeze=["2026-12-20/9999-12-31"]), "9999-12-31"),
        (lambda: Governor("9999999d"), "longer than a century"),
        (lambda: Drift(alpha=2), "alpha is 2"),
        (lambda: Drift(alpha=0), "alpha is 0"),
        (lambda: Drift(-1), "psi is -1"),
        (lambda: Drift(min_rows=0), "min_rows is 0"),
        (lambda: Decay(window="0d"), "window has no length"),
        (lambda: NewData(0), "min_rows is 0"),
        (lambda: Gate(min_rows=0), "min_rows is 0"),
        (lambda: Gate(max_latency_ms=-1), "max_latency_ms is -1"),
        (lambda: Gate(max_training_cost=0), "max_training_cost is 0"),
        (lambda: ABTest(horizon="0d"), "horizon has no length"),
        (lambda: Alerts(drift="off"), "drift is 'off'"),
        (lambda: Replay(-1), "rows is -1"),
        (lambda: Replay(max_errors=1.5), "max_errors is 1.5"),
        (lambda: Replay(max_changed=-0.1), "max_changed is -0.1"),
        (lambda: Replay(max_latency_ratio=0), "max_latency_ratio is 0"),
        (lambda: Replay(tolerance=float("nan")), "tolerance is nan"),
        (lambda: Replay(sent="humidity"), "sent is 'humidity'"),
    ],
)
def test_a_misdeclaration_names_what_is_wrong_and_how_to_mend_it(wrong, words) -> None:
    with pytest.raises(DeclarationError) as caught:
        wrong()
    assert words in caught.value.message
    assert caught.value.remedy


def test_a_source_and_a_target_make_a_whole_model() -> None:
    declared = Model("churn", source="churn.csv", target="Churn").declaration
    assert declared.rollout == Canary()
    assert not declared.ordered


def test_a_positive_class_is_named_as_the_target_holds_it() -> None:
    assert [model(positive=one).declaration.positive for one in (1, 1.0, "1", True)] == ["1", "1", "1", "True"]


def test_the_drift_trigger_is_also_how_drift_is_watched() -> None:
    assert model(retrain=[NewData(), Drift(0.3)]).declaration.drift == Drift(0.3)


def test_equal_declarations_have_equal_digests() -> None:
    assert model().declaration.digest() == model().declaration.digest()
    assert model().declaration.digest() != model(seed=1).declaration.digest()


def test_functions_are_declared_by_decorators_and_once() -> None:
    one = model()

    @one.features
    def features(rows):
        return rows

    @one.tune(trials=3, budget="1m")
    def search(trial):
        return {}

    assert one.features_function is features
    assert one.tuning is not None
    assert one.tuning.trials == 3
    with pytest.raises(DeclarationError, match="declared twice"):
        one.features(features)


@pytest.mark.parametrize(
    ("decay", "said"),
    [
        ({"metric": "goodness"}, "does not exist"),
        ({"margin": 1.0}, "margin"),
        ({"confidence": 0.3}, "confidence"),
        ({"coverage": 0.0}, "coverage"),
        ({"min_rows": 0}, "min_rows"),
        ({"window": "soon"}, "window"),
    ],
)
def test_a_decay_that_cannot_be_watched_is_refused(decay, said):
    with pytest.raises(DeclarationError, match=said):
        Decay(**decay)


def test_a_decay_is_of_a_metric_that_the_task_has():
    with pytest.raises(DeclarationError, match="watched in rmse"):
        Model("m", source="s", target="y", task="binary", decay=Decay("rmse"))


def test_the_decay_that_asks_for_a_retrain_is_the_one_that_is_watched():
    assert Model("m", source="s", target="y", retrain=[Decay(margin=0.2)]).declaration.decay.margin == 0.2
