"""Parts that ask what it takes: memory and start of a worker, and what more workers bring."""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

from serving.figures import Figure, figure, left_out, ratio
from serving.load import Load, closed
from serving.plans import asked, ours
from serving.rounds import Pace
from serving.servers import Running, resident, running
from serving.setting import CONNECTIONS, Setting

COUNTS = (1, 2, 4, 8)


def memory(setting: Setting) -> list[Figure]:
    """A worker that serves one small model: its memory, and how long it takes to be ready."""
    part, plan = "memory", ours(setting.store, asked(setting.store.numeric()))
    sizes, seconds = [], []
    for _ in range(setting.pace.rounds):
        with running(plan, setting.cores.server) as server:
            sizes.append(max(resident(pid) for pid in server.processes))
            seconds.append(server.ready_seconds)
    with running(replace(plan, env={"PYTHONPROFILEIMPORTTIME": "1"}), setting.cores.server) as server:
        imported = [line.rpartition("|")[2].strip() for line in server.log.read_text().splitlines()]
    assert "httptools" in imported, "the log says what was imported"
    return [
        figure(part, "a worker's resident memory", "MB", sizes, at_most=200),
        figure(part, "from start to the first right answer", "s", seconds, at_most=2),
        figure(part, "imports of mlflow", "", [imported.count("mlflow")], at_most=0),
    ]


def workers(setting: Setting) -> list[Figure]:
    """Several workers, each with a core of its own; loaded by processes on other cores."""
    part, cores = "workers", sorted(setting.cores.all)
    counts = [count for count in COUNTS if count + _loaders(count) <= len(cores)]
    if len(counts) < 2:
        return [left_out(part, "more than one worker", f"{len(cores)} cores: a worker and the load take two")]
    rate: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(setting.pace.rounds):
        for count in counts:
            plan = ours(setting.store, asked(setting.store.numeric()), workers=count)
            with running(plan, frozenset(cores[:count])) as server:
                rate[count].append(_together(server, cores[count:], _loaders(count), setting))
    figures = [figure(part, f"{count} workers", "/s", rate[count]) for count in counts]
    for count in counts[1:]:
        title = f"{count} workers / {count} × one"
        figures.append(ratio(part, title, rate[count], [count * one for one in rate[1]], at_least=0.85))
    return figures


def _loaders(workers: int) -> int:
    return max(1, workers // 2)


def _together(server: Running, cores: list[int], loaders: int, setting: Setting) -> float:
    """Requests a second over all loaders."""
    time.sleep(setting.pace.settle)
    share = [server.port, server.plan.requests, 2 * CONNECTIONS, setting.pace]
    with ProcessPoolExecutor(loaders, mp_context=get_context("spawn")) as pool:
        loads = [pool.submit(_load, core, *share) for core in cores[:loaders]]
        return sum(one.result().rate for one in loads)


def _load(core: int, port: int, requests: list[bytes], connections: int, pace: Pace) -> Load:
    os.sched_setaffinity(0, {core})
    closed(port, requests, connections, pace.warm)
    return closed(port, requests, connections, pace.seconds)
