"""Each way a process can end is told in its own words."""

import signal

import pytest

from loopwright.adapters.local.ending import describe_exit


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, "killed all at once"),
        (0, "exit code 0 and no result: its code called exit"),
        (1, "an error outside the work itself"),
        (3, "exit code 3 and no result: its code called exit"),
        (127, "python3 could not be started"),
        (128 + signal.SIGKILL, "out-of-memory killer perhaps (SIGKILL)"),
        (128 + signal.SIGSEGV, "segmentation fault (SIGSEGV)"),
        (128 + signal.SIGABRT, "gave up in native code"),
        (128 + signal.SIGPIPE, "ended from outside (SIGPIPE)"),
        (255, "exit code 255 and no result: its code called exit"),
    ],
)
def test_an_exit_code_in_words(code, words):
    assert words in describe_exit(code, "python3")
