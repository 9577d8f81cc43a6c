"""The entry of the control API: `python -m loopwright.api.server --project DIR`, MLflow below `/mlflow`."""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from loopwright.api.app import create_app
from loopwright.bootstrap.late_mlflow import mount_mlflow
from loopwright.bootstrap.platform import Platform, open_platform
from loopwright.errors import HostingError, LoopwrightError

log = logging.getLogger("loopwright.control")

DRAIN_SECONDS = 5
"""How long requests that are being answered may take when the process is asked to end."""


def serve(platform: Platform, *, with_parent: bool = False) -> None:
    """Answer on the settings' address until SIGTERM or SIGINT; then finish what is being answered, and return.

    A server that runs `with_parent` also ends when its standard input does, or when its parent is gone. Raises
    `HostingError` where the port is taken, and `SettingsError` where there is no token beyond loopback.
    """
    settings = platform.settings
    app = create_app(platform, mlflow=mount_mlflow(platform))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=DRAIN_SECONDS
    )
    server = uvicorn.Server(config)
    with _listen(settings.host, settings.port) as listening:
        log.info("control API on http://%s:%d", settings.host, listening.getsockname()[1])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)  # uvicorn raises them again when it has ended in order
        if with_parent:
            threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
        server.run(sockets=[listening])
    platform.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it announces each of its plugins
    given = _parser().parse_args(arguments)
    overrides = {name: value for name in ("host", "port") if (value := getattr(given, name)) is not None}
    try:
        serve(open_platform(given.project, environment=given.env, overrides=overrides), with_parent=given.with_parent)
    except LoopwrightError as error:
        sys.stderr.write(f"{error.message}\n{error.remedy}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loopwright.api.server", description="Serve a project's control API.")
    parser.add_argument("--project", type=Path, default=Path(), help="the project's folder")
    parser.add_argument("--env", help="the environment in loopwright.toml, such as prod")
    parser.add_argument("--host", help="beyond loopback a token must be set")
    parser.add_argument("--port", type=int, help="0 for any free one")
    parser.add_argument("--with-parent", action="store_true", help="stop when the starting process is gone")
    return parser


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, so that asyncio sends small packets at once: without, each request waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise HostingError(
            f"the control API cannot listen on {host}:{port}: {error.strerror}",
            remedy="stop what listens there, or choose another port (port)",
        ) from None
    return listening


def _end_with_parent(server: uvicorn.Server) -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], 0.5)
        if readable and not os.read(0, 4096):
            break
    server.should_exit = True


if __name__ == "__main__":
    sys.exit(main())
