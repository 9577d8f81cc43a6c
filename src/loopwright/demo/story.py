"""The loop's story, told while it happens: a champion, a price war, drift, a retrain that wins, a canary.

Nothing here is scripted but what the simulated customers do. Where the platform does not do its part in time, the story
ends with an error.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from loopwright.bootstrap.session import Session
from loopwright.core.decision import Decision
from loopwright.demo.live import LivePlatform
from loopwright.demo.project import HISTORY_DAYS, MODEL
from loopwright.demo.retail import CALM, PRICE_WAR, Chain, Row, write_sales
from loopwright.demo.traffic import Traffic
from loopwright.errors import LoopwrightError
from loopwright.monitoring.records import Finding
from loopwright.registry.records import ModelVersion
from loopwright.retraining.records import RetrainRequest
from loopwright.rollout import ledger
from loopwright.runs.records import StageRecord

WAR_DAYS = 60
"""Days of the price war in the sales file that arrives."""
ASKED_DAYS = 14
"""Days whose rows the customers' requests are about."""
PATIENCE = 90.0
"""Seconds that any one step of the story may take."""


class Teller(Protocol):
    """Who tells the story."""

    def act(self, title: str) -> None:
        """A new chapter."""

    def say(self, text: str) -> None:
        """Something happened."""

    def stage(self, stage: StageRecord) -> None:
        """A stage of a run has ended."""

    def decision(self, decision: Decision) -> None:
        """Something was decided, for these reasons."""

    def waiting(self, text: str) -> AbstractContextManager[object]:
        """Something is awaited, until the context ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How it came out. Errors are shares of what was sold (WAPE), on `rows` days and items that no version learned."""

    seed: int
    first: int
    second: int
    rows: int
    first_error: float
    second_error: float
    requests: int
    failed: int
    seconds: float


