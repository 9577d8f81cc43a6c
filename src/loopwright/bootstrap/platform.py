"""The control plane's parts, put together from the settings: what every command and the API start from.

Only light rooms are imported here, so that `loopwright status` answers at once; what trains and validates is in
`loopwright.bootstrap.worker`, and adapters are loaded by the name the settings give.
"""

from __future__ import annotations

import getpass
import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from loopwright.adapters.obstore.storage import open_storage
from loopwright.core.clock import Clock, SystemClock
from loopwright.errors import LoopwrightError
from loopwright.monitoring.alerting import Alerting
from loopwright.monitoring.service import Monitors
from loopwright.monitoring.telling import LOG
from loopwright.ports.compute import Compute
from loopwright.ports.hosting import Hosting
from loopwright.ports.notifier import Notice, Notifier
from loopwright.ports.storage import Storage
from loopwright.ports.tracking import Tracking
from loopwright.project import DeclaredModel, Project, read_declared
from loopwright.registry.service import Registry
from loopwright.retention.service import Retention
from loopwright.retraining.service import Retraining
from loopwright.rollout.service import Rollouts
from loopwright.runs.jobs import Jobs
from loopwright.runs.service import Journal
from loopwright.settings import Settings, load_settings
from loopwright.state.engine import State
from loopwright.state.schema import prepare


@dataclass
class Platform:
    """One project's control plane. Parts are made when first asked for; `close` lets go of the database."""

    root: Path
    settings: Settings
    clock: Clock

    @cached_property
    def project(self) -> Project:
        return Project(self.root, self.settings.models, self.settings.contracts)

    @property
    def declared(self) -> list[DeclaredModel]:
        """The models the project declares, as its worker last found them: for doors, which never load a user's code."""
        return read_declared(self.storage)

    @cached_property
    def home(self) -> Path:
        return self.root / self.settings.home

    @cached_property
    def state(self) -> State:
        state = State(self.settings.state_url(self.root))
        prepare(state)
        return state

    @cached_property
    def storage(self) -> Storage:
        return open_storage(self.settings.storage_url(self.root))

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.state, self.clock, lease_seconds=self.settings.lease_seconds)

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.state, self.clock)

    @cached_property
    def rollouts(self) -> Rollouts:
        window_seconds = self.settings.window_seconds
        return Rollouts(self.state, self.storage, self.registry, self.clock, window_seconds=window_seconds)

    @cached_property
    def monitors(self) -> Monitors:
        return Monitors(self.state, self.storage, self.registry, self.rollouts, self.clock)

    @cached_property
    def retraining(self) -> Retraining:
        return Retraining(self.state, self.journal, self.registry, self.rollouts, self.clock)

    @cached_property
    def retention(self) -> Retention:
        return Retention(
            self.state,
            self.storage,
            self.registry,
            self.rollouts,
            self.clock,
            keep_days=self.settings.keep_days,
            keep_versions=self.settings.keep_versions,
        )

    @cached_property
    def compute(self) -> Compute:
        adapter = load_adapter(f"loopwright.adapters.{self.settings.compute}.compute")
        python = self.settings.job_python or sys.executable
        made: Compute = adapter.SubprocessCompute(
            self.settings.storage_url(self.root), self.home / "jobs", python=python
        )
        return made

    @cached_property
    def jobs(self) -> Jobs:
        return Jobs(self.storage, self.compute, self.clock, memory_mb=self.settings.job_memory_mb)

    @cached_property
    def hosting(self) -> Hosting:
        adapter = load_adapter("loopwright.adapters.local.hosting")
        made: Hosting = adapter.LocalHosting(
            self.settings.storage_url(self.root),
            address=self.inference_url,
            token=self.settings.token,
            endpoint_tokens=self.settings.endpoint_tokens,
            certificate=self.settings.tls_files(self.root)[0],
            spool=self.home / "spool",
        )
        return made

    @cached_property
    def tracking(self) -> Tracking | None:
        """MLflow, or None where the settings turn it off. Importing it takes a second or more."""
        if self.settings.tracking == "off":
            return None
        adapter = load_adapter("loopwright.adapters.mlflow.tracking")
        url = self.settings.tracking_url(self.root)
        if self.mlflow_elsewhere:
            made: Tracking = adapter.MlflowTracking(url)
        else:
            made = adapter.MlflowTracking(url, artifact_location="mlflow-artifacts:/", artifacts=self.mlflow_artifacts)
        return made

    @property
    def mlflow_elsewhere(self) -> bool:
        """Whether MLflow is a server that somebody else runs, and not ours over its database."""
        return self.settings.tracking.startswith(("http://", "https://"))

    @property
    def mlflow_artifacts(self) -> Path:
        """Where our own MLflow keeps its files."""
        return self.home / "mlflow" / "artifacts"

    @cached_property
    def alerting(self) -> Alerting:
        return Alerting(self.state, self.clock, link=self.settings.public_url)

    @cached_property
    def destinations(self) -> Mapping[str, Notifier]:
        """Whom alerts are told to, by name: the log, and what the setting `notify` names."""
        made: dict[str, Notifier] = {LOG: load_adapter("loopwright.adapters.local.notifier").LogNotifier(self.home)}
        for name, urls in self.settings.destinations.items():
            try:
                made[name] = load_adapter("loopwright.adapters.apprise.notifier").AppriseNotifier(urls)
            except LoopwrightError as error:  # one that cannot be reached keeps no other waiting
                made[name] = Unreachable(error)
        return made

    @property
    def inference_url(self) -> str:
        scheme = "https" if self.settings.tls_certificate else "http"
        return f"{scheme}://{self.settings.host}:{self.settings.inference_port}"

    @property
    def actor(self) -> str:
        """Who acts through this process: the user's login name."""
        return (os.environ.get("LOOPWRIGHT_ACTOR") or _login_name())[:120]

    def close(self) -> None:
        if "state" in self.__dict__:
            self.state.close()


@dataclass(frozen=True)
class Unreachable:
    """`ports.Notifier` for a destination that cannot be made: it refuses with the reason."""

    error: LoopwrightError

    def send(self, notice: Notice) -> None:
        raise self.error


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return f"user {os.getuid()}"


def open_platform(
    root: Path | str = ".",
    *,
    environment: str | None = None,
    overrides: dict[str, Any] | None = None,
    clock: Clock | None = None,
) -> Platform:
    """The platform of the project in `root`. Raises `SettingsError`."""
    folder = Path(root).resolve()
    return Platform(root=folder, settings=load_settings(folder, environment, overrides), clock=clock or SystemClock())


def load_adapter(module: str) -> Any:
    """The adapter's module, imported now. Raises `LoopwrightError` that names what is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise LoopwrightError(
            f"{module} needs {error.name}, which is not installed", remedy=f"pip install {error.name}"
        ) from error
