"""The control API's own process: it answers at once, MLflow follows, strangers stay out, and it ends in order."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

COMMAND = [sys.executable, "-m", "loopwright.api.server"]


class Control:
    """The process, once it says where it listens."""

    def __init__(self, project, *arguments, stdin=subprocess.DEVNULL, **environment):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("LOOPWRIGHT", "MLFLOW"))}
        self.log = project / "control.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "--project", str(project), "--port", "0", *arguments],
                stdin=stdin,
                stdout=log,
                stderr=log,
                env=clean | environment,
            )
        port = self.until(lambda: re.search(r"control API on http://[^:]+:(\d+)", self.log.read_text()))[1]
        self.url = f"http://127.0.0.1:{port}"
        self.until(lambda: self.answer("/healthz") == 200)

    def answer(self, path, **options):
        try:
            return httpx.get(self.url + path, timeout=30, follow_redirects=True, **options).status_code
        except httpx.TransportError:
            return None

    def until(self, look, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := look():
                return found
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@pytest.fixture
def control(tmp_path):
    """Start the process on an empty project; whatever was started is gone at the end."""
    started = []

    def start(*arguments, folder=tmp_path, **options):
        started.append(Control(folder, *arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


def test_it_is_alive_long_before_mlflow_which_follows(control):
    running = control()
    early = httpx.get(f"{running.url}/mlflow/")
    assert (early.status_code, early.text) == (503, "MLflow is starting\n")
    assert int(early.headers["retry-after"]) > 0
    assert running.answer("/readyz") == 200
    running.until(lambda: running.answer("/mlflow") == 200)
    page = httpx.get(f"{running.url}/mlflow/")
    assert "<title>MLflow</title>" in page.text
    assert running.end() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_also_while_mlflow_is_still_coming_and_somebody_listens(control, number):
    running = control()
    with httpx.stream("GET", f"{running.url}/api/v1/events/stream", timeout=30) as stream:
        assert next(stream.iter_lines()) == ": listening"
        assert running.end(number) == 0
    assert "Traceback" not in running.log.read_text()


def test_what_happens_is_told_to_those_who_listen(control):
    from loopwright.bootstrap.platform import open_platform

    running = control(LOOPWRIGHT_TRACKING="off")
    platform = open_platform(running.log.parent)
    platform.journal.submit("other", cause="before", actor="ann")
    with httpx.stream("GET", f"{running.url}/api/v1/events/stream?model=demand", timeout=30) as stream:
        lines = stream.iter_lines()
        assert next(lines) == ": listening"
        run = platform.journal.submit("demand", cause="by hand", actor="ann")
        platform.journal.submit("other", cause="by hand", actor="ann")
        platform.journal.cancel(run.id)
        told = [line for line in (next(lines) for _ in range(9)) if line.startswith("event")]
    platform.close()
    assert sorted(told) == ["event: run.cancelled", "event: run.queued"]


def test_it_ends_with_its_standard_input(control):
    running = control("--with-parent", stdin=subprocess.PIPE, LOOPWRIGHT_TRACKING="off")
    running.process.stdin.write(b"words are passed over\n")
    running.process.stdin.flush()
    assert running.answer("/healthz") == 200
    running.process.stdin.close()
    assert running.process.wait(timeout=30) == 0


def test_a_token_is_wanted_for_mlflow_too_which_any_host_name_then_reaches(control):
    running = control("--host", "0.0.0.0", LOOPWRIGHT_TOKEN="secret")
    shown = {"authorization": "Bearer secret", "host": "models.example"}
    running.until(lambda: running.answer("/mlflow/", headers=shown) == 200)
    assert running.answer("/mlflow/") == 401
    search = f"{running.url}/mlflow/ajax-api/2.0/mlflow/experiments/search"
    order = {"max_results": 5}
    assert httpx.post(search, json=order).status_code == 401
    page = {**shown, "origin": "https://models.example"}
    assert httpx.post(search, json=order, headers=page).status_code == 200
    assert httpx.post(search, json=order, headers={**page, "origin": "https://other.example"}).status_code == 403
    program = "import mlflow; print(len(mlflow.MlflowClient().search_experiments()))"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"{running.url}/mlflow", "MLFLOW_TRACKING_TOKEN": "secret"}
    client = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert client.stdout.strip() == "1", client.stderr


def test_somebody_elses_mlflow_is_linked_not_mounted(control):
    running = control(LOOPWRIGHT_TRACKING="https://ann:secret@mlflow.example/team")
    answer = httpx.get(f"{running.url}/mlflow/")
    assert answer.status_code == 307
    assert answer.headers["location"] == "https://mlflow.example/team"


def test_without_mlflow_there_is_none(control):
    assert control(LOOPWRIGHT_TRACKING="off").answer("/mlflow/") == 404


def test_an_mlflow_that_cannot_start_says_why_and_the_rest_answers(control, tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    running = control(LOOPWRIGHT_TRACKING=f"sqlite:///{tmp_path}/mlflow.db")
    running.until(lambda: "does not start" in httpx.get(f"{running.url}/mlflow/").text)
    assert running.answer("/readyz") == 200
    assert running.end() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "with no token"),
        (["--env", "nowhere"], "no environment 'nowhere'"),
        (["--host", "192.0.2.1"], "with no token"),
    ],
)
def test_what_cannot_be_is_said_without_a_traceback(tmp_path, arguments, said):
    ran = subprocess.run([*COMMAND, "--project", str(tmp_path), *arguments], capture_output=True, text=True)
    assert ran.returncode == 1
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = subprocess.run(
            [*COMMAND, "--project", str(tmp_path), "--port", str(port)], capture_output=True, text=True
        )
    assert ran.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ran.stderr