class Story:
    """The story on a running platform; `play` it once. Every act raises `LoopwrightError` where it does not happen."""

    def __init__(self, live: LivePlatform, chain: Chain, traffic: Traffic, tell: Teller) -> None:
        self.live, self.chain, self.traffic, self.tell = live, chain, traffic, tell
        self.platform = live.platform
        self._war = HISTORY_DAYS + ASKED_DAYS
        self._after = self._war + WAR_DAYS

    def play(self) -> Ending:
        """All of it. The traffic flows on when it is over."""
        began = time.monotonic()
        first = self._first_champion()
        self._calm_days(first)
        self._price_war()
        finding = self._drift(first)
        request = self._governor(finding)
        second = self._challenger(request)
        self._canary(second)
        return self._reckoning(first, second, began)

    def _first_champion(self) -> ModelVersion:
        self.tell.act("The loop turns once")
        run = self.platform.journal.submit(MODEL, cause="the demonstration begins", actor=self.platform.actor)
        return self._follow(run.id)

    def _calm_days(self, champion: ModelVersion) -> None:
        self.tell.act("Customers ask")
        self.live.until("an endpoint that answers", lambda: self.traffic.ready() or None, seconds=PATIENCE)
        self.traffic.flow(_asked(self.chain.sales(HISTORY_DAYS, ASKED_DAYS, CALM)))
        with self.tell.waiting("requests go to the endpoint; a window of them is judged when it closes"):
            finding = self.live.until("a judged window", lambda: self._judged(champion), seconds=PATIENCE)
        self.tell.say(f"{self.traffic.tally.sent} requests so far, {self.traffic.tally.failed} failed")
        self.tell.decision(finding.decision)

    def _price_war(self) -> None:
        self.tell.act("A discounter opens next door")
        self.tell.say("promotions become deep and frequent, and customers compare prices: requests show it at once,")
        self.tell.say(f"and a file with {WAR_DAYS} days of such sales arrives in data/")
        sales = self.chain.sales(self._war, WAR_DAYS, PRICE_WAR)
        write_sales(sales, self.platform.root / "data" / "sales-2.csv")
        self.traffic.flow(_asked(self.chain.sales(self._after, ASKED_DAYS, PRICE_WAR)))

    def _drift(self, champion: ModelVersion) -> Finding:
        with self.tell.waiting("the next window closes in a few seconds"):
            finding = self.live.until("drift", lambda: self._judged(champion, drifted=True), seconds=PATIENCE)
        self.tell.say(f"drift, in {finding.rows:,} rows asked for since {finding.window_start:%H:%M:%S}:")
        self.tell.decision(finding.decision)
        return finding

    def _governor(self, finding: Finding) -> RetrainRequest:
        self.tell.act("The governor decides")

        def accepted() -> RetrainRequest | None:
            requests = self.platform.retraining.requests(MODEL, statuses=("accepted",))
            return next((one for one in requests if one.version == finding.version and one.started), None)

        with self.tell.waiting("drift asked for a retrain"):
            request = self.live.until("an accepted retrain", accepted, seconds=PATIENCE)
        self.tell.say(f"a retrain, asked for by {request.trigger}, is {request.status}:")
        if request.decision is not None:
            self.tell.decision(request.decision)
        return request

    def _challenger(self, request: RetrainRequest) -> ModelVersion:
        self.tell.act("The loop turns again, by itself")
        return self._follow(str(request.run))

    def _canary(self, challenger: ModelVersion) -> None:
        self.tell.act("A canary: the challenger must earn its traffic")
        (rollout, *_) = self.platform.rollouts.rollouts(model=MODEL)
        for now in self.live.moves(rollout.id, seconds=PATIENCE):
            if now.status == "running":
                self.tell.say(f"version {challenger.number} takes {now.plan.steps[now.step]} % of the requests")
            elif now.status == "promoted":
                self.tell.say(f"version {challenger.number} is the champion now")
            else:
                because = "; ".join(reason.text for reason in now.reasons)
                raise LoopwrightError(f"the rollout of version {challenger.number} is {now.status}: {because}")

    def _reckoning(self, first: ModelVersion, second: ModelVersion, began: float) -> Ending:
        self.tell.act("Was it worth it?")
        with self.tell.waiting("a window of the new champion is judged"):
            finding = self.live.until("a judged window", lambda: self._judged(second), seconds=PATIENCE)
        self.tell.decision(finding.decision)
        sales = self.chain.sales(self._after, ASKED_DAYS, PRICE_WAR)
        sold = np.array([row["sold"] for row in sales], dtype=np.float64)
        asked = _asked(sales)
        columns = {name: [row[name] for row in asked] for name in asked[0]}
        said = Session(self.platform).predict(columns, model=MODEL, version=first.number)["prediction"]
        before, now = np.asarray(said, dtype=np.float64), np.array(self.traffic.ask(asked))
        faults = ledger.verify(self.platform.storage, MODEL)
        if faults:
            raise LoopwrightError(f"the ledger of {MODEL} is broken: {'; '.join(faults)}")
        return Ending(
            seed=self.chain.seed,
            first=first.number,
            second=second.number,
            rows=len(sales),
            first_error=float(np.abs(before - sold).sum() / sold.sum()),
            second_error=float(np.abs(now - sold).sum() / sold.sum()),
            requests=self.traffic.tally.sent,
            failed=self.traffic.tally.failed,
            seconds=time.monotonic() - began,
        )

    def _follow(self, run_id: str) -> ModelVersion:
        for stage in self.live.stages(run_id, seconds=PATIENCE):
            self.tell.stage(stage)
        run = self.platform.journal.get(run_id)
        if run.status != "succeeded":
            raise LoopwrightError(f"run {run_id} is {run.status}: {run.summary}")
        version = next(one for one in self.platform.registry.versions(MODEL) if one.run == run_id)
        self.tell.decision(version.gate)
        return version

    def _judged(self, version: ModelVersion, *, drifted: bool = False) -> Finding | None:
        """The newest window of this version's traffic that was judged (and drifted); None where there is none yet."""
        findings = self.platform.monitors.findings(MODEL, kind="drift")
        return next(
            (one for one in findings if one.version == version.number and one.judged and not (drifted and one.passed)),
            None,
        )


def _asked(sales: list[Row]) -> list[Row]:
    """The rows as customers of the endpoint send them: nobody knows yet what will be sold."""
    return [{name: value for name, value in row.items() if name != "sold"} for row in sales]
