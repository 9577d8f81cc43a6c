"""Adaptive micro-batching: while one prediction is made, those that come meanwhile wait and are then made together.

Nobody waits for a batch to fill: a lone request is predicted at once, and a batch is as large as the load makes it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from loopwright.bundle.outputs import Outputs
from loopwright.errors import HostingError
from loopwright.ports.predictor import Columns
from loopwright.serving.pace import Pace
from loopwright.serving.typed import gathered

Predict = Callable[[Columns, int], Outputs]
"""Columns and how many rows they have, to outputs."""
Gone = Callable[[], Awaitable[object]]
"""Ends when the client has left."""
Batched = Callable[[int], None]
"""Told how many rows are in the batch that a request is the first of."""


class OverloadError(HostingError):
    """More predictions wait than may. `retry_after` says in how many seconds it is worth asking again."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, remedy=f"send fewer at once; try again in {retry_after} s")
        self.retry_after = retry_after


class DeadlineError(HostingError):
    """The request's time was over before its turn came, or whoever asked is gone; nothing was predicted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchLimits:
    """A batch has at most so many `rows` (one request may have more), and as few as are made in `seconds`.

    At most so many requests are `waiting`, and none longer than `patience` seconds.
    """

    rows: int = 1024
    seconds: float = 0.1
    waiting: int = 256
    patience: float = 30.0


class Batcher:
    """One model's queue and the thread that works through it. All but `predict` itself happens on the event loop."""

    def __init__(self, name: str, predict: Predict, pace: Pace, limits: BatchLimits) -> None:
        self.busy_since: float | None = None
        self._name = name
        self._predict = predict
        self._pace = pace
        self._limits = limits
        self._queue: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"predict-{name}")

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    async def predict(
        self,
        columns: Columns,
        rows: int,
        *,
        deadline: float | None = None,
        gone: Gone | None = None,
        batched: Batched | None = None,
    ) -> Outputs:
        """The outputs of these rows. `deadline` is a moment of `time.perf_counter()`.

        Raises what the model raises for these rows, `OverloadError` and `DeadlineError`.
        """
        if len(self._queue) >= self._limits.waiting:
            raise OverloadError(
                f"{self._name} has {len(self._queue)} predictions waiting", retry_after=self._retry_after()
            )
        latest = time.perf_counter() + self._limits.patience
        latest = latest if deadline is None else min(latest, deadline)
        one = _Waiting(columns, rows, latest, asyncio.get_running_loop().create_future(), batched)
        self._queue.append(one)
        if self.busy_since is None:
            self._start()
            try:
                return await one.answer
            finally:
                del one
        alarm = asyncio.get_running_loop().call_later(latest - time.perf_counter(), self._give_up, one)
        try:
            return await (one.answer if gone is None else _unless(gone, one.answer, self._name))
        finally:
            alarm.cancel()
            del one  # where it is an error, that holds this frame

    def _give_up(self, one: _Waiting) -> None:
        """Its time is over. One that is being predicted already is answered all the same."""
        if one in self._queue and not one.answer.done():
            self._queue.remove(one)
            one.answer.set_exception(_too_late(self._name))

    def _start(self) -> None:
        """Begin the next batch, if anything waits."""
        self.busy_since = None
        batch = self._take()
        if batch:
            self.busy_since = time.perf_counter()
            if batch[0].batched is not None:
                batch[0].batched(sum(one.rows for one in batch))
            work = asyncio.get_running_loop().run_in_executor(self._thread, _work, self._predict, batch)
            work.add_done_callback(lambda done: self._finish(batch, done))

    def _take(self) -> list[_Waiting]:
        """The oldest request and those behind it that can go with it: of the same columns, and few enough rows."""
        most = min(self._limits.rows, self._pace.rows_within(self._limits.seconds))
        batch: list[_Waiting] = []
        others: list[_Waiting] = []
        now, rows = time.perf_counter(), 0
        while self._queue:
            one = self._queue.popleft()
            if one.answer.done():  # whoever asked is gone
                continue
            if one.latest < now:
                one.answer.set_exception(_too_late(self._name))
            elif not batch or (rows + one.rows <= most and one.columns.keys() == batch[0].columns.keys()):
                batch.append(one)
                rows += one.rows
            else:
                others.append(one)
            if rows >= most:
                break
        self._queue.extendleft(reversed(others))
        return batch

    def _finish(self, batch: Sequence[_Waiting], done: asyncio.Future[list[Outputs | Exception]]) -> None:
        answers: Sequence[Outputs | BaseException]
        failure = None if done.cancelled() else done.exception()
        answers = [failure] * len(batch) if failure else done.result()
        for one, answer in zip(batch, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, BaseException):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)
        self._start()

    def _retry_after(self) -> int:
        return max(1, math.ceil(self._pace.expected(sum(one.rows for one in self._queue))))


@dataclass(slots=True, eq=False)
class _Waiting:
    columns: Columns
    rows: int
    latest: float
    answer: asyncio.Future[Outputs]
    batched: Batched | None


async def _unless(gone: Gone, answer: asyncio.Future[Outputs], name: str) -> Outputs:
    """The answer, unless its reader leaves before."""
    leaving = asyncio.ensure_future(gone())
    leaving.add_done_callback(lambda _, cancel=answer.cancel: cancel())  # type: ignore[misc]
    try:
        return await answer
    except asyncio.CancelledError:
        if not leaving.done():
            raise
        raise DeadlineError(f"{name}: the client left before its turn came") from None
    finally:
        leaving.cancel()
        del answer


def _work(predict: Predict, batch: Sequence[_Waiting]) -> list[Outputs | Exception]:
    """An answer to each. Where a batch fails its halves are tried, so that only the rows at fault fail."""
    if len(batch) == 1:
        try:
            return [predict(batch[0].columns, batch[0].rows)]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this request's answer
            return [_bare(error)]
    rows = [one.rows for one in batch]
    try:
        outputs = predict(_together(batch, rows), sum(rows))
    except Exception:  # noqa: BLE001 - whatever it is, it may be one request's alone
        half = len(batch) // 2
        return _work(predict, batch[:half]) + _work(predict, batch[half:])
    ends = np.cumsum(rows).tolist()
    return [
        {name: values[end - count : end] for name, values in outputs.items()}
        for end, count in zip(ends, rows, strict=True)
    ]


def _bare(error: Exception) -> Exception:
    """The error without its frames, and so are those that it came of: they would keep the request, and the request the
    error.
    """
    one: BaseException | None = error
    while one is not None:
        one.__traceback__ = None
        one = one.__cause__ or one.__context__
    return error


def _together(batch: Sequence[_Waiting], rows: Sequence[int]) -> Columns:
    return {
        name: gathered([(one.columns[name], count) for one, count in zip(batch, rows, strict=True)])
        for name in batch[0].columns
    }


def _too_late(name: str) -> DeadlineError:
    return DeadlineError(f"{name} did not come to this request in time", remedy="allow more time; send fewer at once")
