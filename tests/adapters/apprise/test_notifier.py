"""Apprise through the exam, to a destination that really listens; and what is told when one refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from loopwright.adapters.apprise.notifier import AppriseNotifier
from loopwright.errors import LoopwrightError, SettingsError
from loopwright.ports.notifier import Notice
from loopwright.testing.exams.notifier import NotifierExam

NOTICE = Notice(id="alert-1", severity="critical", title="Drift", text="temp: PSI 0.31")


class Destination(ThreadingHTTPServer):
    """Keeps the JSON it is sent, and answers with `status`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Keep)
        self.status, self.kept = 200, []

    @property
    def url(self):
        return f"json://user:secret@127.0.0.1:{self.server_port}/hook"


class _Keep(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status == 200:
            self.server.kept.append(body)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args):
        """Nothing: the tests look at what was kept."""


@contextmanager
def listening():
    with Destination() as destination:
        thread = Thread(target=destination.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield destination
        finally:
            destination.shutdown()
            thread.join()


@pytest.fixture
def destination():
    with listening() as destination:
        yield destination


class TestAppriseNotifier(NotifierExam):
    @pytest.fixture
    def notifier(self, destination):
        return AppriseNotifier([destination.url])

    @pytest.fixture
    def delivered(self, destination):
        return lambda: [f"{body['title']}\n{body['message']}" for body in destination.kept]


def test_the_severity_arrives_as_the_services_know_it(destination):
    AppriseNotifier([destination.url]).send(NOTICE)
    assert destination.kept[0]["type"] == "failure"


def test_a_refusal_is_told_without_the_secret(destination):
    destination.status = 500
    with pytest.raises(LoopwrightError) as caught:
        AppriseNotifier([destination.url]).send(NOTICE)
    assert "alert-1" in caught.value.message
    assert "127.0.0.1" in caught.value.message
    assert "500" in caught.value.message
    assert "secret" not in caught.value.message


def test_sent_again_it_goes_only_to_those_that_refused(destination):
    with listening() as other:
        other.status = 503
        notifier = AppriseNotifier([destination.url, other.url])
        with pytest.raises(LoopwrightError):
            notifier.send(NOTICE)
        other.status = 200
        notifier.send(NOTICE)
        assert (len(destination.kept), len(other.kept)) == (1, 1)


@pytest.mark.parametrize("url", ["nonsense://token-123", "hooks.example/token-123"])
def test_a_url_of_no_service_is_refused_without_the_secret(url):
    with pytest.raises(SettingsError) as caught:
        AppriseNotifier([url])
    assert "token-123" not in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("url", ["nosuch://user:hunter2@host", "hunter2", "slack://hunter2", "mailto://a:hunter2@"])
def test_a_url_that_cannot_be_read_is_shown_nowhere(url):
    code = f"""
from loopwright.adapters.apprise.notifier import AppriseNotifier
from loopwright.errors import SettingsError
try:
    AppriseNotifier([{url!r}])
except SettingsError as error:
    print(error, error.remedy)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "notification URL" in ran.stdout
    assert "hunter2" not in ran.stdout + ran.stderr
