"""Running stages: by name, durably, ending as refused or failed with the reason kept."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from loopwright.core.clock import VirtualClock
from loopwright.core.decision import Decision, Reason
from loopwright.errors import TrainingError
from loopwright.runs import stages
from loopwright.runs.service import Journal, LeaseLostError
from loopwright.runs.stages import StageContext, run_stages
from loopwright.state.engine import State


@dataclass(frozen=True, kw_only=True)
class Rows:
    count: int


@pytest.fixture
def journal(state: State, clock: VirtualClock) -> Journal:
    return Journal(state, clock)


def claim(journal: Journal):
    journal.submit("demand", cause="test", actor="ann", run_id="run-1")
    claimed = journal.claim("w1")
    assert claimed is not None
    return claimed


def test_stages_get_what_their_parameters_name(journal: Journal) -> None:
    def rows(size: int) -> Rows:
        return Rows(count=size)

    def doubled(rows: Rows, context: StageContext) -> Rows:
        context.progress("doubling", 0.5)
        return Rows(count=2 * rows.count)

    ended = run_stages(journal, claim(journal), (rows, doubled), {"size": 21})
    assert ended.status == "succeeded"
    assert [stage.result for stage in journal.stages("run-1")] == [{"count": 21}, {"count": 42}]


def test_a_run_goes_on_after_the_last_finished_stage(journal: Journal, clock: VirtualClock) -> None:
    calls: list[str] = []

    def rows() -> Rows:
        calls.append("rows")
        return Rows(count=1)

    def doubled(rows: Rows) -> Rows:
        calls.append("doubled")
        if len(calls) == 2:
            raise KeyboardInterrupt
        return Rows(count=2 * rows.count)

    with pytest.raises(KeyboardInterrupt):
        run_stages(journal, claim(journal), (rows, doubled), {})
    clock.sleep(31)
    again = journal.claim("w2")
    assert again is not None
    assert run_stages(journal, again, (rows, doubled), {}).status == "succeeded"
    assert calls == ["rows", "doubled", "doubled"]


def test_a_result_that_did_not_pass_refuses_the_run_with_its_reasons(journal: Journal) -> None:
    def gate() -> Decision:
        return Decision(passed=False, reasons=(Reason(rule="r", finding="fail", text="rmse is 80, above 70"),))

    def after(gate: Decision) -> Rows:
        raise AssertionError("must not be reached")

    ended = run_stages(journal, claim(journal), (gate, after), {})
    assert (ended.status, ended.summary) == ("refused", "rmse is 80, above 70")


def test_an_error_fails_the_run_and_keeps_its_remedy(journal: Journal) -> None:
    def candidate() -> Rows:
        raise TrainingError("train raised ValueError", remedy="mend it")

    with pytest.raises(TrainingError):
        run_stages(journal, claim(journal), (candidate,), {})
    run = journal.get("run-1")
    assert run.status == "failed"
    assert run.fault is not None
    assert (run.fault.error, run.fault.remedy) == ("TrainingError", "mend it")


def test_an_orderly_stop_puts_the_run_back(journal: Journal) -> None:
    stopping = threading.Event()
    stopping.set()

    def candidate(context: StageContext) -> Rows:
        context.progress("training", 0.1)
        return Rows(count=1)

    assert run_stages(journal, claim(journal), (candidate,), {}, stopping=stopping).status == "queued"


def test_a_cancelled_run_is_let_go(journal: Journal) -> None:
    def candidate(context: StageContext) -> Rows:
        journal.cancel("run-1")
        context.progress("training", 0.1)
        return Rows(count=1)

    assert run_stages(journal, claim(journal), (candidate,), {}).status == "cancelled"


def test_one_stage_at_a_time_for_an_outside_conductor(journal: Journal) -> None:
    def first() -> Rows:
        return Rows(count=1)

    def second(first: Rows) -> Rows:
        return Rows(count=first.count + 1)

    assert run_stages(journal, claim(journal), (first, second), {}, only="first").status == "queued"
    again = journal.claim("w1")
    assert again is not None
    assert run_stages(journal, again, (first, second), {}).status == "succeeded"


def test_only_one_stage_leaves_the_run_waiting_and_the_last_one_ends_it(journal: Journal) -> None:
    def rows() -> Rows:
        return Rows(count=1)

    def doubled(rows: Rows) -> Rows:
        return Rows(count=2 * rows.count)

    first = run_stages(journal, claim(journal), (rows, doubled), {}, only="rows")
    assert (first.status, [stage.name for stage in journal.stages("run-1")]) == ("queued", ["rows"])
    again = journal.claim("w2")
    assert again is not None
    assert run_stages(journal, again, (rows, doubled), {}, only="doubled").status == "succeeded"


def test_ctrl_c_puts_the_run_back(journal: Journal) -> None:
    def candidate() -> Rows:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stages(journal, claim(journal), (candidate,), {})
    assert journal.get("run-1").status == "queued"


def test_a_stage_with_nothing_new_to_tell_notices_that_its_run_was_cancelled(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "_NOTICE_SECONDS", 0.02)
    noticed: list[bool] = []

    def candidate(context: StageContext) -> Rows:
        context.progress("training", 0.1)
        journal.cancel("run-1")
        assert context.lost.wait(10)
        with pytest.raises(LeaseLostError):
            context.progress("training", 0.1)
        noticed.append(True)
        return Rows(count=1)

    assert run_stages(journal, claim(journal), (candidate,), {}).status == "cancelled"
    assert noticed == [True]


def test_a_result_that_cannot_be_read_back_ends_the_run_and_a_retry_makes_it_anew(journal: Journal) -> None:
    def rows() -> Rows:
        return Rows(count=3)

    held = claim(journal)
    journal.begin_stage(held, "rows", 0)
    journal.finish_stage(held, "rows", {"written": "by another version"})
    with pytest.raises(ValueError, match="count"):
        run_stages(journal, held, (rows,), {})
    assert journal.get("run-1").status == "failed"
    journal.retry("run-1")
    again = journal.claim("w2")
    assert again is not None
    assert run_stages(journal, again, (rows,), {}).status == "succeeded"


def test_a_fault_whose_words_no_database_takes_is_kept_all_the_same(journal: Journal) -> None:
    def candidate() -> Rows:
        raise TrainingError("caf\udce9.csv holds a\0b")

    with pytest.raises(TrainingError):
        run_stages(journal, claim(journal), (candidate,), {})
    run = journal.get("run-1")
    assert (run.status, run.summary) == ("failed", r"caf\udce9.csv holds a\0b")
