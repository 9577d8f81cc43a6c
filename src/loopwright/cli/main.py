"""`loopwright`: the commands, each loaded only when it is chosen."""

from __future__ import annotations

import sys

from cyclopts import App

from loopwright import __version__
from loopwright.cli.failure import fail
from loopwright.errors import LoopwrightError

app = App(
    name="loopwright",
    help="Models in production that stay good: the whole loop, from a data file to an endpoint that renews itself.",
    version=__version__,
    version_flags=["--version"],
)

COMMANDS = {
    "init": ("loopwright.cli.init:init", "Write a first project, for a data file or with simulated data."),
    "demo": ("loopwright.cli.demo:demo", "Show the whole loop, live, on simulated sales."),
    "simulate": (
        "loopwright.cli.simulate:simulate",
        "Put the loop through months that do not happen, and see how it does.",
    ),
    "run": ("loopwright.cli.run:run", "Run the loop once for a model."),
    "up": ("loopwright.cli.up:up", "Run the platform: API, MLflow, inference, worker and watchers."),
    "tick": ("loopwright.cli.tick:tick", "Look once at everything that is due, and do it."),
    "register": ("loopwright.cli.register:register", "Bring in a model that was trained elsewhere."),
    "retrain": ("loopwright.cli.retrain:retrain", "Ask the governor for a retrain."),
    "stage": ("loopwright.cli.stage:stage", "Work through exactly one stage of a run."),
    "serve": ("loopwright.cli.serve:serve", "Run an inference server and nothing else."),
    "predict": ("loopwright.cli.predict:predict", "Predict for a few rows."),
    "batch": ("loopwright.cli.predict:batch", "Score a source of any size, streaming."),
    "runs": ("loopwright.cli.runs:app", "Look at runs, read their logs, cancel them."),
    "models": ("loopwright.cli.models:app", "The versions of a model, and what is known of each."),
    "rollout": ("loopwright.cli.rollout:app", "Look at rollouts and endpoints, and step in by hand."),
    "data": ("loopwright.cli.data:app", "Check, profile and list a model's data, without training."),
    "monitor": ("loopwright.cli.monitor:app", "Findings, alerts, silences, performance, the report; tell outcomes."),
    "doctor": ("loopwright.cli.doctor:doctor", "What is configured, what answers, what doesn't, and the remedy."),
    "backup": ("loopwright.cli.backup:backup", "Write all that the project needs to go on into one file."),
    "restore": ("loopwright.cli.backup:restore", "Bring the project back to what a backup holds."),
    "gc": ("loopwright.cli.gc:gc", "Remove what nothing needs any more."),
    "status": ("loopwright.cli.status:status", "What is live, what is under way, what went wrong."),
}
"""Every command: where it is, and its line in the help."""

for name, (place, line) in COMMANDS.items():
    app.command(place, name=name, help=line)


def main() -> None:
    """The console script. Exit codes: 0 done, 1 refused or failed, 2 misused, 130 interrupted."""
    try:
        result = app(sys.argv[1:])
    except LoopwrightError as error:
        fail(error, as_json="--json" in sys.argv)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(result if isinstance(result, int) else 0)


if __name__ == "__main__":
    main()
