"""The records of a replay: its task, what went wrong, how long answers took, and the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from loopwright.evaluation.differences import Differences
from loopwright.evaluation.records import Champion
from loopwright.training.records import Candidate


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayTask:
    """A replay job's task: put what `champion` answered at `endpoint` before `until` to `candidate`.

    Pictures go below the object-store folder `folder`.
    """

    candidate: Candidate
    champion: Champion
    endpoint: str
    until: datetime
    folder: str
    run_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayError:
    """Rows that the candidate does not answer, though the champion did, for one reason; `message` is the first's.

    `column` is None where no column is to blame.
    """

    column: str | None
    message: str
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LatencyComparison:
    """Medians of one row's prediction in milliseconds, of both versions in turns on the same `rows` in one thread.

    `ratio` is the candidate's by the champion's, `low` and `high` its interval at 95 %.
    """

    candidate_ms: float
    champion_ms: float
    ratio: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayReport:
    """What the candidate would have answered to the last `rows` that the champion was asked.

    `skipped` says why there was nothing to replay, `impossible` why it cannot be done although there was. `failed` of
    the rows are in `errors`. `unheard` are columns that were empty in the replay, since callers are said to send them
    but none was captured. `differences` and `latency` are None where they cannot be had. `pictures` maps a name to the
    object-store key of a PNG.
    """

    candidate: str
    champion: int | None
    skipped: str = ""
    impossible: str = ""
    rows: int = 0
    since: datetime | None = None
    until: datetime | None = None
    failed: int = 0
    errors: tuple[ReplayError, ...] = ()
    unheard: tuple[str, ...] = ()
    differences: Differences | None = None
    latency: LatencyComparison | None = None
    pictures: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
