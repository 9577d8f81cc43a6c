"""What is measured, a function a part; each returns its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serving.figures import Figure, figure, ratio
from serving.load import Load
from serving.machine import Cores
from serving.models import Store
from serving.plans import asked, ceiling, ours, trivial
from serving.rounds import Pace, in_turns, rates, saturate
from serving.servers import Plan

CONNECTIONS = 32
CAPTURED, BARE = "loopwright, capture 100 %", "loopwright, no capture"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where and how long is measured."""

    store: Store
    cores: Cores
    pace: Pace
    peers: Sequence[Plan] = ()


def peers(setting: Setting) -> list[Figure]:
    """One row a request over 32 connections: all peers, the ceiling, ours with and without capture."""
    part, questions = "peers", asked(setting.store.numeric())
    plans = [
        trivial(questions),
        ceiling(questions),
        ours(setting.store, questions, name=CAPTURED),
        ours(setting.store, questions, capture=0.0, name=BARE),
    ]
    measure = saturate(CONNECTIONS, setting.pace)
    loads, reasons = in_turns(plans, setting.cores, setting.pace, measure, visiting=setting.peers)
    rate = {name: rates(found) for name, found in loads.items()}
    figures = [figure(part, name, "/s", values) for name, values in rate.items()]
    figures += [
        ratio(part, "load generator's limit over the ceiling", rate["trivial"], rate["ceiling"], at_least=2),
        ratio(part, f"{CAPTURED}, over the ceiling", rate[CAPTURED], rate["ceiling"], at_least=0.65),
        ratio(part, f"{BARE}, over the ceiling", rate[BARE], rate["ceiling"], at_least=0.75),
    ]
    return figures
