"""The health report holds what happened, and its page shows it, whatever it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.codec import from_json, to_json
from loopwright.declare import Declaration
from loopwright.errors import NotFoundError
from loopwright.evaluation.records import Estimate, EvaluationReport
from loopwright.monitoring.charts import Whisker, whiskers
from loopwright.monitoring.history import Asked
from loopwright.monitoring.page import to_html
from loopwright.monitoring.records import Performance, PerformanceReport
from loopwright.monitoring.report import HealthReport, health_report
from loopwright.outcomes.records import LabelLag
from loopwright.policies.retraining import Drift
from loopwright.ports.compute import JobResult, job_key
from loopwright.runs.jobs import name_job

START = datetime(2026, 1, 1, tzinfo=UTC)
DECLARED = {"demand": Declaration(name="demand", source="x.csv", target="cnt", drift=Drift(window="1h"))}


class Page(HTMLParser):
    """Texts and tags of a page; complains of a tag that is not closed in its turn."""

    VOID = ("meta", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def busy(monitors, promote, traffic, clock, journal):
    """Three hours of traffic, the last of them drifted; a run that failed."""
    promote("first")
    for temp in (None, None, (0, 0, 0, 100, 900, 0)):
        traffic(**({"temp": temp} if temp else {}), errors=3)
        clock.sleep(3660)
        monitors.tick(DECLARED)
    journal.submit("demand", cause="by <hand> & all", actor="me")
    journal.finish(journal.claim("worker"), "failed", summary="it broke")
    monitors.tick(DECLARED)
    return health_report("demand", monitors, since=START, drift=DECLARED["demand"].drift)


def test_the_report_holds_traffic_drift_findings_alerts_versions_and_runs(busy):
    assert (busy.champion, busy.requests, busy.errors) == (1, 3009, 9)
    assert busy.columns[0].drift.column == "input.temp"
    worst = busy.columns[0]
    assert worst.drift.drifted
    assert worst.window == (0.0, 0.0, 0.0, 0.1, 0.9, 0.0)
    assert worst.reference == (0.0, 0.25, 0.25, 0.25, 0.25, 0.0)
    assert worst.labels[:2] == ("below 0", "0 to 1")
    assert [round(psi, 2) > 0.2 for _, psi in worst.history] == [False, False, True]
    assert {alert.rule for alert in busy.alerts} == {"drift", "run"}
    assert [version.number for version in busy.versions] == [1]
    assert len(busy.runs) == 1


def test_hours_without_traffic_are_points_with_none(busy):
    quiet = [point for point in busy.traffic if point.requests == 0]
    assert quiet
    assert {point.p99_ms for point in quiet} == {None}
    starts = [point.start for point in busy.traffic]
    assert {later - earlier for earlier, later in pairwise(starts)} == {timedelta(seconds=busy.traffic_seconds)}


def test_the_report_survives_json(busy):
    assert from_json(to_json(busy), HealthReport) == busy


def test_the_page_is_whole_says_it_all_and_loads_nothing(busy):
    html = to_html(busy)
    page = Page(html)
    for said in ("2 open alerts", "input.temp", "by <hand> & all", "it broke", "version 1", "3 of them failed"):
        assert said in page.text
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "img", "iframe")]
    assert "http" not in html
    assert "url(" not in html


def test_every_picture_is_well_formed_and_stays_within_its_frame(busy):
    html = to_html(busy)
    pictures = [part.split("</svg>")[0] for part in html.split("<svg")[1:]]
    assert len(pictures) >= 2 + len(busy.columns)
    for picture in pictures:
        svg = ElementTree.fromstring(f"<svg{picture}</svg>")
        _, _, width, height = map(float, svg.attrib["viewBox"].split())
        for box in svg.iter("rect"):
            assert 0 <= float(box.attrib["x"]) <= float(box.attrib["x"]) + float(box.attrib["width"]) <= width + 0.2
            assert 0 <= float(box.attrib["y"]) <= float(box.attrib["y"]) + float(box.attrib["height"]) <= height + 0.2
        for line in svg.iter("polyline"):
            for point in line.attrib["points"].split():
                x, y = map(float, point.split(","))
                assert 0 <= x <= width
                assert 0 <= y <= height


def test_estimates_are_shown_as_estimates_and_the_lag_in_words(busy):
    start = busy.since
    window = Performance(
        version=1,
        start=start,
        end=start + timedelta(days=1),
        predictions=100,
        outcomes=61,
        metrics={"roc_auc": 0.8},
        corrected={"roc_auc": Estimate(value=0.77, low=0.7, high=0.84)},
        estimated={"roc_auc": Estimate(value=0.79, low=0.75, high=0.83)},
    )
    lag = LabelLag(predictions=100, known=61, within={"0.5": 86_400.0, "0.95": 777_600.0}, longest=9e5, share=0.99)
    told = PerformanceReport(
        model="demand",
        task="binary",
        since=start,
        until=busy.until,
        versions=(window,),
        windows=(window,),
        metric="roc_auc",
        lag=lag,
    )
    text = Page(to_html(replace(busy, performance=told))).text
    for said in (
        "roc_auc, estimated",
        "0.79 (0.75 – 0.83)",
        "0.77 (0.7 – 0.84)",
        "version 1, estimated",
        "half come within 1 day, 95 % within 9 days",
    ):
        assert said in text


def test_performance_is_shown_by_version(busy):
    metrics = {"rmse": 4.25, "mae": 3.0}
    one = Performance(
        version=1, start=START, end=START + timedelta(days=1), predictions=10, outcomes=8, metrics=metrics
    )
    told = PerformanceReport(
        model="demand", task="regression", since=START, until=one.end, versions=(one,), windows=(one,)
    )
    text = Page(to_html(replace(busy, performance=told))).text
    assert "8 (80%)" in text
    assert "4.25" in text


def test_a_model_of_which_little_is_known_has_a_page_too(monitors, journal):
    journal.submit("demand", cause="first", actor="me")
    report = health_report("demand", monitors, since=START - timedelta(days=1))
    text = Page(to_html(report)).text
    assert "healthy" in text
    assert "no traffic in this period" in text


def test_a_model_of_which_nothing_is_known_has_none(monitors):
    with pytest.raises(NotFoundError, match="nothing is known of a model demand"):
        health_report("demand", monitors, since=START)


ESTIMATES = {1: (4.2, 3.9, 4.5), 2: (3.8, None, None)}


@pytest.fixture
def trained(monitors, promote, storage, journal, clock):
    """Two versions with their evaluations, a run whose two jobs left results, a request that was refused."""
    for number, (value, low, high) in ESTIMATES.items():
        promote(f"v{number}")
        evaluation = EvaluationReport(
            candidate=f"v{number}",
            champion=None,
            task="regression",
            metric="rmse",
            rows=100,
            metrics={"candidate": {"rmse": Estimate(value=value, low=low, high=high)}},
            comparisons=(),
            slices=(),
            latency_ms=1.0,
            size_mb=1.0,
            reference="",
        )
        storage.put(f"bundles/v{number}/evaluation.json", to_json(evaluation))
    run = journal.submit("demand", cause="first", actor="me")
    for kind, seconds, cores in (("train", 1800.0, 4), ("evaluate", 900.0, 2)):
        job = name_job(run.id, kind, 1)
        storage.put(job_key(job, "result.json"), to_json(JobResult(id=job, seconds=seconds, cores=cores)))
    journal.submit("demand", cause="a run without jobs", actor="me")
    asked = Asked(
        at=clock.now(), by="drift", because="temp <drifted>", status="refused", words="it would only refit", run=None
    )
    return {"since": START, "requests_to_retrain": [asked]}


def test_training_costs_core_hours_and_money_only_where_the_price_is_known(monitors, trained):
    report = health_report("demand", monitors, **trained)
    (cost,) = report.costs
    assert (cost.jobs, cost.seconds, cost.core_hours) == (2, 2700.0, 2.5)
    assert report.training_cost is None
    text = Page(to_html(report)).text
    assert "no price of a core-hour is set, so there is no sum of money" in text
    assert "cost of training" not in text
    priced = health_report("demand", monitors, **trained, core_hour_price=0.05, currency="EUR")
    assert priced.training_cost == pytest.approx(0.125)
    assert "at 0.05 EUR a core-hour: 0.12 EUR" in Page(to_html(priced)).text


def test_versions_stand_with_their_intervals_where_they_have_any(monitors, trained):
    report = health_report("demand", monitors, **trained)
    assert [(one.version, one.estimate.value, one.estimate.low) for one in report.training] == [
        (1, 4.2, 3.9),
        (2, 3.8, None),
    ]
    page = to_html(report)
    text = Page(page).text
    assert "4.2 (3.9 – 4.5)" in text
    assert page.count('class="whisker"') == 1
    assert page.count('class="point') == 2


def test_who_asked_for_a_retrain_and_what_the_governor_said_is_there(monitors, trained):
    text = Page(to_html(health_report("demand", monitors, **trained))).text
    assert "temp <drifted>" in text
    assert "it would only refit" in text


def test_an_alert_says_how_long_it_lasted_and_who_saw_to_it(busy):
    alert = busy.alerts[0]
    seen = replace(alert, acknowledged=alert.opened, acknowledged_by="eve", acknowledged_because="it is the holiday")
    over = replace(seen, closed=alert.opened + timedelta(hours=2), recovery="all is well")
    text = Page(to_html(replace(busy, alerts=(seen, over)))).text
    assert "by eve: it is the holiday" in text
    assert "so far" in text
    assert "2:00:00" in text
    assert alert.evidence in text


@given(
    st.lists(st.tuples(st.floats(-1e9, 1e9), st.none() | st.floats(0, 1e9), st.none() | st.floats(0, 1e9)), max_size=80)
)
@settings(max_examples=60, deadline=None)
def test_whiskers_stay_within_their_frame_whatever_the_figures(figures):
    drawn = [
        Whisker("v", value, None if low is None else value - low, None if high is None else value + high)
        for value, low, high in figures
    ]
    svg = ElementTree.fromstring(whiskers(drawn))
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    for point in svg.iter("circle"):
        assert 0 <= float(point.attrib["cx"]) <= width
        assert 0 <= float(point.attrib["cy"]) <= height
    for line in svg.iter("line"):
        assert 0 <= float(line.attrib["y1"]) <= height
        assert 0 <= float(line.attrib["y2"]) <= height
