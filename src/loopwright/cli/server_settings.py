"""An inference server's settings as options of its command: each has the name and the sentence of its setting.

Annotations are evaluated here (no `from __future__`): they are read from the module of a class that inherits them.
"""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from cyclopts import Group, Parameter

from loopwright.cli.where import given
from loopwright.settings import Settings

DOORS = Group.create_ordered("Doors and safety")
LIMITS = Group.create_ordered("Limits")
TIMES = Group.create_ordered("Times")


def _setting(name: str, group: Group) -> Parameter:
    return Parameter(help=Settings.model_fields[name].description, group=group)


@Parameter(name="*")
@dataclass(frozen=True)
class ServerSettings:
    """What was given; None: what the settings say."""

    grpc_port: Annotated[int | None, _setting("grpc_port", DOORS)] = None
    tls_certificate: Annotated[str | None, _setting("tls_certificate", DOORS)] = None
    tls_key: Annotated[str | None, _setting("tls_key", DOORS)] = None
    allow_pickle: Annotated[bool | None, _setting("allow_pickle", DOORS)] = None
    batch_rows: Annotated[int | None, _setting("batch_rows", LIMITS)] = None
    max_waiting: Annotated[int | None, _setting("max_waiting", LIMITS)] = None
    max_body: Annotated[int | None, _setting("max_body", LIMITS)] = None
    max_rows: Annotated[int | None, _setting("max_rows", LIMITS)] = None
    buffer_rows: Annotated[int | None, _setting("buffer_rows", LIMITS)] = None
    shadow_rows: Annotated[int | None, _setting("shadow_rows", LIMITS)] = None
    spool_bytes: Annotated[int | None, _setting("spool_bytes", LIMITS)] = None
    wait_seconds: Annotated[float | None, _setting("wait_seconds", TIMES)] = None
    drain_seconds: Annotated[int | None, _setting("drain_seconds", TIMES)] = None
    hang_seconds: Annotated[float | None, _setting("hang_seconds", TIMES)] = None
    idle_seconds: Annotated[float | None, _setting("idle_seconds", TIMES)] = None
    body_seconds: Annotated[float | None, _setting("body_seconds", TIMES)] = None
    window_seconds: Annotated[float | None, _setting("window_seconds", TIMES)] = None

    @property
    def given(self) -> dict[str, Any]:
        """Those options that were given."""
        return given(asdict(self))
