"""Staging: the version behind an endpoint of its own, asked over HTTP, must answer what it answers offline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from loopwright.bundle.records import SAMPLE
from loopwright.core.clock import Clock
from loopwright.core.codec import from_json
from loopwright.core.decision import Decision, Reason, decide
from loopwright.core.ids import STAGING
from loopwright.errors import HostingError
from loopwright.ports.hosting import Hosting
from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.rollout import ledger
from loopwright.traffic.records import CapturePolicy, EndpointRevision, Variant

TOLERANCE = 1e-6
"""How far an answer may be from the offline prediction, relative to its size (and absolutely below 1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StagingReport:
    """What the staging endpoint answered. `latency_ms` is the median of single requests."""

    endpoint: str
    revision: int
    decision: Decision
    rows: int
    latency_ms: float

    @property
    def passed(self) -> bool:
        return self.decision.passed


def staging_endpoint(model: str) -> str:
    return f"{model}{STAGING}"


def smoke_test(version: ModelVersion, *, storage: Storage, hosting: Hosting, clock: Clock) -> StagingReport:
    """Deploy `version` to the model's staging endpoint and compare its answers over HTTP with the bundle's sample."""
    endpoint = staging_endpoint(version.model)
    revision = _deploy(version, endpoint, storage, clock)
    sample = from_json(storage.get(f"{version.folder}/{SAMPLE}"), dict[str, dict[str, Any]])
    with hosting.reach(endpoint) as client:
        answers, latencies = _ask(client, endpoint, revision, sample, clock)
    reasons = [_compare(name, expected, answers.get(name)) for name, expected in sample["outputs"].items()]
    return StagingReport(
        endpoint=endpoint,
        revision=revision,
        decision=decide(reasons),
        rows=len(latencies),
        latency_ms=float(np.median(latencies)) if latencies else 0.0,
    )


def _deploy(version: ModelVersion, endpoint: str, storage: Storage, clock: Clock) -> int:
    current = ledger.newest(storage, endpoint)
    cause = f"staging of {version.id}"
    if current is not None and current.cause == cause:
        return current.number
    variant = Variant(
        name="champion", version=version.number, bundle=version.folder, bundle_digest=version.digest, weight=100
    )
    wanted = EndpointRevision(
        endpoint=endpoint,
        model=version.model,
        number=0,
        variants=(variant,),
        capture=CapturePolicy(share=0.0),
        actor="loop",
        reason=f"version {version.number} is checked before any traffic",
        cause=cause,
        at=clock.now(),
        previous="",
    )
    return ledger.append(storage, wanted, after=current).number


def _ask(
    client: httpx.Client, endpoint: str, revision: int, sample: dict[str, dict[str, Any]], clock: Clock
) -> tuple[dict[str, Any], list[float]]:
    inputs, outputs = sample["inputs"], list(sample["outputs"])
    rows = len(next(iter(inputs.values())))
    answers: dict[str, list[Any]] = {}
    latencies = []
    _wait_for(client, endpoint, revision, clock)
    for row in range(rows):
        instance = {name: values[row] for name, values in inputs.items()}
        began = time.perf_counter()
        response = client.post(f"/endpoints/{endpoint}/invocations", json={"instances": [instance]}, timeout=30.0)
        latencies.append(1000 * (time.perf_counter() - began))
        if response.status_code != 200:
            raise HostingError(
                f"staging endpoint {endpoint} answered {response.status_code}: {response.text[:300]}",
                remedy="the model cannot answer a row it was evaluated on; look at its feature function",
            )
        (answer,) = response.json()["predictions"]
        for name, value in (answer if isinstance(answer, dict) else {outputs[0]: answer}).items():
            answers.setdefault(name, []).append(value)
    return answers, latencies


def _wait_for(client: httpx.Client, endpoint: str, revision: int, clock: Clock) -> None:
    for _ in range(200):
        served = client.get("/status").json()["revisions"].get(endpoint, 0)
        if served >= revision:
            return
        clock.sleep(0.05)
    raise HostingError(
        f"the inference server does not serve revision {revision} of {endpoint}",
        remedy="its log says why: `loopwright doctor`",
    )


def _compare(name: str, expected: list[Any], found: list[Any] | None) -> Reason:
    if found is None or len(found) != len(expected):
        text = f"{name} is missing from the answer" if found is None else f"{name} has {len(found)} values"
        return Reason(rule=f"same_{name}", finding="fail", text=text)
    if expected and isinstance(expected[0], str):
        different = sum(a != b for a, b in zip(expected, found, strict=True))
        text = f"{name}: {different} of {len(expected)} labels differ from the offline ones"
        return Reason(rule=f"same_{name}", finding="fail" if different else "pass", text=text)
    a, b = np.asarray(expected, dtype=float), np.asarray(found, dtype=float)
    furthest = float(np.max(np.abs(a - b) / np.maximum(1.0, np.abs(a)), initial=0.0))
    text = f"{name} over HTTP is within {furthest:.1e} of the offline prediction on {len(expected)} rows"
    return Reason(
        rule=f"same_{name}",
        finding="fail" if furthest > TOLERANCE else "pass",
        text=text,
        figures={"furthest": furthest},
    )
