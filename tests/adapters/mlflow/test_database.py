"""MLflow's database with several processes at it from the first moment, and files that a server hands out."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

from mlflow import MlflowClient

from loopwright.adapters.mlflow.tracking import MlflowTracking
from loopwright.ports.tracking import TrackedRun

NOW = datetime(2026, 1, 2, tzinfo=UTC)

TRACKS = """
import sys
from loopwright.adapters.mlflow.tracking import MlflowTracking
tracking = MlflowTracking(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(tracking.aliases("m"))
"""

SERVES = """
import sys
from loopwright.adapters.mlflow.app import mlflow_app
print("ready", flush=True)
sys.stdin.readline()
mlflow_app(sys.argv[1], sys.argv[2])
print({})
"""


def test_a_server_and_two_writers_begin_at_once_on_a_database_that_is_not_there(tmp_path):
    arguments = [f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "artifacts")]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen([sys.executable, "-c", program, *arguments], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for program in (TRACKS, TRACKS, SERVES)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        said, errors = process.communicate(timeout=120)
        assert (process.returncode, said) == (0, "{}\n"), errors


def test_files_that_a_server_hands_out_are_written_where_it_keeps_them(tmp_path):
    (tmp_path / "card.md").write_text("# A card")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    tracking = MlflowTracking(uri, artifact_location="mlflow-artifacts:/", artifacts=tmp_path / "kept")
    tracking.record_run(
        TrackedRun(
            id="run-1",
            model="m",
            name="first",
            started=NOW,
            finished=NOW,
            state="succeeded",
            files={"pictures/card.md": tmp_path / "card.md"},
        )
    )
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("m").experiment_id])
    place = run.info.artifact_uri.removeprefix("mlflow-artifacts:/")
    assert (tmp_path / "kept" / place / "pictures" / "card.md").read_text() == "# A card"
