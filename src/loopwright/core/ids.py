"""Identifiers: short, sortable by time, safe in paths, URLs and object keys."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from loopwright.core.digest import digest_bytes

V = TypeVar("V")

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""What a model's or an endpoint's name looks like: a DNS label, so that every host accepts it."""

STAGING = "-staging"
"""What a model's name becomes its staging endpoint's with."""


def new_id(prefix: str, at: datetime) -> str:
    """A fresh id such as `run-20260102-030405-9f3a1c`: its kind, the UTC second it was made, and 24 random bits."""
    return f"{prefix}-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def derived_id(prefix: str, *parts: object) -> str:
    """The id that follows from `parts` alone, so that doing a thing again names the same thing."""
    return f"{prefix}-{digest_bytes(chr(31).join(map(str, parts)).encode())[:16]}"


def of_endpoint(values: Mapping[str, V], endpoint: str) -> V | None:
    """The endpoint's own among `values`; a staging endpoint without one has that of the endpoint it stages for."""
    return values.get(endpoint) or values.get(endpoint.removesuffix(STAGING))
