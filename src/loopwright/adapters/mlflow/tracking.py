"""`ports.Tracking` over MLflow's client: every write looks for our id first, so that doing it again changes nothing."""

from __future__ import annotations

import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from sqlalchemy.exc import SQLAlchemyError

from loopwright.adapters.mlflow.database import alone_at
from loopwright.core.digest import digest_all, digest_file
from loopwright.errors import NotFoundError, StateError
from loopwright.ports.tracking import TrackedRun, TrackedVersion

Value = TypeVar("Value")
_ID = "loopwright.id"
_VERSION_ID = "loopwright.version_id"
_FILES = "loopwright.files"
_SERVED = "mlflow-artifacts:/"
_STATES = {"running": "RUNNING", "succeeded": "FINISHED", "failed": "FAILED"}


class MlflowTracking:
    """Shows runs, versions and aliases in the MLflow at `uri`: a server's address, or a database URL such as SQLite's.

    A model's runs form the experiment of its name; metrics that are no finite number are left out.
    `artifact_location` is where a new experiment keeps its files: name it with a database URL; a server knows its own.
    `mlflow-artifacts:/` lets a server over the same database hand them out: `artifacts` is the folder or store that it
    takes them from, where they are written without asking it.
    Methods raise `StateError` when MLflow refuses or is away, and `NotFoundError` for a run or version not recorded.
    """

    def __init__(self, uri: str, *, artifact_location: str | None = None, artifacts: Path | str | None = None) -> None:
        self._uri, self._artifact_location = uri, artifact_location
        self._artifacts = artifacts.absolute().as_uri() if isinstance(artifacts, Path) else artifacts

    def record_run(self, run: TrackedRun) -> None:
        with self._refusals(f"run {run.id}"):
            experiment = self._experiment(run.model)
            found = self._find_run(experiment, run.id) or self._create_run(experiment, run)
            self._update_figures(found, run)
            self._upload_files(found, run)
            self._update_state(found, run)

    def record_version(self, version: TrackedVersion) -> str:
        with self._refusals(f"version {version.id}"):
            found = self._find_version(version.model, version.id) or self._create_version(version)
            for key, value in version.tags.items():
                if found.tags.get(_key(key)) != value:
                    self._client.set_model_version_tag(version.model, found.version, _key(key), value)
            return str(found.version)

    def point_alias(self, model: str, alias: str, version_id: str | None) -> None:
        with self._refusals(f"alias {alias} of {model}"):
            registered = self._registered(model)
            if version_id is not None:
                version = self._find_version(model, version_id)
                if version is None:
                    raise NotFoundError(f"version {version_id} of {model} is not in MLflow", remedy="record it first")
                self._client.set_registered_model_alias(model, alias, version.version)
            elif registered is not None and alias in registered.aliases:
                self._client.delete_registered_model_alias(model, alias)

    def aliases(self, model: str) -> dict[str, str]:
        with self._refusals(f"model {model}"):
            registered = self._registered(model)
            if registered is None:
                return {}
            return {alias: self._our_id(model, str(number)) for alias, number in registered.aliases.items()}

    def _experiment(self, model: str) -> str:
        found = self._client.get_experiment_by_name(model)
        if found is None:
            return str(self._client.create_experiment(model, self._artifact_location))
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _find_run(self, experiment: str, run_id: str) -> Run | None:
        runs = self._client.search_runs([experiment], f"tags.`{_ID}` = '{run_id}'", max_results=1)
        return runs[0] if runs else None

    def _existing_run(self, experiment: str, run_id: str) -> Run:
        found = self._find_run(experiment, run_id)
        if found is None:
            raise NotFoundError(f"run {run_id} is not in MLflow", remedy="record it first")
        return found

    def _create_run(self, experiment: str, run: TrackedRun) -> Run:
        tags = {_ID: run.id, "mlflow.source.name": "loopwright", "mlflow.source.type": "PROJECT"}
        if run.parent is not None:
            tags["mlflow.parentRunId"] = self._existing_run(experiment, run.parent).info.run_id
        return self._client.create_run(experiment, _millis(run.started), tags, run.name)

    def _update_figures(self, found: Run, run: TrackedRun) -> None:
        """What is new or has changed, in one request. A parameter once written stays: MLflow allows no other."""
        there = found.data
        ours = {key: value for key, value in _clean(run.metrics).items() if isfinite(value)}
        metrics = {key: value for key, value in ours.items() if there.metrics.get(key) != value}
        params = {key: value for key, value in _clean(run.params).items() if key not in there.params}
        tags = {key: value for key, value in _clean(run.tags).items() if there.tags.get(key) != value}
        if not (metrics or params or tags):
            return
        at = _millis(run.finished or run.started)
        self._client.log_batch(
            found.info.run_id,
            [Metric(key, value, at, self._next_step(found, key)) for key, value in metrics.items()],
            [Param(key, value) for key, value in params.items()],
            [RunTag(key, value) for key, value in tags.items()],
        )

    def _next_step(self, found: Run, key: str) -> int:
        """MLflow shows a metric's last step: a figure that takes another's place comes one step after it."""
        if key not in found.data.metrics:
            return 0
        return 1 + max(int(metric.step) for metric in self._client.get_metric_history(found.info.run_id, key))

    def _upload_files(self, found: Run, run: TrackedRun) -> None:
        if not run.files:
            return
        digest = digest_all(f"{name} {digest_file(path)}" for name, path in sorted(run.files.items()))
        if found.data.tags.get(_FILES) == digest:
            return
        with tempfile.TemporaryDirectory(prefix="loopwright-") as folder:
            for name, path in run.files.items():
                target = Path(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            self._write(found, folder)
        self._client.set_tag(found.info.run_id, _FILES, digest)

    def _write(self, run: Run, folder: str, path: str | None = None) -> None:
        """Every file below `folder` as an artifact of the run, below `path`."""
        place = run.info.artifact_uri
        if self._artifacts is None or not place.startswith(_SERVED):
            self._client.log_artifacts(run.info.run_id, folder, path)
        else:
            ours = f"{self._artifacts}/{place.removeprefix(_SERVED)}"
            get_artifact_repository(ours).log_artifacts(folder, path)

    def _update_state(self, found: Run, run: TrackedRun) -> None:
        status = _STATES[run.state]
        if run.state == "running":
            if found.info.status != status:
                self._client.update_run(found.info.run_id, status)
            return
        finished = _millis(run.finished or run.started)
        if (found.info.status, found.info.end_time) != (status, finished):
            self._client.set_terminated(found.info.run_id, status, finished)

    def _find_version(self, model: str, version_id: str) -> ModelVersion | None:
        query = f"name = '{model}' and tag.`{_VERSION_ID}` = '{version_id}'"
        versions = self._client.search_model_versions(query, max_results=1)
        return versions[0] if versions else None

    def _create_version(self, version: TrackedVersion) -> ModelVersion:
        run = self._existing_run(self._experiment(version.model), version.run)
        folder = f"versions/{version.id}"  # a run may give several: its evaluated model and the refitted one
        self._write(run, str(version.folder), folder)
        if self._registered(version.model) is None:
            self._client.create_registered_model(version.model)
        tags = {_VERSION_ID: version.id, "loopwright.number": str(version.number)}
        return self._client.create_model_version(
            version.model, f"{run.info.artifact_uri}/{folder}", run.info.run_id, tags=tags
        )

    def _registered(self, model: str) -> RegisteredModel | None:
        found = self._client.search_registered_models(f"name = '{model}'", max_results=1)
        return self._client.get_registered_model(model) if found else None

    def _our_id(self, model: str, number: str) -> str:
        """Our id of a version; one that we never registered is named by its number there."""
        tags = self._client.get_model_version(model, number).tags
        return str(tags.get(_VERSION_ID, f"MLflow's version {number}"))

    @cached_property
    def _client(self) -> MlflowClient:
        """MLflow's client; where it is one of a database, that is made here, if nobody has yet."""
        if self._uri.startswith(("http://", "https://")):
            return MlflowClient(self._uri, registry_uri=self._uri)
        with alone_at(self._uri):
            client = MlflowClient(self._uri, registry_uri=self._uri)
            client.search_registered_models(max_results=1)
        return client

    @contextmanager
    def _refusals(self, thing: str) -> Iterator[None]:
        try:
            yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            raise StateError(
                _without_passwords(f"{thing} could not be shown in MLflow at {self._uri}: {_first_line(error)}"),
                remedy="check that MLflow answers there; our own records are whole, and it catches up from them",
            ) from error


def _clean(values: Mapping[str, Value]) -> dict[str, Value]:
    return {_key(name): value for name, value in values.items()}


def _key(name: str) -> str:
    """`name` as MLflow lets one be: letters, digits and `_-. :/`, and no path that leads elsewhere."""
    clean = re.sub(r"[^\w\-. :/]", "_", name)[:250]
    return clean if posixpath.normpath(clean) == clean and clean[0] not in "./" else re.sub(r"[./]", "_", clean)


def _millis(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def _without_passwords(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)
