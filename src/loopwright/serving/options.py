"""What an inference server is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import HostingError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerOptions:
    """`endpoints` None serves every endpoint of the store. `spool` is the local folder of captures and bundle copies.

    Times are in seconds. `max_body` is in bytes; `buffer_rows` are kept in memory at most until they are written, and
    `spool_bytes` on disk until the store takes them; beyond either, captures are dropped and counted. A server that
    ends `with_parent` stops when the process that started it is gone.
    """

    storage_url: str
    spool: Path
    endpoints: tuple[str, ...] | None = None
    host: str = "127.0.0.1"
    port: int = 8401
    workers: int = 1
    server_name: str | None = None
    token: str | None = None
    window_seconds: float = 60.0
    poll_seconds: float = 0.5
    flush_seconds: float = 1.0
    drain_seconds: int = 30
    max_body: int = 32 * 1024 * 1024
    max_rows: int = 100_000
    buffer_rows: int = 100_000
    spool_bytes: int = 1024 * 1024 * 1024
    allow_pickle: bool = True
    with_parent: bool = False

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK and not self.token:
            raise HostingError(
                f"the inference server would listen on {self.host} with no token",
                remedy="set a token (LOOPWRIGHT_TOKEN), or listen on 127.0.0.1",
            )
        if self.workers < 1 or self.window_seconds <= 0 or self.poll_seconds <= 0 or self.flush_seconds <= 0:
            raise HostingError("the inference server's workers and times must be above 0", remedy="mend the settings")

    @property
    def name(self) -> str:
        """What the server calls itself in statuses and keys."""
        return self.server_name or f"{self.host.replace('.', '-').replace(':', '-')}-{self.port}"
