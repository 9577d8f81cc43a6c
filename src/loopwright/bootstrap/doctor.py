"""The examination behind `loopwright doctor`: what is configured, what answers, what doesn't, and the remedy."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx

from loopwright.bootstrap import checks
from loopwright.bootstrap.checks import Check
from loopwright.bootstrap.platform import Platform, Unreachable
from loopwright.core.codec import from_json
from loopwright.core.tls import trusting
from loopwright.data.peek import check_columns, peek
from loopwright.errors import LoopwrightError
from loopwright.monitoring.records import Delivery
from loopwright.rollout import ledger
from loopwright.settings import FILE
from loopwright.traffic.records import revision_digest, revisions_folder
from loopwright.traffic.status import STATUS_FOLDER, ServerStatus

SILENT_AFTER = timedelta(seconds=20)
"""A server says every five seconds what it serves."""


def examine(platform: Platform) -> Iterator[Check]:
    """Look at everything; nothing is changed but an object of its own, written to the store and removed again."""
    for name, look in CHECKS.items():
        try:
            yield from look(platform)
        except LoopwrightError as error:
            yield Check(name=name, finding="fail", text=error.message, remedy=error.remedy)


def _ports(platform: Platform) -> Iterator[Check]:
    settings = platform.settings
    control = f"http://{settings.host}:{settings.port}"
    for name, setting, port, url, whose in (
        ("control API", "port", settings.port, control, _control_is_ours),
        ("inference server", "inference_port", settings.inference_port, platform.inference_url, _inference_is_ours),
        # Whoever has both ports is the same server.
        ("inference server (gRPC)", "grpc_port", settings.grpc_port, platform.inference_url, _inference_is_ours),
    ):
        if port is None:
            continue
        place = f"{settings.host}:{port}"
        if not _listens(settings.host, port):
            yield Check(name="ports", finding="ok", text=f"{place} is free for the {name}")
        elif whose(platform, url):
            yield Check(name="ports", finding="ok", text=f"the {name} answers at {place}")
        else:
            remedy = f"stop what listens there, or choose another: `{setting}` in {FILE}"
            yield Check(name="ports", finding="fail", text=f"{place} is not ours: the {name} needs it", remedy=remedy)


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2.0)
        return probe.connect_ex((host, port)) == 0


def _control_is_ours(platform: Platform, url: str) -> bool:
    """Whether a control API answers there, and for this project."""
    return bool(_asked(platform, f"{url}/version").get("project") == platform.root.name)


def _inference_is_ours(platform: Platform, url: str) -> bool:
    """Whether an inference server answers there whose revisions are this project's."""
    said = _asked(platform, f"{url}/status")
    storage = platform.storage
    return "digests" in said and all(
        digest in {revision_digest(storage.get(key)) for key in storage.list(revisions_folder(endpoint))}
        for endpoint, digest in said["digests"].items()
    )


