"""The entry of an inference server: `python -m loopwright.bootstrap.server --storage URL`, and `serve` for the CLI."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loopwright.adapters.obstore.storage import open_storage
from loopwright.bootstrap.predictor import load_predictor
from loopwright.errors import LoopwrightError
from loopwright.serving.options import ServerOptions
from loopwright.serving.server import run_server


def serve(
    *,
    storage_url: str,
    endpoints: Sequence[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 8401,
    workers: int = 1,
    spool: Path | None = None,
    window_seconds: float = 60.0,
    server_name: str | None = None,
    token: str | None = None,
    poll_seconds: float = 0.5,
    allow_pickle: bool = True,
    with_parent: bool = False,
) -> None:
    """Serve the endpoints of the store (all, if None are named) until SIGTERM or SIGINT; then drain, flush and return.

    `spool` is the local folder of captures on their way and copies of bundles; one below the system's temporary
    folder where it is not given. Raises `HostingError` where the port is taken, a worker cannot start, or `host` lies
    beyond loopback and there is no token.
    """
    run_server(
        ServerOptions(
            storage_url=storage_url,
            spool=spool or Path(tempfile.gettempdir()) / f"loopwright-{os.getuid()}",
            endpoints=tuple(endpoints) if endpoints is not None else None,
            host=host,
            port=port,
            workers=workers,
            server_name=server_name,
            token=token or None,
            window_seconds=window_seconds,
            poll_seconds=poll_seconds,
            allow_pickle=allow_pickle,
            with_parent=with_parent,
        ),
        open_storage,
        load_predictor,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    given = vars(_parser().parse_args(arguments))
    try:
        serve(token=os.environ.get("LOOPWRIGHT_TOKEN"), **given)
    except LoopwrightError as error:
        sys.stderr.write(f"{error.message}\n{error.remedy}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loopwright.bootstrap.server", description="Serve endpoints from a store.")
    parser.add_argument("--storage", dest="storage_url", required=True, help="the object store's URL, or a directory")
    parser.add_argument("--endpoint", dest="endpoints", action="append", help="serve this endpoint; may be repeated")
    parser.add_argument("--host", default="127.0.0.1", help="beyond loopback LOOPWRIGHT_TOKEN must be set")
    parser.add_argument("--port", type=int, default=8401, help="0 for any free one")
    parser.add_argument("--workers", type=int, default=1, help="how many processes answer")
    parser.add_argument("--spool", type=Path, help="the local folder of captures and bundle copies")
    parser.add_argument("--window", dest="window_seconds", type=float, default=60.0, help="seconds a summary covers")
    parser.add_argument(
        "--poll", dest="poll_seconds", type=float, default=0.5, help="seconds between looks at the store"
    )
    parser.add_argument("--name", dest="server_name", help="what the server calls itself")
    parser.add_argument("--no-pickle", dest="allow_pickle", action="store_false", help="refuse bundles with pickles")
    parser.add_argument("--with-parent", action="store_true", help="stop when the starting process is gone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
