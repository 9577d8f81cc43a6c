"""A page worked through as a reader would: its Python in one notebook, its commands in a terminal, in one folder."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.docs.pages import Block

LOOPWRIGHT = str(Path(sys.executable).parent / "loopwright")
PATIENCE = 180
"""Seconds that the slowest machine may take for what a page says happens in a few."""

Terminal = Callable[[list[str]], tuple[int, str]]
"""Runs `loopwright` with these words; gives its exit status and what it printed."""


class Reader:
    """Works through a page in `folder`. `ports` are put in the place of those that the page names."""

    def __init__(
        self, folder: Path, *, terminal: Terminal | None = None, ports: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.ports = dict(ports or {})
        self.names: dict[str, Any] = {"__name__": "__notebook__"}
        self._terminal = terminal or self._real
        self._background: list[subprocess.Popen[bytes]] = []
        self._last: tuple[Block, str] | None = None

    @property
    def said(self) -> str:
        """What the block that was run last has printed."""
        return self._last[1] if self._last else ""

    def read(self, blocks: list[Block]) -> None:
        """Do what the blocks say, one after the other; `AssertionError` names the one that is wrong."""
        for block in blocks:
            try:
                self._do(block)
            except Exception as error:
                raise AssertionError(f"{block.place}: {type(error).__name__}: {error}\n{block.text}") from error

    def close(self) -> None:
        """Press Ctrl-C wherever something still runs, and wait for its end."""
        for process in self._background:
            process.send_signal(signal.SIGINT)
        for process in self._background:
            assert process.wait(timeout=PATIENCE) == 0, "what ran in the background did not end well"

    def _do(self, block: Block) -> None:
        if not block.runs:
            return
        if block.kind == "file":
            path = self.folder / block.said
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.kind == "edit":
            _edit_contract(self.folder / block.said, block.text)
        elif block.language == "python":
            self._last = (block, self._python(block))
        elif block.kind == "background":
            self._start(block)
        elif block.language == "console":
            self._last = (block, self._console(block))
        elif block.language in ("text", "json") and self._last is not None:
            self._expect(block)

    def _python(self, block: Block) -> str:
        printed = io.StringIO()
        code = compile(self._here(block.text), block.place, "exec")
        with redirect_stdout(printed):
            exec(code, self.names)
        return printed.getvalue()

    def _console(self, block: Block) -> str:
        said = ""
        for command in block.commands():
            code, out = self._command(self._here(command))
            expected = 1 if block.kind == "refused" else 0
            assert code == expected or block.kind == "again", f"`{command}` ended with {code}: {out}"
            said += out
        return said

    def _command(self, command: str) -> tuple[int, str]:
        words = shlex.split(command, comments=True)
        if words[0] == "curl":
            return _curl(words[1:])
        assert words[0] == "loopwright", f"`{command}` is no command that the pages' tests know"
        return self._terminal(words[1:])

    def _expect(self, block: Block) -> None:
        assert self._last is not None
        shown, said = self._last
        end = time.monotonic() + PATIENCE
        while not _alike(block.text, said):
            if shown.kind != "again" or time.monotonic() > end:
                raise AssertionError(f"what was said instead:\n{said}")
            time.sleep(2)
            said = self._console(shown)

    def _start(self, block: Block) -> None:
        (command,) = block.commands()
        words = shlex.split(self._here(command))
        log = (self.folder / "background.log").open("wb")
        with log:
            process = subprocess.Popen(
                [LOOPWRIGHT, *words[1:]], cwd=self.folder, stdout=log, stderr=log, env=self._environment()
            )
        self._background.append(process)
        self._wait_for(f"http://127.0.0.1:{self.ports['8401']}/v2/health/ready", process)
        self._wait_for(f"http://127.0.0.1:{self.ports['8400']}/healthz", process)

    def _wait_for(self, url: str, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            try:
                if httpx.get(url, timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "background.log").read_text())

    def _real(self, words: list[str]) -> tuple[int, str]:
        done = subprocess.run(
            [LOOPWRIGHT, *words],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return done.returncode, done.stdout + done.stderr

    def _environment(self) -> dict[str, str]:
        ports = {"LOOPWRIGHT_PORT": self.ports.get("8400"), "LOOPWRIGHT_INFERENCE_PORT": self.ports.get("8401")}
        return os.environ | {"COLUMNS": "200"} | {name: port for name, port in ports.items() if port}

    def _here(self, text: str) -> str:
        for port, here in self.ports.items():
            text = text.replace(f"localhost:{port}", f"127.0.0.1:{here}")
        return text


def _alike(wanted: str, said: str) -> bool:
    """Whether what was said holds each line of `wanted`, in order; `…` stands for anything, blanks for any blanks."""
    lines = [" ".join(line.split()) for line in wanted.splitlines() if line.strip()]
    pattern = ".*".join(re.sub(r"(\\ )*…(\\ )*", ".*", re.escape(line)) for line in lines)
    return re.search(pattern, " ".join(said.split())) is not None


def _edit_contract(path: Path, text: str) -> None:
    """What a reader does with an editor: each property in `text` takes the place of the one of its name."""
    contract = yaml.safe_load(path.read_text(encoding="utf-8"))
    (table,) = contract["schema"]
    edited = {one["name"]: one for one in yaml.safe_load(text)}
    assert set(edited) <= {one["name"] for one in table["properties"]}
    table["properties"] = [edited.get(one["name"], one) for one in table["properties"]]
    path.write_text(yaml.safe_dump(contract, sort_keys=False), encoding="utf-8")


def _curl(words: list[str]) -> tuple[int, str]:
    """What `curl` would do, as far as the pages use it: -s, -i, -X, -H, -d and one URL."""
    headers, data, method, url = {}, None, None, ""
    rest = iter(words)
    for word in rest:
        if word == "-H":
            head, _, value = next(rest).partition(":")
            headers[head.strip()] = value.strip()
        elif word in ("-d", "--data-binary"):
            data = next(rest)
        elif word == "-X":
            method = next(rest)
        elif word not in ("-s", "-i", "-si"):
            url = word if "://" in word else f"http://{word}"
    answer = httpx.request(
        method or ("GET" if data is None else "POST"), url, headers=headers, content=data, timeout=60
    )
    return 0, answer.text
