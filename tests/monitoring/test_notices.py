"""What is told of incidents, when, and in how many notices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from loopwright.monitoring.notices import OLD_NEWS, TOGETHER, News, compose, evidence_path, news_of, ready
from loopwright.monitoring.records import Alert, Silence

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
OPENED = Alert(
    id="alert-1",
    model="demand",
    rule="drift",
    severity="warning",
    title="demand version 1: traffic has drifted",
    text="input.temp drifted",
    evidence="finding-1",
    opened=NOW - 3 * HOUR,
    version=1,
)
TOLD = replace(OPENED, notified=NOW - 3 * HOUR)
QUIET = Silence(
    id="silence-1", model="demand", rule=None, since=NOW - HOUR, until=NOW + HOUR, actor="me", reason="we mend it"
)


def verb(alert: Alert, *silences: Silence, now: datetime = NOW) -> str | None:
    news = news_of(alert, silences, now)
    return news.verb if news else None


def test_what_opens_is_told_once():
    assert verb(OPENED) == "opened"
    assert verb(TOLD) is None


def test_what_recovers_is_told_once_to_those_who_were_told_of_it():
    over = replace(TOLD, closed=NOW)
    assert verb(over) == "recovered"
    assert verb(replace(over, recovery_told=NOW)) is None
    assert verb(over, QUIET) == "recovered"


def test_what_was_over_before_it_could_be_told_is_one_notice():
    assert verb(replace(OPENED, closed=NOW)) == "over"


def test_old_news_is_not_told():
    assert verb(replace(TOLD, closed=NOW - OLD_NEWS)) is None
    assert verb(replace(OPENED, closed=NOW - OLD_NEWS)) is None


@pytest.mark.parametrize(
    ("silence", "told"),
    [
        (QUIET, None),
        (replace(QUIET, model="*"), None),
        (replace(QUIET, rule="drift"), None),
        (replace(QUIET, rule="errors"), "opened"),
        (replace(QUIET, model="sales"), "opened"),
        (replace(QUIET, until=NOW), "opened"),
        (replace(QUIET, lifted=NOW), "opened"),
        (replace(QUIET, since=NOW + HOUR, until=NOW + 2 * HOUR), "opened"),
    ],
)
def test_a_silence_holds_back_its_model_and_rule_while_it_is_in_force(silence, told):
    assert verb(OPENED, silence) == told


def test_what_began_and_ended_in_silence_is_never_told():
    over = replace(OPENED, closed=NOW - timedelta(minutes=30))
    assert verb(over, QUIET, now=NOW + 2 * HOUR) is None


def test_people_are_reminded_until_somebody_acknowledges():
    reminding = replace(TOLD, remind_seconds=2 * 3600.0)
    assert verb(reminding) == "still open"
    assert verb(reminding, QUIET) is None
    assert verb(replace(reminding, reminded=NOW - HOUR)) is None
    assert verb(replace(reminding, acknowledged=NOW)) is None


def test_the_first_is_told_at_once_and_those_that_follow_it_wait_for_one_another():
    late = replace(OPENED, id="alert-2", rule="quality", opened=NOW)
    said = [News(alert=late, verb="opened")]
    first = replace(TOLD, notified=NOW - TOGETHER / 2)
    assert ready(said, [], NOW) == said
    assert ready(said, [first], NOW) == []
    assert ready(said, [first], NOW + TOGETHER) == said
    assert ready(said, [replace(first, model="sales")], NOW) == said


def test_what_is_more_severe_does_not_wait_nor_does_a_recovery():
    first = replace(TOLD, notified=NOW)
    said = [
        News(alert=replace(OPENED, severity="critical"), verb="opened"),
        News(alert=replace(TOLD, closed=NOW), verb="recovered"),
    ]
    assert ready(said, [first], NOW) == said


def test_a_clock_that_was_set_back_holds_nothing_up():
    said = [News(alert=OPENED, verb="opened")]
    assert ready(said, [replace(TOLD, notified=NOW + HOUR)], NOW) == said


def test_several_rules_of_a_model_are_one_notice_that_names_all():
    errors = replace(
        OPENED, id="alert-2", rule="errors", severity="critical", title="demand: requests fail", text="12 %"
    )
    (notice,) = compose([News(alert=OPENED, verb="opened"), News(alert=errors, verb="opened")], NOW)
    assert notice.severity == "critical"
    assert notice.title == "demand: 2 alerts (2 opened): drift, errors"
    assert notice.alerts == ("alert-1", "alert-2")
    assert "input.temp drifted" in notice.text
    assert "12 %" in notice.text


def test_a_storm_over_many_models_is_one_notice_and_a_few_models_are_not():
    storm = [News(alert=replace(OPENED, id=f"alert-{n}", model=f"model-{n}"), verb="opened") for n in range(5)]
    (notice,) = compose(storm, NOW)
    assert notice.title == "5 models: 5 alerts (5 opened): drift"
    assert len(compose(storm[:3], NOW)) == 3


def test_those_with_other_destinations_are_told_apart():
    page = replace(OPENED, id="alert-2", severity="critical", notify=("oncall",))
    notices = compose([News(alert=OPENED, verb="opened"), News(alert=page, verb="opened")], NOW)
    assert {notice.destinations for notice in notices} == {(), ("oncall",)}


def test_every_alert_links_to_its_evidence():
    (notice,) = compose([News(alert=OPENED, verb="opened")], NOW, link="https://ml.example/")
    assert "finding-1: loopwright monitor findings demand --kind drift" in notice.text
    assert "https://ml.example/api/v1/findings/finding-1" in notice.text
    assert "loopwright monitor ack alert-1" in notice.text
    run = replace(OPENED, rule="run", evidence="run-1")
    (notice,) = compose([News(alert=run, verb="opened")], NOW)
    assert "run-1: loopwright runs show run-1" in notice.text
    assert evidence_path(replace(OPENED, rule="rollout", evidence="rollout-1")) == "/api/v1/rollouts/rollout-1"


def test_a_recovery_says_what_ended_it_and_how_long_it_lasted():
    over = replace(TOLD, closed=NOW, recovery="version 2 has taken over from version 1")
    (notice,) = compose([News(alert=over, verb="recovered")], NOW)
    assert notice.severity == "info"
    assert notice.title == "Recovered: demand version 1: traffic has drifted"
    assert notice.text == "version 2 has taken over from version 1 (open for 3:00:00)"
