"""Parts that ask how much: against peers and the ceiling, with many rows, with features that are no plain numbers."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from serving import bodies
from serving.environments import counted, mlflow_command, peer_plans
from serving.figures import Figure, ratio
from serving.load import Load
from serving.plans import PEERS, Asked, Read, Write, asked, ceiling, infer, model_env, otherwise, ours, trivial
from serving.rounds import in_turns, rates, saturate, up, visited
from serving.servers import CannotStartError, Plan
from serving.setting import BARE, CAPTURED, CEILING, CONNECTIONS, Setting, both, by_processor, each, rate_figures

WAYS: Mapping[str, tuple[Write, Read]] = {
    "json": (infer, bodies.v2_probabilities),
    "binary": (
        lambda name, rows: bodies.v2_binary(f"/v2/models/{name}/infer", rows),
        bodies.binary_probabilities,
    ),
    "arrow": (lambda name, rows: bodies.arrow(f"/endpoints/{name}/invocations", rows), bodies.arrow_probabilities),
}
"""A thousand rows, as clients may send them: v2 in JSON, v2 in binary, an Arrow stream."""


def peers(setting: Setting) -> list[Figure]:
    """One row a request over 32 connections: all peers, the ceiling, ours with and without capture."""
    part, questions = "peers", asked(setting.store.numeric())
    others, reasons = peer_plans(setting.peers, questions, setting.cache, setting.store.folder / "peers")
    measure = saturate(CONNECTIONS, setting.pace)
    with up([trivial(questions), *both(setting, questions), ceiling(questions)], setting.cores) as servers:
        turns = each(servers, measure) | {one.name: partial(visited, one, setting.cores, measure) for one in others}
        loads, failed = in_turns(turns, setting.pace.rounds)
    rate = {name: rates(found) for name, found in loads.items()}
    figures = rate_figures(part, loads, reasons | failed)
    figures.append(ratio(part, "the load generator's limit / ceiling", rate["trivial"], rate[CEILING], at_least=2))
    for name, goal in ((CAPTURED, 0.65), (BARE, 0.75)):
        figures.append(ratio(part, f"{name} / ceiling", rate[name], rate[CEILING], at_least=goal))
        figures.append(by_processor(part, name, CEILING, loads))
    best = _best(rate, [one.name for one in others if counted(one.name)])
    if best:
        figures.append(ratio(part, f"{CAPTURED} / {best}", rate[CAPTURED], rate[best], at_least=5))
    for name in [one.name for one in others if not counted(one.name) and one.name in rate]:
        figures.append(ratio(part, f"{CAPTURED} / {name}", rate[CAPTURED], rate[name], note="not counted"))
    return figures


def rows(setting: Setting) -> list[Figure]:
    """A thousand rows a request, against a bare loop that decodes with the same library and predicts."""
    part, questions = "rows", asked(setting.store.numeric(), 1000)
    hosts, plans, loops = both(setting, questions), [], {}
    for way, (write, read) in WAYS.items():
        plans += [otherwise(host, questions, f"{host.name}, {way}", write, read) for host in hosts]
        request = write(hosts[0].endpoint, questions.rows[0])
        loops[f"bare loop, {way}"] = partial(_bare_loop, way, request, questions, setting)
    with up([*hosts, *plans], setting.cores) as servers:
        asking = {one.name: servers[one.name] for one in plans}
        loads, failed = in_turns(each(asking, saturate(4, setting.pace)) | loops, setting.pace.rounds)
    rate = {name: rates(found) for name, found in loads.items()}
    figures = rate_figures(part, loads, failed)
    for name in [one for one in asking if one in rate]:
        loop = f"bare loop, {name.rpartition(', ')[2]}"
        figures.append(ratio(part, f"{name} / bare loop", rate[name], rate[loop], at_least=0.8))
        figures.append(by_processor(part, name, loop, loads))
    return figures


def features(setting: Setting) -> list[Figure]:
    """Named columns with categories, dates and gaps against numbers alone; a feature function against MLflow."""
    part, store = "features", setting.store
    numeric, mixed, featured = (asked(made) for made in (store.numeric(), store.mixed(), store.featured()))
    numbers = ours(store, numeric, name="numbers, one tensor")
    words = ours(store, mixed, name="mixed, named tensors", write=_named)
    function = ours(store, featured, name="feature function", write=_split, read=bodies.predictions)
    rival, measure = _mlflow(featured), saturate(CONNECTIONS, setting.pace)
    plans = [
        numbers,
        otherwise(numbers, numeric, "numbers, named tensors", _named),
        words,
        otherwise(words, mixed, "mixed, rows as objects", _records, bodies.predictions),
        function,
    ]
    with up(plans, setting.cores) as servers:
        turns = {**each(servers, measure), rival.name: partial(visited, rival, setting.cores, measure)}
        loads, failed = in_turns(turns, setting.pace.rounds)
    rate = {name: rates(found) for name, found in loads.items()}
    figures = rate_figures(part, loads, failed)
    for name in (words.name, "mixed, rows as objects"):
        figures.append(ratio(part, f"{name} / {numbers.name}", rate[name], rate[numbers.name], at_least=0.5))
    if rival.name in rate:
        title = f"{function.name} / {rival.name}"
        figures.append(ratio(part, title, rate[function.name], rate[rival.name], at_least=3))
    return figures


def _best(rate: Mapping[str, Sequence[float]], names: Sequence[str]) -> str | None:
    there = [name for name in names if name in rate]
    return max(there, key=lambda name: statistics.median(rate[name]), default=None)


def _bare_loop(way: str, request: bytes, questions: Asked, setting: Setting) -> Load:
    head, _, body = request.partition(b"\r\n\r\n")
    path = setting.store.folder / f"loop-{way}"
    path.write_bytes(body)
    length = head.decode().partition("inference-header-content-length: ")[2].partition("\r\n")[0] or "0"
    command = ["taskset", "-c", str(min(setting.cores.server)), sys.executable, "loop.py", way, str(path)]
    env = {**model_env(questions.made), "BENCH_JSON_LENGTH": length}
    done = subprocess.run(
        [*command, str(setting.pace.seconds)], env=env, cwd=PEERS, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotStartError(done.stderr.strip()[-300:])
    rate, processor = map(float, done.stdout.split())
    return Load(rate=rate, answers=1, failures=0, counts=np.ones(1, dtype=np.int64), processor=processor)


def _mlflow(questions: Asked) -> Plan:
    """MLflow's scoring server from our own environment: the bundle is an MLflow model as it stands."""
    return Plan(
        name="mlflow, same pyfunc",
        command=mlflow_command(str(Path(sys.executable).with_name("mlflow")), questions.made.folder),
        requests=questions.requests(lambda name, rows: bodies.post_json("/invocations", bodies.split(rows))),
        expected=questions.expected,
        read=bodies.predictions,
        env={"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )


def _named(name: str, rows: bodies.Frame) -> bytes:
    return bodies.post_json(f"/v2/models/{name}/infer", bodies.v2_named(rows))


def _records(name: str, rows: bodies.Frame) -> bytes:
    return bodies.post_json(f"/endpoints/{name}/invocations", bodies.records(rows))


def _split(name: str, rows: bodies.Frame) -> bytes:
    return bodies.post_json(f"/endpoints/{name}/invocations", bodies.split(rows))
