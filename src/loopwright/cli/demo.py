"""`loopwright demo`: the whole loop on simulated sales, told on the terminal while it happens."""

from __future__ import annotations

import secrets
import signal
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.syntax import Syntax

from loopwright.bootstrap.platform import load_adapter, open_platform
from loopwright.cli.output import answer, console, reasons, say, table
from loopwright.cli.run import gist
from loopwright.core.codec import to_plain
from loopwright.core.decision import Decision
from loopwright.demo.live import QUICK_SETTINGS, LivePlatform, free_ports
from loopwright.demo.project import MODEL, QUICK, write_project
from loopwright.demo.retail import Chain
from loopwright.demo.story import Ending, Story
from loopwright.demo.traffic import Traffic
from loopwright.errors import ConflictError
from loopwright.runs.records import StageRecord


def demo(
    *,
    seed: Annotated[int | None, Parameter(help="The simulation's seed; without it, a fresh one.")] = None,
    folder: Annotated[Path | None, Parameter(help="Where to put the project, and leave it.")] = None,
    once: Annotated[bool, Parameter(negative="", help="End with the story instead of running on.")] = False,
    json: Annotated[bool, Parameter(negative="", help="Answer in JSON, for a program; implies --once.")] = False,
) -> int:
    """Show the loop: a shop chain's first model, live; a price war; drift; a retrain that wins; a canary.

    The sales are simulated; all else is real. Ends by itself where there is no terminal. Exit code 1 where the story
    did not happen.
    """
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loopwright-demo-")))
        elif folder.exists() and any(folder.iterdir()):
            raise ConflictError(f"{folder} is not empty", remedy="name a folder that is not there yet")
        chain = Chain(seed)
        write_project(folder, chain, QUICK, free_ports() | QUICK_SETTINGS)
        tell = Silent() if json else Terminal()
        if not json:
            _opening(folder, seed)
        platform = open_platform(folder)
        # MLflow takes seconds to import and is needed when the first run ends: let it come while the jobs work.
        threading.Thread(target=load_adapter, args=["loopwright.adapters.mlflow.tracking"], daemon=True).start()
        tell.act("The platform comes up")
        live = stack.enter_context(LivePlatform(platform))
        traffic = stack.enter_context(Traffic(platform.inference_url, MODEL))
        tell.say(f"control API and MLflow at {live.control_url}, answers at {platform.inference_url}")
        ending = Story(live, chain, traffic, tell).play()
        if json:
            answer(to_plain(ending))
            return 0
        _tell_ending(ending)
        if not once and sys.stdin.isatty() and sys.stdout.isatty():
            _leave_running(live, folder)
    return 0


class Terminal:
    """Tells the story line by line, each with the seconds since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def act(self, title: str) -> None:
        say()
        say(f"[bold cyan]{title}[/]")

    def say(self, text: str) -> None:
        say(f"[dim]{time.monotonic() - self._began:5.1f} s[/]  {text}")

    def stage(self, stage: StageRecord) -> None:
        seconds = (stage.finished - stage.started).total_seconds() if stage.finished else 0.0
        if seconds >= 0.5 or stage.name in ("validation_report", "gate_decision", "model_version"):
            self.say(f"[green]✓[/] {stage.name.replace('_', ' '):18} {gist(stage)}")

    def decision(self, decision: Decision) -> None:
        reasons(decision.reasons)

    def waiting(self, text: str) -> AbstractContextManager[object]:
        return console.status(f"[dim]{text}[/]") if console.is_terminal else nullcontext()


class Silent:
    """Tells nothing: a program reads the ending."""

    def act(self, title: str) -> None: ...

    def say(self, text: str) -> None: ...

    def stage(self, stage: StageRecord) -> None: ...

    def decision(self, decision: Decision) -> None: ...

    def waiting(self, text: str) -> AbstractContextManager[object]:
        return nullcontext()


def _opening(folder: Path, seed: int) -> None:
    say(f"A retail chain, [bold]simulated[/] with seed {seed}, predicts what it will sell. Its project is {folder}")
    model = (folder / "demand.py").read_text(encoding="utf-8")
    console.print(Syntax(model.rstrip(), "python", background_color="default"))


def _tell_ending(ending: Ending) -> None:
    table(
        (f"{ending.rows:,} rows of the price war, new to both", "error (share of what was sold)"),
        (
            (f"version {ending.first}, had it been kept for ever", f"{ending.first_error:.1%}"),
            (f"version {ending.second}, which the loop put in its place", f"{ending.second_error:.1%}"),
        ),
    )
    say(
        f"{ending.requests:,} requests, {ending.failed} failed; the ledger of what was live is sound; "
        f"{ending.seconds:.0f} seconds in all (seed {ending.seed}, simulated)"
    )


def _leave_running(live: LivePlatform, folder: Path) -> None:
    say()
    say("[bold]It goes on running, customers keep asking. Look around; Ctrl-C stops it.[/]")
    say(f"  control API  {live.control_url}  (docs at /docs)")
    say(f"  MLflow       {live.control_url}/mlflow")
    say(f"  project      cd {folder}; loopwright status")
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
    say("stopping")
