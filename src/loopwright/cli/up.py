"""`loopwright up`: the platform, running."""

from __future__ import annotations

import signal
from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

from loopwright.bootstrap.up import Up
from loopwright.cli.output import Common, answer, say


def up(
    *,
    port: Annotated[int | None, Parameter(help="The control API's port.")] = None,
    inference_port: Annotated[int | None, Parameter(help="The inference server's port.")] = None,
    workers: Annotated[int | None, Parameter(help="How many processes answer inference requests.")] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Run the platform: control API, MLflow, inference server, worker and watchers; Ctrl-C stops it in order."""
    platform = common.platform(port=port, inference_port=inference_port, inference_workers=workers)
    running = Up(platform, tell=_tell_as_json if common.json else lambda text: say(escape(text)))
    _stop_on_signals(running)
    running.start()
    settings = platform.settings
    control = f"http://{settings.host}:{settings.port}"
    grpc = None if settings.grpc_port is None else f"{settings.host}:{settings.grpc_port}"
    if common.json:
        answer(
            {
                "control": control,
                "mlflow": f"{control}/mlflow",
                "inference": platform.inference_url,
                "grpc": grpc,
            }
        )
    else:
        say(f"control API  [bold]{control}[/]  (docs at /docs)")
        if settings.tracking != "off":
            say(f"MLflow       [bold]{control}/mlflow[/]")
        say(f"inference    [bold]{platform.inference_url}[/]")
        if grpc is not None:
            say(f"gRPC         [bold]{grpc}[/]")
        say("Ctrl-C stops everything in order")
    running.run()
    if not common.json:
        say("stopped; nothing was lost")
    return 0


def _tell_as_json(text: str) -> None:
    answer({"said": text})


def _stop_on_signals(running: Up) -> None:
    """The first signal stops in order, also when the terminal goes; a second one ends at once."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        running.stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
