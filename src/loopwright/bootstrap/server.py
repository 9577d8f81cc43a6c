"""The entry of an inference server: `python -m loopwright.bootstrap.server --storage URL`, and `serve` for the CLI."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from loopwright.adapters.obstore.storage import open_storage
from loopwright.bootstrap.extras import make_extras
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.read import verify_bundle
from loopwright.core.codec import from_json
from loopwright.errors import LoopwrightError, SettingsError, StorageError
from loopwright.ports.storage import Storage, fetch_folder
from loopwright.serving.alone import BundleStorage, served_as
from loopwright.serving.copies import hold_folder, remove_unless_held
from loopwright.serving.options import ServerOptions
from loopwright.serving.server import run_server


def serve(options: ServerOptions) -> None:
    """Serve until SIGTERM or SIGINT; then drain, flush and return.

    Raises `HostingError` where the port is taken or a worker cannot start, and, where a bundle is served by itself,
    `BundleError` where it is none or damaged, `NotFoundError` and `StorageError` where it cannot be fetched.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    with _bundle_folder(options) as folder:
        run_server(replace(options, bundle=folder), _open_store, load_predictor, make_extras(options))


def sagemaker_options(environment: Mapping[str, str]) -> dict[str, Any]:
    """What SageMaker says to the containers it runs, as `ServerOptions`. Raises `SettingsError`.

    `SAGEMAKER_BIND_TO_PORT` is the port of a container that is one of several; `SAGEMAKER_MAX_PAYLOAD_IN_MB` the body
    that a batch transform sends at most. This server opens no other port, so `SAGEMAKER_SAFE_PORT_RANGE` is kept to.
    """
    port = _number(environment, "SAGEMAKER_BIND_TO_PORT")
    payload = _number(environment, "SAGEMAKER_MAX_PAYLOAD_IN_MB")
    return ({"port": port} if port else {}) | ({"max_body": payload * 1024 * 1024} if payload else {})


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    given = vars(_parser().parse_args(arguments))
    given["endpoints"] = tuple(given["endpoints"]) if "endpoints" in given else None
    try:
        serve(ServerOptions(**given, **_secrets(os.environ)))
    except LoopwrightError as error:
        sys.stderr.write(f"{error.message}\n{error.remedy}\n")
        return 1
    return 0


@contextmanager
def _bundle_folder(options: ServerOptions) -> Iterator[str]:
    """The folder of the bundle to serve by itself, whole; a copy where it lies elsewhere. Empty where there is none."""
    if not options.bundle or "://" not in options.bundle:
        if options.bundle:
            verify_bundle(Path(options.bundle))
        yield options.bundle
        return
    parent, _, name = options.bundle.rstrip("/").rpartition("/")
    with _scratch(options.spool) as scratch:
        # Fetched anew at each start: what lies at a URL may have changed since the last.
        folder = fetch_folder(open_storage(parent), name, scratch)
        verify_bundle(folder)
        yield str(folder)


@contextmanager
def _scratch(spool: Path) -> Iterator[Path]:
    """A folder for as long as this server runs; those that killed ones left are removed."""
    try:
        spool.mkdir(parents=True, exist_ok=True)
        for left in spool.glob("bundle-*"):
            remove_unless_held(left)
        lock = None
        while lock is None:  # another that starts may take it for one that was left
            folder = Path(tempfile.mkdtemp(prefix="bundle-", dir=spool))
            lock = hold_folder(folder)
    except OSError as error:
        raise StorageError(f"{spool} cannot be written: {error.strerror}", remedy="name another spool") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _open_store(options: ServerOptions) -> Storage:
    kept = open_storage(options.storage_url) if options.storage_url else None
    if not options.bundle:
        assert kept is not None, "the options hold that there is a store or a bundle"
        return kept
    identity = served_as(options.bundle_as) if options.bundle_as else None
    return BundleStorage(Path(options.bundle), identity, kept)


