"""`loopwright serve`: an inference server and nothing else, as a container runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from loopwright.bootstrap.server import serve as run_server
from loopwright.cli.output import Common


def serve(
    *,
    endpoint: Annotated[
        list[str] | None, Parameter(negative="", help="Serve this endpoint; may be repeated. All without.")
    ] = None,
    host: Annotated[
        str | None, Parameter(help="The address to listen on; beyond loopback a token must be set.")
    ] = None,
    port: Annotated[int | None, Parameter(help="The port; 0 for any free one.")] = None,
    workers: Annotated[int | None, Parameter(help="How many processes answer.")] = None,
    spool: Annotated[Path | None, Parameter(help="The folder of captures on their way and copies of bundles.")] = None,
    name: Annotated[str | None, Parameter(help="What the server calls itself.")] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Serve endpoints from the object store until SIGTERM; needs no database, and no project but its settings."""
    platform = common.platform(host=host, inference_port=port, inference_workers=workers)
    settings = platform.settings
    run_server(
        storage_url=settings.storage_url(platform.root),
        endpoints=endpoint,
        host=settings.host,
        port=settings.inference_port,
        workers=settings.inference_workers,
        spool=spool or platform.home / "spool",
        window_seconds=settings.window_seconds,
        server_name=name,
        token=settings.token,
        allow_pickle=settings.allow_pickle,
    )
    return 0
