"""What a server is told: what cannot be is refused, what is left open is found."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from loopwright.errors import HostingError
from loopwright.serving import options
from loopwright.serving.options import ServerOptions
from loopwright.settings import Settings


@pytest.mark.parametrize(("workers", "threads", "each"), [(1, 0, 8), (3, 0, 2), (16, 0, 1), (4, 5, 5)])
def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch, workers: int, threads: int, each: int) -> None:
    monkeypatch.setattr(options, "available_cores", lambda: 8)
    assert ServerOptions(storage_url="s", workers=workers, threads=threads).worker_threads == each


def test_beyond_loopback_the_server_is_named_for_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "pod-7.cluster")
    assert ServerOptions(storage_url="s", host="0.0.0.0", port=8080, token="t").name == "pod-7-cluster-8080"
    assert ServerOptions(storage_url="s", host="::1").name == "--1-8401"
    for name in ("mine", "--1-8401"):
        assert ServerOptions(storage_url="s", server_name=name).name == name


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "nothing to serve"),
        ({"bundle": "b", "endpoints": ("e",)}, "no endpoints to choose from"),
        ({"storage_url": "s", "host": "0.0.0.0"}, "listen on 0.0.0.0 with no token"),
        ({"storage_url": "s", "workers": 0}, "must be above 0"),
        ({"storage_url": "s", "threads": -1}, "must be above 0"),
        ({"storage_url": "s", "max_body": 0}, "must be above 0"),
        ({"storage_url": "s", "server_name": "shop/one"}, "would be called 'shop/one'"),
        ({"storage_url": "s", "server_name": ".."}, "would be called '..'"),
        ({"storage_url": "s", "endpoint_tokens": {"a": "word", "b": ""}}, "token of the endpoint b is empty"),
        ({"storage_url": "s", "idle_seconds": -1.0}, "must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(HostingError, match=said) as caught:
        ServerOptions(**given)
    assert caught.value.remedy


def test_a_network_that_is_trusted_needs_no_token() -> None:
    assert ServerOptions(storage_url="s", host="0.0.0.0", trusted_network=True).token is None


def test_the_spool_has_a_place_of_its_own() -> None:
    assert isinstance(ServerOptions(storage_url="s").spool, Path)


@pytest.mark.parametrize("name", options.LIMITS)
def test_limits_are_settings_with_the_same_defaults(name: str) -> None:
    assert getattr(Settings(), name) == getattr(ServerOptions(storage_url="s"), name)