def _secrets(environment: Mapping[str, str]) -> dict[str, Any]:
    """The tokens, which no command line shows. Raises `SettingsError`."""
    try:
        tokens = from_json((environment.get("LOOPWRIGHT_ENDPOINT_TOKENS") or "{}").encode(), dict[str, str])
    except ValueError:
        raise SettingsError(
            "LOOPWRIGHT_ENDPOINT_TOKENS is no object of endpoints and tokens", remedy='write {"<endpoint>": "<token>"}'
        ) from None
    return {"token": environment.get("LOOPWRIGHT_TOKEN") or None, "endpoint_tokens": tokens}


def _number(environment: Mapping[str, str], name: str) -> int:
    said = environment.get(name, "").strip()
    if said and not said.isdecimal():
        raise SettingsError(f"{name} is {said!r}", remedy="it is a whole number, set by SageMaker")
    return int(said or 0)


def _parser() -> argparse.ArgumentParser:
    """Each option is a field of `ServerOptions`, whose defaults hold."""
    parser = argparse.ArgumentParser(
        prog="loopwright.bootstrap.server",
        description="Serve endpoints from a store, or a bundle by itself.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--storage", dest="storage_url", help="the object store's URL, or a directory")
    parser.add_argument("--bundle", help="serve this bundle by itself: a folder, or a URL of one")
    parser.add_argument("--as", dest="bundle_as", help="what it is recorded as: ENDPOINT/REVISION/VARIANT/VERSION")
    parser.add_argument("--endpoint", dest="endpoints", action="append", help="serve this endpoint; may be repeated")
    parser.add_argument("--host", help="beyond loopback LOOPWRIGHT_TOKEN must be set")
    parser.add_argument("--trusted-network", action="store_true", help="beyond loopback ask for no token all the same")
    parser.add_argument("--port", type=int, help="0 for any free one")
    parser.add_argument(
        "--grpc-port", type=int, help="speak Open Inference Protocol v2 over gRPC too; 0: any free port"
    )
    parser.add_argument("--tls-certificate", type=Path, help="the certificate in PEM: every door speaks TLS only")
    parser.add_argument("--tls-key", type=Path, help="its key in PEM, without a password")
    parser.add_argument("--workers", type=int, help="how many processes answer")
    parser.add_argument("--threads", type=int, help="the threads of each; 0 shares out the cores")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="where PyTorch models compute")
    parser.add_argument("--spool", type=Path, help="the local folder of captures and bundle copies")
    parser.add_argument("--window-seconds", type=float, help="seconds a summary covers")
    parser.add_argument("--poll-seconds", type=float, help="seconds between looks at the store")
    parser.add_argument("--batch-rows", type=int, help="rows of one model that are predicted together, at most")
    parser.add_argument("--max-waiting", type=int, help="requests that may wait for a model; the next is refused")
    parser.add_argument("--wait-seconds", type=float, help="seconds that a request may wait for a model")
    parser.add_argument("--drain-seconds", type=int, help="seconds for what is in flight at SIGTERM")
    parser.add_argument("--hang-seconds", type=float, help="seconds until a hung worker is replaced")
    parser.add_argument("--idle-seconds", type=float, help="seconds an idle connection stays open")
    parser.add_argument("--body-seconds", type=float, help="seconds a body or an answer may be on its way")
    parser.add_argument("--max-body", type=int, help="bytes of a request's body, at most")
    parser.add_argument("--max-rows", type=int, help="rows of a request, at most")
    parser.add_argument("--buffer-rows", type=int, help="answered rows in memory until they are written, at most")
    parser.add_argument("--shadow-rows", type=int, help="rows that may wait for shadow variants")
    parser.add_argument("--spool-bytes", type=int, help="bytes on disk that wait for the store, at most")
    parser.add_argument("--name", dest="server_name", help="what the server calls itself")
    parser.add_argument("--no-pickle", dest="allow_pickle", action="store_false", help="refuse bundles with pickles")
    parser.add_argument("--flush", choices=("background", "answer"), help="when captures go to the store")
    parser.add_argument("--log", choices=("text", "json"), help="how the server writes its log")
    parser.add_argument("--with-parent", action="store_true", help="stop when the starting process is gone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
