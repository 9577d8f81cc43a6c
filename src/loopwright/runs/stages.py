"""Stages are functions named for what they make, whose parameters are named for what they need."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, get_type_hints

from loopwright.core.codec import from_plain
from loopwright.errors import LoopwrightError
from loopwright.runs.records import Claim, Fault, Run
from loopwright.runs.service import Journal, LeaseLostError

Stage = Callable[..., Any]


class StageContext:
    """What a stage may ask of the journal while it works: to show progress, and whether to go on."""

    def __init__(
        self,
        journal: Journal,
        claim: Claim,
        name: str,
        lost: threading.Event,
        stopping: threading.Event | None,
    ) -> None:
        self.journal, self.claim, self.name, self.lost, self.stopping = journal, claim, name, lost, stopping
        self._last: tuple[str, float] | None = None

    @property
    def run(self) -> Run:
        return self.claim.run

    def progress(self, text: str, done: float) -> None:
        """Show how far the stage is. Raises `LeaseLostError` where the run is no longer ours, `Stopping` on a stop."""
        if self.stopping is not None and self.stopping.is_set():
            raise StoppingError("the platform is stopping", remedy="the run goes on at the next start")
        if (text, done) != self._last or self.lost.is_set():
            self.journal.report(self.claim, self.name, text, done)
            self._last = (text, done)


class StoppingError(LoopwrightError):
    """The platform stops in order; the run goes back to the queue."""


def run_stages(
    journal: Journal,
    claim: Claim,
    stages: Sequence[Stage],
    given: Mapping[str, Any],
    *,
    stopping: threading.Event | None = None,
    only: str | None = None,
) -> Run:
    """Work through the stages from the first that is not done; `only` stops after the one of that name.

    A result with a false `passed` ends the run as refused; the last result's `gist`, if it has one, sums up a run that
    succeeded. Every error ends it as failed, except a lost lease and an orderly stop; Ctrl-C, too, puts the run back
    before it goes on up. Returns the run as it then stands.
    """
    known = dict(given)
    result: Any = None
    try:
        with _kept_alive(journal, claim) as lost:
            for place, stage in enumerate(stages):
                name = stage.__name__
                result = known[name] = _result(journal, claim, stage, place, known, lost, stopping)
                if getattr(result, "passed", True) is False:
                    return journal.finish(claim, "refused", summary=_because(result))
                if name == only and stage is not stages[-1]:
                    journal.release(claim)
                    return journal.get(claim.run.id)
        return journal.finish(claim, "succeeded", summary=str(getattr(result, "gist", "")))
    except LeaseLostError:
        return journal.get(claim.run.id)
    except StoppingError:
        _put_back(journal, claim)
        return journal.get(claim.run.id)
    except (KeyboardInterrupt, SystemExit):
        _put_back(journal, claim)
        raise


def _result(
    journal: Journal,
    claim: Claim,
    stage: Stage,
    place: int,
    known: dict[str, Any],
    lost: threading.Event,
    stopping: threading.Event | None,
) -> Any:
    name = stage.__name__
    finished = journal.begin_stage(claim, name, place)
    context = StageContext(journal, claim, name, lost, stopping)
    offered = {**known, "context": context, "run": claim.run}
    try:
        if finished is not None:
            return from_plain(finished.result, get_type_hints(stage)["return"])
        result = stage(**{need: offered[need] for need in inspect.signature(stage).parameters})
        journal.finish_stage(claim, name, result)
    except (LeaseLostError, StoppingError):
        raise
    except Exception as error:
        fault = fault_of(error)
        journal.fail_stage(claim, name, fault)
        journal.finish(claim, "failed", summary=fault.message, fault=fault)
        raise
    return result


def fault_of(error: BaseException) -> Fault:
    """An error as the journal keeps it; an unexpected one names its class."""
    if isinstance(error, LoopwrightError):
        return Fault(error=type(error).__name__, message=_printable(error.message), remedy=_printable(error.remedy))
    return Fault(error=type(error).__name__, message=_printable(f"{type(error).__name__}: {error}"), remedy="")


def _printable(text: str) -> str:
    """`text` without what no database takes (file names that are no UTF-8, NULs): a fault that cannot be written down
    would leave its run running.
    """
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")


def _put_back(journal: Journal, claim: Claim) -> None:
    with suppress(LeaseLostError):  # cancelled in the same moment
        journal.release(claim)


def _because(result: Any) -> str:
    decision = getattr(result, "decision", result)
    return str(decision.because())


@contextmanager
def _kept_alive(journal: Journal, claim: Claim) -> Iterator[threading.Event]:
    """Renew the lease from a thread, so that a stage may take as long as it must; the event says that it is lost."""
    over, lost = threading.Event(), threading.Event()
    pause = min(journal.lease.total_seconds() / 3, _NOTICE_SECONDS)

    def renew() -> None:
        while not over.wait(pause):
            try:
                journal.renew(claim)
            except LeaseLostError:
                lost.set()
                return
            except LoopwrightError:
                continue  # the database may be back before the lease ends

    thread = threading.Thread(target=renew, name=f"lease of {claim.run.id}", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        over.set()
        thread.join()


_NOTICE_SECONDS = 2.0
"""How soon a stage that has nothing to tell notices that its run was cancelled."""
