"""What an inference server does with packages that need not be installed: gRPC, and traces by OpenTelemetry."""

from __future__ import annotations

import importlib
import logging
import os
from types import ModuleType

from loopwright import __version__
from loopwright.errors import SettingsError
from loopwright.ports.tracing import Tracing
from loopwright.serving.options import ServerOptions
from loopwright.serving.worker import Extras

log = logging.getLogger("loopwright.serving")

RECEIVERS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""The variables that say where traces go."""


def make_extras(options: ServerOptions) -> Extras:
    """Raises `SettingsError` where there is a port for gRPC, and gRPC is not installed."""
    door = None if options.grpc_port is None else _module("loopwright.serving.grpc_door", "grpc_port", "grpc").GrpcDoor
    return Extras(tracing=open_tracing, door=door)


def open_tracing(server: str) -> Tracing | None:
    """Where traces go, if the environment says so; `server` is who tells them."""
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp" or not any(map(os.environ.get, RECEIVERS)):
        return None
    try:
        adapter = _module("loopwright.adapters.otel.tracing", next(filter(os.environ.get, RECEIVERS)), "otel")
    except SettingsError as error:  # such a variable may be everybody's on this machine
        log.warning("no traces: %s; %s", error, error.remedy)
        return None
    made: Tracing = adapter.OtelTracing(server, __version__)
    return made


def _module(name: str, setting: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{setting} is set, and {error.name} is not installed", remedy=f"pip install 'loopwright[{extra}]'"
        ) from None
