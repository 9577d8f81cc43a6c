"""What an inference server is told when it starts."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from loopwright.bundle.records import Device
from loopwright.core.cores import available_cores
from loopwright.core.tls import check_certificate
from loopwright.errors import HostingError
from loopwright.serving.logs import LogFormat

LIMITS = (
    "batch_rows",
    "max_waiting",
    "max_body",
    "max_rows",
    "buffer_rows",
    "shadow_rows",
    "spool_bytes",
    "wait_seconds",
    "drain_seconds",
    "hang_seconds",
    "idle_seconds",
    "body_seconds",
    "window_seconds",
)
"""The options that are settings of the same names, and figures."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerOptions:
    """`endpoints` None serves every endpoint of the store. `spool` is the local folder of captures and bundle copies.

    With `bundle` (a folder, or a URL of one) that bundle is served by itself, recorded as `bundle_as` says (see
    `alone.served_as`), and what is captured goes to `storage_url` where there is one. A worker predicts in `threads`;
    0 shares the cores out evenly. PyTorch models compute on `device`.

    `token` opens everything, one of the `endpoint_tokens` the endpoint it is the value of. With a `tls_certificate` and
    its `tls_key` all doors speak TLS only. At a `grpc_port` Open Inference Protocol v2 is spoken over gRPC.

    Predictions of a model that are made together have `batch_rows` at most, and `max_waiting` requests may wait for
    their turn, none longer than `wait_seconds`.

    A server that is told to end has `drain_seconds` for what is in flight. A worker whose event loop or model does not
    come back for `hang_seconds` is killed and replaced. A connection may be idle, or at its headers, for
    `idle_seconds`; a body must come in, and an answer be taken, within `body_seconds`.

    Times are in seconds. `max_body` is in bytes; `buffer_rows` are kept in memory at most until they are written, and
    `spool_bytes` on disk until the store takes them; beyond either, captures are dropped and counted. So are copies for
    shadows beyond `shadow_rows`. On a host that freezes between requests, `flush` what was captured before each
    `answer`. The workers tell each other their counts in the folder `totals`, which the supervisor makes. A server that
    ends `with_parent` stops when the process that started it is gone. Beyond loopback a token is required, but on a
    `trusted_network`, which lets in nobody but those who may ask.
    """

    storage_url: str = ""
    bundle: str = ""
    bundle_as: str = ""
    spool: Path = field(default_factory=lambda: Path(tempfile.gettempdir()) / f"loopwright-{os.getuid()}")
    endpoints: tuple[str, ...] | None = None
    host: str = "127.0.0.1"
    port: int = 8401
    workers: int = 1
    threads: int = 0
    device: Device = "auto"
    server_name: str | None = None
    token: str | None = None
    endpoint_tokens: Mapping[str, str] = field(default_factory=dict)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    grpc_port: int | None = None
    trusted_network: bool = False
    window_seconds: float = 60.0
    poll_seconds: float = 0.5
    flush_seconds: float = 1.0
    flush: Literal["background", "answer"] = "background"
    batch_rows: int = 1024
    max_waiting: int = 256
    wait_seconds: float = 30.0
    drain_seconds: int = 30
    hang_seconds: float = 60.0
    idle_seconds: float = 75.0
    body_seconds: float = 30.0
    max_body: int = 32 * 1024 * 1024
    max_rows: int = 100_000
    buffer_rows: int = 100_000
    shadow_rows: int = 10_000
    spool_bytes: int = 1024 * 1024 * 1024
    allow_pickle: bool = True
    with_parent: bool = False
    log: LogFormat = "text"
    totals: Path | None = None

    def __post_init__(self) -> None:
        check_certificate(self.tls_certificate, self.tls_key)
        if not (self.storage_url or self.bundle):
            raise HostingError("the inference server has nothing to serve", remedy="name a store, or a bundle")
        if self.bundle and self.endpoints:
            raise HostingError(
                "a bundle that is served by itself has no endpoints to choose from",
                remedy="name the endpoints of a store, or one bundle; what it is recorded as is said by bundle_as",
            )
        if self.host not in LOOPBACK and not (self.token or self.trusted_network):
            raise HostingError(
                f"the inference server would listen on {self.host} with no token",
                remedy="set a token (LOOPWRIGHT_TOKEN), listen on 127.0.0.1, or say that the network lets in nobody "
                "who may not ask (trusted_network)",
            )
        if self.server_name and not _SERVER.fullmatch(self.server_name):
            raise HostingError(
                f"the inference server would be called {self.server_name!r}",
                remedy="use letters, digits, '.', '_' and '-': folders and objects are named for it",
            )
        for endpoint in (name for name, token in self.endpoint_tokens.items() if not token):
            raise HostingError(
                f"the token of the endpoint {endpoint} is empty", remedy="give it a long random word, or leave it out"
            )
        if (
            self.workers < 1
            or self.threads < 0
            or self.poll_seconds <= 0
            or self.flush_seconds <= 0
            or min(getattr(self, name) for name in LIMITS) <= 0
        ):
            raise HostingError(
                "the inference server's workers, limits and times must be above 0", remedy="mend the settings"
            )

    @property
    def name(self) -> str:
        """What the server calls itself in statuses and keys. Beyond loopback many machines may share host and port."""
        host = self.host if self.host in LOOPBACK else socket.gethostname()
        return self.server_name or f"{re.sub('[^A-Za-z0-9]', '-', host)}-{self.port}"

    @property
    def worker_threads(self) -> int:
        """The threads of each worker: all workers together have no more than there are cores."""
        return self.threads or max(1, available_cores() // self.workers)


_SERVER = re.compile(r"(?!\.)[\w.-]{1,128}", re.ASCII)
