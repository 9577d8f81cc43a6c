"""The gate's rules at their edges, and what must hold of them whatever the figures are."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.decision import decide
from loopwright.core.price import CoreHour
from loopwright.evaluation.gate import decide_gate
from loopwright.evaluation.records import Estimate, EvaluationReport, GroupRate, SliceReport
from loopwright.policies.gate import Fairness, Gate
from loopwright.statistics.special import normal_quantile
from tests.evaluation.figures import Z, comparison

BETTER = comparison("dummy", 40.0, 35.0)


def report(*, value=60.0, metric="rmse", dummy=BETTER, champion=None, **more):
    estimate = Estimate(value=value, low=value - 2, high=value + 2)
    settings = {
        "candidate": "c",
        "champion": 1 if champion else None,
        "task": "regression",
        "metric": metric,
        "rows": 500,
        "metrics": {"candidate": {metric: estimate}},
        "comparisons": tuple(one for one in (dummy, champion) if one),
        "slices": (),
        "latency_ms": 2.0,
        "size_mb": 1.0,
        "reference": "r",
        "dummy": "the mean",
    }
    return EvaluationReport(**(settings | more))


def findings(gate, evaluated, **more):
    decision = decide_gate(gate, evaluated, **more).decision
    return {one.rule: one.finding for one in decision.reasons}


@pytest.mark.parametrize(
    ("gate", "value", "finding"),
    [
        (Gate("rmse", at_most=60), 60.0, "pass"),
        (Gate("rmse", at_most=60), 60.001, "fail"),
        (Gate("r2", at_least=0.8), 0.8, "pass"),
        (Gate("r2", at_least=0.8), 0.799, "fail"),
    ],
)
def test_thresholds_bind_a_first_version_to_the_point(gate, value, finding):
    rule = "at_most" if gate.at_most else "at_least"
    evaluated = report(value=value, metric=gate.metric, dummy=comparison("dummy", 1, 0.5, metric=gate.metric))
    assert findings(gate, evaluated)[rule] == finding
    assert decide_gate(gate, evaluated).passed == (finding == "pass")


def test_a_threshold_only_warns_a_later_version():
    evaluated = report(value=80.0, champion=comparison("champion", 5.0, 4.0))
    decision = decide_gate(Gate("rmse", at_most=70), evaluated)
    assert decision.passed
    reason = next(one for one in decision.decision.reasons if one.rule == "at_most")
    assert reason.finding == "warn"
    assert reason.text == "rmse 80 [78, 82] is not at most 70, which binds a first version only"


def test_a_met_threshold_says_its_figures():
    reason = decide_gate(Gate("rmse", at_most=70), report(value=61.2)).decision.reasons[0]
    assert reason.text == "rmse 61.2 [59.2, 63.2] is at most 70"
    assert reason.figures == {"value": 61.2, "threshold": 70}


@pytest.mark.parametrize(
    ("difference", "low", "first", "later"),
    [
        (40.0, 0.001, "pass", "pass"),
        (40.0, 0.0, "fail", "warn"),
        (40.0, -1.0, "fail", "warn"),
        (40.0, None, "fail", "warn"),
        (0.0, 0.0, "fail", "fail"),
        (-1.0, -5.0, "fail", "fail"),
    ],
)
def test_a_first_version_must_surely_know_something_and_a_rival_dummy_or_a_later_one_only_probably(
    difference, low, first, later
):
    dummy = comparison("dummy", difference, low)
    assert findings(Gate(), report(dummy=dummy))["dummy"] == first
    assert findings(Gate(), report(dummy=dummy, dummy_persists=True))["dummy"] == later
    assert findings(Gate(), report(dummy=dummy, champion=comparison("champion", 1.0, -2.0)))["dummy"] == later


@pytest.mark.parametrize(
    ("difference", "low", "margin", "finding"),
    [
        (3.0, 1.0, 0.05, "pass"),  # better
        (0.0, -4.999, 0.05, "pass"),  # the bound just within the margin
        (0.0, -5.001, 0.05, "fail"),
        (-4.0, -4.9, 0.05, "pass"),  # worse, but surely by less than allowed
        (-6.0, -7.0, 0.05, "fail"),
        (0.0, 0.0, 0.05, "pass"),  # the same model again
        (0.0, 0.0, 0.0, "fail"),  # which is not better, and nothing is allowed
        (1.0, -0.1, 0.0, "fail"),
        (1.0, None, 0.05, "fail"),
    ],
)
def test_a_later_version_must_surely_be_no_worse_than_the_champion_by_the_margin(difference, low, margin, finding):
    evaluated = report(champion=comparison("champion", difference, low, margin=margin))
    assert findings(Gate(margin=margin), evaluated)["champion"] == finding


@pytest.mark.parametrize(
    ("difference", "low", "text"),
    [
        (3.0, 1.0, "rmse 97 … better by at least 1 at 0.95 confidence (p = 0.0068)"),
        (-1.0, -2.0, "rmse 101 … not worse by 5 (0.05 of it) (p = 2.4e-11)"),
        (-9.0, -12.0, "rmse 109 … worse by 9, where less than 5 (0.05 of it) is allowed"),
        (
            0.0,
            -8.0,
            "rmse 100 … it may be worse by 5 (0.05 of it); about 2,900 rows are needed to see 5, it has 500",
        ),
        (
            -4.0,
            -6.0,
            "rmse 104 … it may be worse by 5 (0.05 of it); about 180 rows see 5 four times in five, "
            "so more would hardly show it",
        ),
        (1.0, None, "rmse 99 … it may be worse by 5 (0.05 of it); 500 rows are too few for any bound"),
    ],
)
def test_the_champion_is_told_with_figures(difference, low, text):
    reasons = decide_gate(Gate(), report(champion=comparison("champion", difference, low))).decision.reasons
    told = next(one for one in reasons if one.rule == "champion").text
    assert told == text.replace("…", "against the champion's 100 on 500 rows:")


def test_a_champion_before_its_refit_is_called_so():
    champion = replace(comparison("champion", 3.0, 1.0), sibling=True)
    reasons = decide_gate(Gate(), report(champion=champion)).decision.reasons
    assert "the champion's, before its refit, 100" in next(one for one in reasons if one.rule == "champion").text


def test_more_is_better_is_told_the_right_way_round():
    champion = comparison("champion", 0.02, 0.01, metric="roc_auc", baseline=0.8)
    dummy = comparison("dummy", 0.3, 0.2, metric="roc_auc", baseline=0.5)
    evaluated = report(value=0.82, metric="roc_auc", dummy=dummy, champion=champion, task="binary")
    reasons = decide_gate(Gate(), evaluated).decision.reasons
    assert any(one.text.startswith("roc_auc 0.82 against the champion's 0.8 ") for one in reasons)


def test_who_is_not_worse_than_the_champion_may_still_be_worse_than_its_anchor():
    champion, anchor = comparison("champion", -2.0, -3.0), comparison("anchor", -6.0, -7.0)
    beside = report(champion=champion, comparisons=(BETTER, champion, anchor))
    assert findings(Gate("rmse"), beside) | {"champion": "pass", "anchor": "fail"} == findings(Gate("rmse"), beside)
    (said,) = [one.text for one in decide_gate(Gate("rmse"), beside).decision.reasons if one.rule == "anchor"]
    assert said.startswith("rmse 106 against the anchor's 100 on 500 rows: worse by 6")
    apart = report(comparisons=(BETTER, anchor), incomparable="the champion cannot be compared")
    assert "anchor" not in findings(Gate("rmse"), apart)


def test_too_few_rows_are_told_with_about_how_many_would_do():
    """((1.645 + 0.842) * error / effect) ** 2 times the rows there are."""
    evaluated = report(dummy=comparison("dummy", 5.0, -5.0, rows=40))
    reason = decide_gate(Gate(), evaluated).decision.failures[0]
    assert reason.text.endswith("that may be chance; about 370 rows are needed to see 5, it has 40")
    assert reason.figures["rows_needed"] == 366


@pytest.mark.parametrize(("rows", "finding"), [(29, "fail"), (30, "pass")])
def test_fewer_rows_than_the_least_decide_nothing(rows, finding):
    champion = comparison("champion", 3.0, 1.0, rows=rows)
    assert findings(Gate(), report(champion=champion))["champion"] == finding
    assert findings(Gate(rule="superior"), report(champion=champion))["champion"] == finding


@pytest.mark.parametrize(
    ("difference", "low", "finding", "said"),
    [
        (3.0, 1.0, "pass", "better by at least 1"),
        (3.0, -0.001, "fail", "that may be chance; about 410 rows see 5 four times in five"),
        (-1.0, -2.0, "fail", "no better"),
        (3.0, None, "fail", "500 rows are too few for any bound"),
    ],
)
def test_a_superior_candidate_must_surely_be_better(difference, low, finding, said):
    evaluated = report(champion=comparison("champion", difference, low))
    reason = next(
        one for one in decide_gate(Gate(rule="superior"), evaluated).decision.reasons if one.rule == "champion"
    )
    assert reason.finding == finding
    assert said in reason.text


@pytest.mark.parametrize(("lead", "low", "finding"), [(30.0, 25.0, "warn"), (3.0, -1.0, "fail")])
def test_who_is_no_better_than_the_dummy_passes_only_in_the_place_of_one_who_is_surely_worse(lead, low, finding):
    dummy, champion = comparison("dummy", -1.0, -3.0), comparison("champion", lead, low)
    assert findings(Gate(), report(dummy=dummy, champion=champion))["dummy"] == finding
    assert findings(Gate(), report(dummy=dummy))["dummy"] == "fail"


def test_rows_that_have_judged_before_let_less_chance_pass():
    champion = comparison("champion", -2.0, -4.9)  # p of "worse by 5" is 0.044
    assert findings(Gate(), report(champion=champion))["champion"] == "pass"
    again = decide_gate(Gate(), report(champion=champion, uses=2.5)).decision
    assert not again.passed
    uses = next(one for one in again.reasons if one.rule == "uses")
    assert uses.text.startswith("these rows have judged 1.5 candidates before: a chance of 0.02 is let pass, not 0.05")
    assert "uses" not in findings(Gate(), report(champion=champion, uses=1.0))


def test_further_metrics_must_all_be_shown_and_none_is_corrected():
    mae = comparison("champion", -2.0, -4.9, metric="mae")
    gate = Gate("rmse", also=["mae", "wape"])
    champion = comparison("champion", 3.0, 1.0)
    found = findings(gate, report(champion=champion, also=(mae,)))
    assert (found["also mae"], found["also wape"]) == ("pass", "fail")
    assert "also mae" not in findings(gate, report())  # a first version is held against nobody


def sliced(*differences, low=0.1, rows=100):
    """Slices worse by their `differences`, each with its bound `low` below."""
    return tuple(
        SliceReport(
            column="city",
            value=str(place),
            rows=rows,
            candidate={},
            comparison=comparison("champion", one, one - low, rows=rows),
        )
        for place, one in enumerate(differences)
    )


def test_a_slice_that_is_surely_worse_refuses():
    champion = comparison("champion", 3.0, 1.0)
    decision = decide_gate(Gate(), report(champion=champion, slices=sliced(1.0, -9.0, 0.0))).decision
    assert [one.rule for one in decision.failures] == ["slices"]
    assert decision.because().startswith(
        "where city is 1: rmse 109 against the champion's 100 on 100 rows: surely worse"
    )
    assert decide_gate(Gate(slices=False), report(champion=champion, slices=sliced(1.0, -9.0, 0.0))).passed
    assert decide_gate(Gate(), report(champion=champion, slices=sliced(1.0, -9.0, rows=29))).passed


def test_slices_are_corrected_for_their_number():
    """A p-value of 0.03 refuses alone, and not among five."""
    champion, bound = comparison("champion", 3.0, 1.0), Z / normal_quantile(0.97)
    one, low = -6.0, bound
    assert findings(Gate(), report(champion=champion, slices=sliced(one, low=low)))["slices"] == "fail"
    assert findings(Gate(), report(champion=champion, slices=sliced(one, 0, 0, 0, 0, low=low)))["slices"] == "pass"


def groups(*pairs, rate="selection_rate"):
    return tuple(
        GroupRate(column="sex", rate=rate, group=name, rows=rows, value=value, effective=rows)
        for name, value, rows in zip("fmx", *zip(*pairs, strict=True), strict=False)
    )


@pytest.mark.parametrize(
    ("limit", "found", "finding", "asked", "said"),
    [
        ({"max_gap": 0.1}, [(0.5, 2_000), (0.3, 2_000)], "fail", False, "surely broken"),
        ({"max_gap": 0.1}, [(0.5, 60), (0.38, 60)], "warn", True, "that may be chance: a person decides"),
        ({"max_gap": 0.1}, [(0.5, 60), (0.45, 60)], "pass", False, "kept, though that may be chance"),
        ({"max_gap": 0.1}, [(0.5, 20_000), (0.49, 20_000), (0.5, 20_000)], "pass", False, "surely kept"),
        ({"min_ratio": 0.8}, [(0.5, 2_000), (0.3, 2_000)], "fail", False, "surely broken"),
        ({"min_ratio": 0.8}, [(0.1, 60), (0.0, 30)], "warn", True, "a person decides"),
        ({"min_ratio": 0.8}, [(0.0, 60), (0.0, 60)], "pass", False, "kept"),
        ({"max_gap": 0.1}, [(0.5, 60)], "warn", False, "nothing to compare"),
    ],
)
def test_fairness_refuses_what_is_sure_and_asks_a_person_in_doubt(limit, found, finding, asked, said):
    gate = Gate(fairness=[Fairness("sex", **limit)])
    decision = decide_gate(gate, report(groups=groups(*found)))
    reason = next(one for one in decision.decision.reasons if one.rule == "fairness sex")
    assert reason.finding == finding
    assert said in reason.text
    assert decision.needs_approval == asked
    assert decision.passed == (finding != "fail")


@pytest.mark.parametrize(
    ("price", "budget", "finding", "said"),
    [
        (CoreHour(price=1.0, currency="EUR"), 1.0, "pass", "its training cost 1 EUR, within the budget of 1 EUR"),
        (CoreHour(price=1.05), 1.0, "fail", "its training cost 1.05, above the budget of 1"),
        (None, 1.0, "warn", "training took 1 core-hours; what they cost is not known"),
    ],
)
def test_the_cost_of_training_has_a_budget_and_is_not_invented(price, budget, finding, said):
    evaluated = report(training_seconds=1_800.0, training_cores=2)
    reason = decide_gate(Gate(max_training_cost=budget), evaluated, core_hour=price).decision.reasons[-1]
    assert (reason.rule, reason.finding) == ("max_training_cost", finding)
    assert reason.text.startswith(said)


def test_a_champion_that_cannot_be_compared_leaves_the_rules_of_a_first_version_and_a_person():
    evaluated = report(value=80.0, champion=None, incomparable="it is gone")
    evaluated = replace(evaluated, champion=3)
    assert findings(Gate("rmse", at_most=70), evaluated) == {
        "at_most": "fail",
        "dummy": "pass",
        "champion": "warn",
        "approval": "warn",
    }
    decision = decide_gate(Gate("rmse", at_most=90), evaluated)
    assert decision.passed
    assert decision.needs_approval
    assert not decide_gate(Gate("rmse", at_most=90), evaluated, approval_given=True).needs_approval


@pytest.mark.parametrize(
    ("gate", "rule", "finding"),
    [
        (Gate(max_latency_ms=2.0), "max_latency_ms", "pass"),
        (Gate(max_latency_ms=1.99), "max_latency_ms", "fail"),
        (Gate(max_size_mb=1.0), "max_size_mb", "pass"),
        (Gate(max_size_mb=0.99), "max_size_mb", "fail"),
    ],
)
def test_budgets_bind_every_version(gate, rule, finding):
    assert findings(gate, report())[rule] == finding
    assert findings(gate, report(champion=comparison("champion", 3.0, 1.0)))[rule] == finding


def test_approval_is_asked_for_and_never_refuses():
    gate = Gate(approval=True)
    asked, given = decide_gate(gate, report()), decide_gate(gate, report(), approval_given=True)
    assert asked.passed
    assert asked.needs_approval
    assert given.passed
    assert not given.needs_approval


def test_a_metric_without_a_value_refuses():
    evaluated = report(metrics={"candidate": {}}, comparisons=())
    decision = decide_gate(Gate(), evaluated).decision
    assert not decision.passed
    assert decision.because() == "rmse has no value on the 500 test rows"


figure = st.floats(-50, 50, allow_nan=False)
gap = st.floats(0, 50, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(
    value=st.floats(1, 100),
    dummy=st.tuples(figure, gap),
    champion=st.none() | st.tuples(figure, gap),
    better=st.tuples(gap, gap, gap, gap, gap),
    margin=st.floats(0, 0.5),
    at_most=st.none() | st.floats(1, 100),
)
def test_a_better_candidate_is_never_refused_where_a_worse_one_passes(value, dummy, champion, better, margin, at_most):
    """Better: a smaller error, larger differences with higher bounds, faster, smaller."""
    gate = Gate("rmse", at_most=at_most, margin=margin, max_latency_ms=2.0, max_size_mb=1.0)

    def against(who, figures, by):
        difference, reach = figures
        return comparison(who, difference + by, difference - reach + by, margin=margin)

    def evaluated(by):
        return report(
            value=value - by[0],
            dummy=against("dummy", dummy, by[1]),
            champion=against("champion", champion, by[2]) if champion else None,
            latency_ms=2.5 - by[3],
            size_mb=1.5 - by[4],
        )

    if decide_gate(gate, evaluated((0.0,) * 5)).passed:
        assert decide_gate(gate, evaluated(better)).passed


@settings(max_examples=100, deadline=None)
@given(dummy=st.tuples(figure, gap), champion=st.none() | st.tuples(figure, gap), approval=st.booleans())
def test_the_decision_follows_from_its_reasons_alone(dummy, champion, approval):
    against = comparison("champion", champion[0], champion[0] - champion[1]) if champion else None
    evaluated = report(dummy=comparison("dummy", dummy[0], dummy[0] - dummy[1]), champion=against)
    decision = decide_gate(Gate(approval=approval), evaluated)
    assert decision.decision == decide(decision.decision.reasons)
    assert decision.needs_approval == approval
    assert decision == decide_gate(Gate(approval=approval), evaluated)
