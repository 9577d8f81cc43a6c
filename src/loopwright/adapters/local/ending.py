"""How a process ended, in words."""

from __future__ import annotations

import signal


def describe_exit(code: int | None, command: str) -> str:
    """Why a job that left no result ended; `code` as a shell tells it (128 and more: a signal), None where unknown."""
    if code is None:
        return "its processes were killed all at once, or the machine stopped"
    if code in (126, 127):
        return f"its command {command} could not be started (exit code {code})"
    if code > 128:
        return _describe_signal(code - 128)
    if code == 1:
        return "it ended with exit code 1: an error outside the work itself, or its code called exit"
    return f"it ended with exit code {code} and no result: its code called exit"


def _describe_signal(number: int) -> str:
    try:
        found = signal.Signals(number)
    except ValueError:
        return f"it ended with exit code {128 + number} and no result: its code called exit"
    return f"{_SIGNALS.get(found, 'it was ended from outside')} ({found.name})"


_SIGNALS = {
    signal.SIGKILL: "it was killed, by the out-of-memory killer perhaps",
    signal.SIGSEGV: "it crashed in native code: a segmentation fault",
    signal.SIGBUS: "it crashed in native code: a bus error, a full disk under mapped memory perhaps",
    signal.SIGILL: "it crashed in native code: an instruction that this processor does not know",
    signal.SIGFPE: "it crashed in native code: a division by zero",
    signal.SIGABRT: "it gave up in native code: a failed check, or no memory left",
    signal.SIGTERM: "it was asked to end",
    signal.SIGINT: "it was interrupted",
    signal.SIGXCPU: "it used up its processor time",
    signal.SIGXFSZ: "it wrote a file larger than its limit",
}
