"""Ports to listen on: the one asked for, or any."""

from __future__ import annotations

import socket

import pytest

from loopwright.core.sockets import free_port


def test_a_port_on_which_somebody_listens_is_refused_and_another_one_found() -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            free_port("127.0.0.1", taken)
        assert free_port() != taken
    assert free_port("127.0.0.1", taken) == taken


def test_what_is_no_port_is_told() -> None:
    with pytest.raises(OverflowError):
        free_port("127.0.0.1", 70_000)