def _asked(platform: Platform, url: str) -> dict[str, Any]:
    """What is answered there in JSON; nothing where it is none."""
    token, (certificate, _) = platform.settings.token, platform.settings.tls_files(platform.root)
    trusted = trusting(certificate) if certificate and url.startswith("https:") else True
    shown = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        said = httpx.get(url, timeout=3.0, headers=shown, verify=trusted).json()
    except (httpx.HTTPError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return said if isinstance(said, dict) else {}


def _models(platform: Platform) -> Iterator[Check]:
    models, faults = platform.project.look()
    for fault in faults:
        yield Check(name="models", finding="fail", text=fault.message, remedy=fault.remedy)
    if not models and not faults:
        patterns = ", ".join(platform.settings.models)
        remedy = "`loopwright init` writes a first one"
        yield Check(name="models", finding="warn", text=f"none is declared in {patterns}", remedy=remedy)
    for name, model in models.items():
        declared = model.declaration
        try:
            kinds = peek(declared.source, platform.root)
            check_columns(declared, kinds)
            text = f"{name}: {declared.source} is there, {len(kinds)} columns"
            yield Check(name="models", finding="ok", text=text)
        except LoopwrightError as error:
            yield Check(name="models", finding="fail", text=f"{name}: {error.message}", remedy=error.remedy)


def _ledgers(platform: Platform) -> Iterator[Check]:
    for name in ledger.endpoints(platform.storage):
        faults, length = ledger.verify(platform.storage, name), ledger.length(platform.storage, name)
        if faults:
            remedy = "it was changed by hand: restore a backup, or promote a version you trust"
            yield Check(name="ledger", finding="fail", text=f"{name}: {'; '.join(faults)}", remedy=remedy)
        else:
            text = f"{name}: {length} revision{'s' if length > 1 else ''}, all sound"
            yield Check(name="ledger", finding="ok", text=text)


def _endpoints(platform: Platform) -> Iterator[Check]:
    storage = platform.storage
    statuses = [from_json(storage.get(key), ServerStatus) for key in storage.list(STATUS_FOLDER)]
    heard = [one for one in statuses if platform.clock.now() - one.at < SILENT_AFTER]
    endpoints = ledger.endpoints(storage)
    if endpoints and not heard:
        text = f"no server was heard of lately that serves {', '.join(endpoints)}"
        yield Check(name="endpoints", finding="warn", text=text, remedy="`loopwright up`, or `loopwright serve`")
        return
    for name in endpoints:
        yield _served(name, ledger.length(storage, name), heard)


def _served(name: str, desired: int, heard: list[ServerStatus]) -> Check:
    """What should be live, against what the servers say that serve it."""
    serving = {one.server: one.revisions.get(name, 0) for one in heard if name in one.revisions or name in one.faults}
    trouble = [f"{one.server}: {one.faults[name]}" for one in heard if name in one.faults]
    behind = [server for server, number in serving.items() if number < desired]
    if trouble:
        remedy = "go back to the version before: `loopwright rollout rollback`"
        return Check(name="endpoints", finding="fail", text=f"{name}: {'; '.join(trouble)}", remedy=remedy)
    text = f"{name}: revision {desired} is served by {len(serving) - len(behind)} of {len(serving)} servers"
    if serving and not behind:
        return Check(name="endpoints", finding="ok", text=text)
    remedy = "wait a moment; a server that stays behind says why in its log"
    return Check(name="endpoints", finding="warn", text=text, remedy=remedy)


def _notices(platform: Platform) -> Iterator[Check]:
    """Whom alerts are told to, and who has not taken them."""
    remedy = "mend that destination in the setting `notify`; what waits is sent again for a day"
    refused: dict[str, list[Delivery]] = {}
    for one in platform.alerting.undelivered() if checks.is_prepared(platform) else ():
        refused.setdefault(one.destination, []).append(one)
    for name in {**platform.destinations, **refused}:
        waiting, notifier = refused.get(name, []), platform.destinations.get(name)
        if waiting:
            text = f"{name} has not taken {len(waiting)} notices of the last day: {waiting[-1].trouble}"
            yield Check(name="notices", finding="fail", text=text, remedy=remedy)
        elif isinstance(notifier, Unreachable):
            yield Check(name="notices", finding="fail", text=f"{name}: {notifier.error.message}", remedy=remedy)
        else:
            yield Check(name="notices", finding="ok", text=f"alerts are told to {name}")


def _captures(platform: Platform) -> Iterator[Check]:
    """Servers that lost captures, of whatever version, since they started."""
    for key in platform.storage.list(STATUS_FOLDER):
        server = from_json(platform.storage.get(key), ServerStatus)
        if server.dropped and platform.clock.now() - server.at < SILENT_AFTER:
            text = f"{server.server} has lost the captures of {server.dropped:,} rows since it started"
            remedy = "the store is slow or away, or the spool too small: read the server's log"
            yield Check(name="captures", finding="warn", text=text, remedy=remedy)


CHECKS: dict[str, Callable[[Platform], Iterator[Check]]] = {
    "python": checks.python,
    "settings": checks.settings,
    "disk": checks.disk,
    "state": checks.state,
    "store": checks.storage,
    "mlflow": checks.mlflow,
    "jobs": checks.jobs,
    "ports": _ports,
    "models": _models,
    "ledger": _ledgers,
    "endpoints": _endpoints,
    "captures": _captures,
    "notices": _notices,
}
