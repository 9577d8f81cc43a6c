"""MLflow through the exam, by database and by server; and what a client that knows nothing of us finds there."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from loopwright.adapters.mlflow.tracking import MlflowTracking
from loopwright.errors import StateError
from loopwright.ports.tracking import TrackedRun, TrackedVersion
from loopwright.testing.exams.tracking import SeenRun, TrackingExam

STATES = {"RUNNING": "running", "FINISHED": "succeeded", "FAILED": "failed"}
NOW = datetime(2026, 1, 2, tzinfo=UTC)
RUN = TrackedRun(id="run-1", model="m", name="first", started=NOW, finished=NOW, state="succeeded")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """The smallest model folder: it doubles column x."""

    class Doubling(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input: pd.DataFrame, params=None):
            return model_input["x"] * 2

    folder = tmp_path_factory.mktemp("bundle") / "model"
    mlflow.pyfunc.save_model(folder, python_model=Doubling(), pip_requirements=["pandas"])
    return folder


class MlflowExam(TrackingExam):
    """Fixture `uri`, and `tracking` there."""

    @pytest.fixture
    def look(self, uri, tmp_path):
        client = MlflowClient(uri)

        def look(model, run_id):
            experiment = client.get_experiment_by_name(model)
            runs = client.search_runs([experiment.experiment_id], f"tags.`loopwright.id` = '{run_id}'")
            return [seen(client, run, tmp_path / "down") for run in runs]

        return look

    def test_a_client_that_knows_nothing_of_us_loads_the_champion(self, tracking, uri, bundle, model):
        tracking.record_run(replace(RUN, model=model))
        tracking.record_version(TrackedVersion(id="ver-1", model=model, number=1, run="run-1", folder=bundle))
        tracking.point_alias(model, "champion", "ver-1")
        program = (
            "import mlflow, pandas as pd\n"
            f"champion = mlflow.pyfunc.load_model('models:/{model}@champion')\n"
            "print(champion.predict(pd.DataFrame({'x': [1, 20]})).tolist())"
        )
        client = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "MLFLOW_TRACKING_URI": uri},
            capture_output=True,
            text=True,
        )
        assert client.stdout.strip() == "[2, 40]", client.stderr

    def test_a_version_carries_our_id_number_and_tags(self, tracking, uri, bundle, model):
        tracking.record_run(replace(RUN, model=model))
        version = TrackedVersion(id="ver-1", model=model, number=7, run="run-1", folder=bundle, tags={"gate": "passed"})
        number = tracking.record_version(version)
        found = MlflowClient(uri).get_model_version(model, number)
        assert found.tags == {"loopwright.version_id": "ver-1", "loopwright.number": "7", "gate": "passed"}
        tracking.record_version(replace(version, tags={"gate": "refused"}))
        assert MlflowClient(uri).get_model_version(model, number).tags["gate"] == "refused"

    def test_an_alias_moved_there_by_hand_is_reported(self, tracking, uri, bundle, model):
        tracking.record_run(replace(RUN, model=model))
        for name in ("ver-1", "ver-2"):
            tracking.record_version(TrackedVersion(id=name, model=model, number=1, run="run-1", folder=bundle))
        tracking.point_alias(model, "champion", "ver-1")
        client = MlflowClient(uri)
        client.set_registered_model_alias(model, "champion", "2")
        assert tracking.aliases(model) == {"champion": "ver-2"}
        foreign = client.create_model_version(
            model, client.get_model_version(model, "1").source, _run_id(client, model)
        )
        client.set_registered_model_alias(model, "champion", foreign.version)
        assert tracking.aliases(model) == {"champion": "MLflow's version 3"}

    def test_what_was_deleted_there_by_hand_is_shown_again(self, tracking, uri, look, model):
        tracking.record_run(replace(RUN, model=model))
        client = MlflowClient(uri)
        client.delete_experiment(client.get_experiment_by_name(model).experiment_id)
        tracking.record_run(replace(RUN, model=model))
        assert len(look(model, "run-1")) == 1

    def test_figures_that_are_no_number_are_left_out(self, tracking, look, model):
        odd = {"rmse": 1.0, "auc": float("nan"), "loss": float("inf")}
        tracking.record_run(replace(RUN, model=model, metrics=odd))
        assert look(model, "run-1")[0].metrics == {"rmse": 1.0}


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


class TestMlflowDatabase(MlflowExam):
    @pytest.fixture
    def uri(self, database):
        return database

    @pytest.fixture
    def tracking(self, uri):
        folder = Path(uri.removeprefix("sqlite:///")).parent
        return MlflowTracking(uri, artifact_location=(folder / "artifacts").as_uri())


class TestMlflowServer(MlflowExam):
    @pytest.fixture
    def uri(self, server):
        return f"{server}/mlflow"

    @pytest.fixture
    def tracking(self, uri):
        return MlflowTracking(uri)

    def test_the_pages_find_the_run_and_its_files(self, tracking, uri, model, tmp_path):
        (tmp_path / "card.md").write_text("# A card")
        tracking.record_run(replace(RUN, model=model, files={"card.md": tmp_path / "card.md"}))
        run_id = _run_id(MlflowClient(uri), model)
        shown = httpx.get(f"{uri}/get-artifact", params={"path": "card.md", "run_uuid": run_id})
        assert shown.text == "# A card"


def test_a_server_that_is_away_is_told_with_its_address_and_without_its_password(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(StateError, match="run-1 could not be shown") as caught:
        MlflowTracking("http://user:secret@127.0.0.1:9").record_run(RUN)
    assert "127.0.0.1:9" in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.remedy


def test_recording_says_nothing_on_the_terminal(tmp_path):
    program = f"""
from datetime import UTC, datetime
from loopwright.adapters.mlflow.tracking import MlflowTracking
from loopwright.ports.tracking import TrackedRun
now = datetime.now(UTC)
run = TrackedRun(id="r", model="m", name="n", started=now, finished=now, state="succeeded", metrics={{"a": 1.0}})
MlflowTracking("sqlite:///{tmp_path}/mlflow.db", artifact_location="{tmp_path.as_uri()}/artifacts").record_run(run)
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "_MLFLOW"))}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db"]


def seen(client, run, folder):
    parent = run.data.tags.get("mlflow.parentRunId")
    folder.mkdir(exist_ok=True)
    down = Path(client.download_artifacts(run.info.run_id, "", str(folder)))
    return SeenRun(
        name=run.info.run_name,
        state=STATES[run.info.status],
        started=_moment(run.info.start_time),
        finished=_moment(run.info.end_time),
        parent=None if parent is None else client.get_run(parent).data.tags["loopwright.id"],
        params=run.data.params,
        metrics=run.data.metrics,
        tags=run.data.tags,
        files={path.relative_to(down).as_posix(): path.read_bytes() for path in down.rglob("*") if path.is_file()},
    )


def _moment(millis):
    return None if millis is None else datetime.fromtimestamp(millis / 1000, UTC)


def _run_id(client, model):
    (run,) = client.search_runs([client.get_experiment_by_name(model).experiment_id])
    return run.info.run_id
