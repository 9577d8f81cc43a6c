"""Incidents in the database: one alert each, told once and once more when it is over, whatever comes in which order."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import VirtualClock
from loopwright.errors import ConflictError, LoopwrightError, NotFoundError, RequestError
from loopwright.monitoring.alerting import Alerting
from loopwright.monitoring.alerts import close_pointless, settle
from loopwright.monitoring.incidents import Signal
from loopwright.monitoring.notices import OLD_NEWS
from loopwright.monitoring.rules import judge_capture
from loopwright.monitoring.telling import LOG, PATIENCE
from loopwright.policies.alerts import AlertRule, Alerts
from loopwright.state.engine import State
from loopwright.state.schema import prepare
from loopwright.testing.notifier import MemoryNotifier
from loopwright.traffic.summary import WindowSummary

A_WINDOW = timedelta(minutes=5)


class Refusing(MemoryNotifier):
    refuses, asked = True, 0

    def send(self, notice):
        self.asked += 1
        if self.refuses:
            raise LoopwrightError("no answer")
        super().send(notice)


@pytest.fixture
def alerting(state: State, clock: VirtualClock) -> Alerting:
    return Alerting(state, clock)


@pytest.fixture
def happen(state: State, clock: VirtualClock):
    """`happen("errors", False)`: a window of `demand` as a rule sees it, five minutes after the one before."""

    def one(rule="errors", passed=False, *, model="demand", alerts=None, severity="warning", version=1):
        clock.sleep(A_WINDOW.total_seconds())
        signal = Signal(
            model=model,
            rule=rule,
            passed=passed,
            text=f"{rule} {'well' if passed else 'bad'}",
            evidence=f"finding-{rule}-{clock.now():%H%M%S}",
            at=clock.now(),
            severity=severity,
            title=f"{model}: {rule}",
            version=version,
        )
        with state.write() as connection:
            settle(connection, signal, alerts or Alerts(errors=AlertRule()))

    return one


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory):
    """A database for many examples, which are kept apart by model and by time."""
    state = State(f"sqlite:///{tmp_path_factory.mktemp('alerts') / 'state.db'}")
    prepare(state)
    yield Alerting(state, VirtualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    state.close()


STEPS = st.lists(st.sampled_from(["good", "bad", "nothing", "silence", "lift"]), max_size=30)


@given(steps=STEPS, after=st.integers(1, 3), recover=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_whatever_comes_one_alert_is_open_and_notices_alternate_and_silence_loses_nothing(many, steps, after, recover):
    clock, notifier = many.clock, MemoryNotifier()
    clock.sleep(10 * OLD_NEWS.total_seconds())
    many.tell({LOG: MemoryNotifier()})  # what earlier examples left open in silence
    model = f"model-{clock.now():%Y%m%d}"
    policy = Alerts(errors=AlertRule(after=after, recover=recover))
    for place, step in enumerate(steps):
        clock.sleep(A_WINDOW.total_seconds())
        if step == "silence":
            many.silence(model, length=3 * A_WINDOW, actor="me", reason="work")
        elif step == "lift":
            for one in many.silences(model):
                many.lift(one.id, actor="me")
        elif step in ("good", "bad"):
            signal = Signal(
                model=model,
                rule="errors",
                passed=step == "good",
                text=step,
                evidence=f"{model}-{place}",
                at=clock.now(),
                title="requests fail",
            )
            with many.state.write() as connection:
                settle(connection, signal, policy)
        before = len(notifier.notices)
        many.tell({LOG: notifier})
        silent = any(one.covers(model, "errors", clock.now()) for one in many.silences(model))
        new = [notice.title for notice in notifier.notices[before:]]
        open_ones = many.alerts(model, open_only=True)
        assert len(open_ones) <= 1
        assert not (silent and "requests fail" in new)
        assert silent or all(alert.notified for alert in open_ones)
    told: Counter[str] = Counter()
    for notice in notifier.notices:
        (alert,) = notice.alerts
        told[alert] += 1
        recovered = notice.title.startswith("Recovered: ")
        assert recovered == (told[alert] == 2)
    last = None
    for notice in notifier.notices:
        verb = notice.title.removesuffix("requests fail")
        assert (verb == "Recovered: ") == (last == "")
        last = verb


def test_an_incident_is_told_when_the_silence_ends_if_it_is_still_open(alerting, happen, clock):
    notifier = MemoryNotifier()
    alerting.silence("demand", "errors", length=timedelta(hours=2), actor="me", reason="the network is mended")
    happen("errors")
    assert alerting.tell({LOG: notifier}) == 0
    (alert,) = alerting.alerts(open_only=True)
    clock.sleep(2 * 3600)
    alerting.tell({LOG: notifier})
    assert notifier.notices[0].alerts == (alert.id,)


def test_a_silence_that_is_lifted_tells_at_once_and_says_who_lifted_it(alerting, happen):
    notifier = MemoryNotifier()
    made = alerting.silence("*", length=timedelta(hours=2), actor="me", reason="maintenance")
    happen("errors")
    assert [one.id for one in alerting.silences("demand")] == [made.id]
    lifted = alerting.lift(made.id, actor="you")
    assert (lifted.lifted_by, lifted.actor, lifted.reason) == ("you", "me", "maintenance")
    assert alerting.tell({LOG: notifier}) == 1
    assert alerting.silences() == []
    assert alerting.silences(all_=True) == [lifted]
    with pytest.raises(ConflictError):
        alerting.lift(made.id, actor="you")
    with pytest.raises(NotFoundError):
        alerting.lift("silence-none", actor="you")


@pytest.mark.parametrize(("reason", "hours"), [("", 1), ("  ", 1), ("work", 0)])
def test_a_silence_needs_a_reason_and_some_time(alerting, reason, hours):
    with pytest.raises(RequestError):
        alerting.silence("demand", length=timedelta(hours=hours), actor="me", reason=reason)


def test_who_sees_to_an_alert_is_kept_and_nobody_is_reminded_any_more(alerting, happen, clock):
    notifier, policy = MemoryNotifier(), Alerts(remind="6h")
    happen("drift", alerts=policy)
    (alert,) = alerting.alerts()
    for expected in (1, 2, 3):
        alerting.tell({LOG: notifier})
        assert len(notifier.notices) == expected
        clock.sleep(6 * 3600)
    assert notifier.notices[-1].title == "Still open: demand: drift"
    acknowledged = alerting.acknowledge(alert.id, actor="me", reason="it is the holiday")
    assert (acknowledged.acknowledged_by, acknowledged.acknowledged_because) == ("me", "it is the holiday")
    assert alerting.tell({LOG: notifier}) == 0
    with pytest.raises(ConflictError, match="by me before"):
        alerting.acknowledge(alert.id, actor="you")
    with pytest.raises(NotFoundError):
        alerting.acknowledge("alert-none", actor="you")


def test_the_same_signal_again_counts_once(alerting, state, clock):
    signal = Signal(model="demand", rule="run", passed=False, text="x", evidence="run-1", at=clock.now(), title="t")
    for _ in range(3):
        with state.write() as connection:
            settle(connection, signal, Alerts(run=AlertRule(after=2)))
    assert alerting.alerts() == []


def test_a_rule_that_is_off_opens_nothing_and_what_was_open_ends(alerting, happen, state, clock):
    happen("drift", alerts=Alerts(drift=AlertRule("off")))
    assert alerting.alerts() == []
    happen("drift")
    close_pointless(state, "demand", Alerts(drift=AlertRule("off")), 1, clock.now())
    (alert,) = alerting.alerts()
    assert alert.recovery == "the rule drift was turned off"


def test_the_policys_severity_and_destinations_are_the_alerts(alerting, happen):
    team, oncall, log = MemoryNotifier(), MemoryNotifier(), MemoryNotifier()
    policy = Alerts(drift=AlertRule("critical"), critical=("oncall",), warning=("team",))
    happen("drift", alerts=policy)
    happen("quality", alerts=policy)
    assert alerting.tell({LOG: log, "team": team, "oncall": oncall}) == 4
    assert [notice.severity for notice in oncall.notices] == ["critical"]
    assert [notice.severity for notice in team.notices] == ["warning"]
    assert len(log.notices) == 2


def test_a_destination_that_refuses_waits_longer_each_time_and_holds_up_no_other(alerting, happen, clock):
    refusing, other = Refusing(), MemoryNotifier()
    happen("drift")
    tellings = 0
    for _ in range(60):
        try:
            alerting.tell({"oncall": refusing, "team": other})
        except LoopwrightError:
            tellings += 1
        clock.sleep(1)
    assert len(other.notices) == 1
    assert refusing.asked == tellings == 4  # after 0, 5, 15 and 35 seconds
    (undelivered,) = alerting.undelivered()
    assert (undelivered.destination, undelivered.attempts, undelivered.trouble) == ("oncall", 4, "no answer")
    refusing.refuses = False
    clock.sleep(60)
    alerting.tell({"oncall": refusing, "team": other})
    assert len(refusing.notices) == 1
    assert alerting.undelivered() == []


def test_one_notice_that_is_refused_for_ever_does_not_keep_later_ones(alerting, happen, clock):
    class Picky(MemoryNotifier):
        def send(self, notice):
            if "drift" in notice.title:
                raise LoopwrightError("too long")
            super().send(notice)

    picky = Picky()
    happen("drift")
    for _ in range(PATIENCE):
        with pytest.raises(LoopwrightError):
            alerting.tell({"chat": picky})
        clock.sleep(60)
    happen("quality")
    clock.sleep(-355)  # five seconds after the last refusal: the first one still waits
    alerting.tell({"chat": picky})
    assert [notice.title for notice in picky.notices] == ["demand: quality"]


def test_a_destination_that_settings_do_not_name_is_trouble_that_is_shown(alerting, happen):
    happen("drift", alerts=Alerts(warning=("nobody",)))
    log = MemoryNotifier()
    with pytest.raises(LoopwrightError, match="nobody: the setting `notify` names no such destination"):
        alerting.tell({LOG: log})
    assert len(log.notices) == 1
    assert [one.destination for one in alerting.undelivered()] == ["nobody"]


def test_a_crash_between_sending_and_remembering_sends_the_same_notice_again(alerting, happen):
    class Dying(MemoryNotifier):
        def send(self, notice):
            super().send(notice)
            raise KeyboardInterrupt

    dying, after = Dying(), MemoryNotifier()
    happen("drift")
    with pytest.raises(KeyboardInterrupt):
        alerting.tell({LOG: dying})
    assert alerting.tell({LOG: after}) == 1
    assert dying.notices == after.notices


def test_what_opens_shortly_after_a_notice_is_told_together(alerting, happen, state, clock):
    notifier = MemoryNotifier()
    happen("drift")
    alerting.tell({LOG: notifier})
    for rule in ("quality", "volume"):
        clock.sleep(-A_WINDOW.total_seconds() + 20)
        happen(rule)
        alerting.tell({LOG: notifier})
    assert len(notifier.notices) == 1
    clock.sleep(120)
    alerting.tell({LOG: notifier})
    assert notifier.notices[1].title == "demand: 2 alerts (2 opened): quality, volume"


def captured(*, rows: int, dropped: int) -> WindowSummary:
    return WindowSummary(
        endpoint="demand",
        revision=1,
        variant="champion",
        version=1,
        start=datetime(2026, 1, 1, tzinfo=UTC),
        seconds=300.0,
        requests=rows,
        rows=rows,
        dropped=dropped,
    )


@pytest.mark.parametrize(
    ("rows", "dropped", "judged", "passed"),
    [(0, 0, False, True), (1000, 0, True, True), (1000, 10, True, True), (1000, 11, True, False), (1, 1, True, False)],
)
def test_more_than_one_capture_lost_in_a_hundred_is_too_many(rows, dropped, judged, passed):
    verdict = judge_capture(captured(rows=rows, dropped=dropped))
    assert (verdict.judged, verdict.decision.passed) == (judged, passed)
    assert f"{dropped} of {rows} rows" in verdict.decision.because()
