"""Settings: every field has a default and a sentence. `loopwright.toml` says them, `LOOPWRIGHT_<FIELD>` overrides.

    # loopwright.toml
    models = ["demand.py"]

    [env.prod]
    state = "postgresql://loopwright@db/loopwright"
    storage = "s3://our-models/loopwright"

`[env.<name>]` is in force with `--env <name>` or `LOOPWRIGHT_ENV=<name>`, on top of what stands above it.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError

from loopwright.core.price import CoreHour
from loopwright.errors import SettingsError

FILE = "loopwright.toml"
DAY = 86_400
SECRETS = ("token", "endpoint_tokens", "notify")
"""Settings that are shown nowhere."""


class Settings(BaseSettings):
    """What a project may set. Paths are relative to the project's folder."""

    model_config = SettingsConfigDict(env_prefix="LOOPWRIGHT_", extra="forbid", frozen=True)

    models: tuple[str, ...] = Field(
        ("*.py",), description="Files that declare models, as globs below the project's folder."
    )
    home: str = Field(".loopwright", description="The folder of everything Loopwright keeps on this machine.")
    contracts: str = Field("contracts", description="The folder of data contracts, to be committed with the code.")
    state: str = Field("", description="The state database's URL; empty: SQLite in `home`.")
    storage: str = Field("", description="The object store's URL (a path, s3://, gs://, az://); empty: in `home`.")
    tracking: str = Field(
        "", description='MLflow\'s tracking URI; empty: a database of its own in `home`; "off": no MLflow at all.'
    )
    compute: Literal["local"] = Field("local", description="Where jobs run.")
    job_python: str = Field("", description="The Python that runs jobs; empty: the one that runs Loopwright.")
    job_memory_mb: int | None = Field(None, ge=256, description="The most memory a job may take, MiB.")
    host: str = Field("127.0.0.1", description="The address the control API and the inference server listen on.")
    port: int = Field(8400, ge=0, le=65535, description="The port of the control API, and of MLflow under /mlflow.")
    inference_port: int = Field(8401, ge=0, le=65535, description="The port of the inference server.")
    inference_workers: int = Field(1, ge=1, le=256, description="How many processes answer inference requests.")
    inference_threads: int = Field(
        0, ge=0, le=1024, description="The threads each of them predicts in; 0 shares the cores out among them."
    )
    batch_rows: int = Field(1024, ge=1, description="How many rows of one model are predicted together, at most.")
    max_waiting: int = Field(
        256, ge=1, description="How many requests may wait for a model; the next is refused with 503."
    )
    max_body: int = Field(
        32 * 1024 * 1024, ge=1024, le=2**31 - 1, description="The largest body of a request, bytes; also unpacked."
    )
    max_rows: int = Field(100_000, ge=1, description="How many rows a request may hold.")
    buffer_rows: int = Field(
        100_000, ge=1, description="How many answered rows a worker keeps in memory until they are written, at most."
    )
    shadow_rows: int = Field(10_000, ge=1, description="How many rows may wait in a worker for shadow variants.")
    spool_bytes: int = Field(
        1024 * 1024 * 1024,
        ge=1,
        description="How many bytes of captures a worker keeps on disk for a store that is away.",
    )
    wait_seconds: float = Field(
        30.0, gt=0, le=DAY, description="How long a request may wait for its turn at a model; then it gets 504."
    )
    drain_seconds: int = Field(
        30, ge=1, le=DAY, description="How long an inference server that is told to end may take for what is in flight."
    )
    hang_seconds: float = Field(
        60.0,
        gt=0,
        le=DAY,
        description="How long a prediction may take: a worker that does not come back is then replaced.",
    )
    idle_seconds: float = Field(
        75.0, gt=0, le=DAY, description="How long a connection may be idle, or at its headers, until it is closed."
    )
    body_seconds: float = Field(
        30.0, gt=0, le=DAY, description="How long a body, or an answer to a client that is slow, may be on its way."
    )
    grpc_port: int | None = Field(
        None, ge=0, le=65535, description="The port where it speaks gRPC too, with the extra `grpc`; none: it does not."
    )
    tls_certificate: str = Field(
        "", description="The inference server's certificate, a PEM file: all its ports speak TLS then."
    )
    tls_key: str = Field("", description="The key of that certificate, a PEM file without a password.")
    inference_device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where PyTorch models compute; auto takes a GPU where there is one."
    )
    bundle: str = Field(
        "", description="A bundle (a folder, or a URL of one) that `loopwright serve` serves by itself."
    )
    bundle_as: str = Field(
        "",
        description="What that bundle is recorded as: ENDPOINT/REVISION/VARIANT/VERSION; empty: by its model's name.",
    )
    trusted_network: bool = Field(
        False,
        description="Whether an inference server beyond loopback asks for no token, because the network itself lets in "
        "nobody who may not ask.",
    )
    token: str = Field("", description="The bearer token that clients must show; required beyond loopback.")
    endpoint_tokens: dict[str, str] = Field(
        {}, description="Tokens that open one endpoint each, by its name; best set in the environment, as JSON."
    )
    window_seconds: float = Field(60.0, gt=0, le=DAY, description="How long a window of the traffic's summaries is.")
    tick_seconds: float = Field(1.0, gt=0, description="How often the platform looks at what is due.")
    lease_seconds: float = Field(30.0, gt=1, description="How long a silent worker keeps its run.")
    notify: tuple[str, ...] | dict[str, str | tuple[str, ...]] = Field(
        (),
        description="Where alerts go, besides the log: Apprise URLs, or destinations by name and the URLs of each.",
    )
    public_url: str = Field(
        "", description="Where people reach the control API, for links in notices; empty: they have none."
    )
    core_hour_price: float | None = Field(
        None, ge=0, description="What an hour of one core costs: gates, replays and reports then speak of money."
    )
    currency: str = Field("", description="The currency of that price, such as EUR.")
    allow_pickle: bool = Field(True, description="Whether bundles that hold pickles may be opened.")
    keep_days: float = Field(90.0, gt=0, description="How long captures, summaries and job files are kept.")
    keep_versions: int = Field(20, ge=2, description="How many bundles of a model are kept beside those in use.")

    def state_url(self, root: Path) -> str:
        return self.state or f"sqlite:///{(root / self.home / 'state.db').as_posix()}"

    def storage_url(self, root: Path) -> str:
        if not self.storage:
            return str(root / self.home / "store")
        return self.storage if "://" in self.storage else str(root / self.storage)

    @property
    def core_hour(self) -> CoreHour | None:
        return None if self.core_hour_price is None else CoreHour(price=self.core_hour_price, currency=self.currency)

    @property
    def destinations(self) -> dict[str, tuple[str, ...]]:
        """The URLs of each destination. In a list each URL is one, named by its kind and place, such as `slack-2`."""
        if isinstance(self.notify, dict):
            return {name: (urls,) if isinstance(urls, str) else urls for name, urls in self.notify.items()}
        return {f"{url.partition(':')[0][:50]}-{place}": (url,) for place, url in enumerate(self.notify, start=1)}

    def tls_files(self, root: Path) -> tuple[Path | None, Path | None]:
        """The certificate and its key."""
        certificate, key = (root / one if one else None for one in (self.tls_certificate, self.tls_key))
        return certificate, key

    def tracking_url(self, root: Path) -> str:
        return self.tracking or f"sqlite:///{(root / self.home / 'mlflow' / 'mlflow.db').as_posix()}"


def load_settings(root: Path, environment: str | None = None, overrides: dict[str, Any] | None = None) -> Settings:
    """The settings in force in `root`. Raises `SettingsError` that names the field, what it is and what it may be."""
    values = _file_values(root, environment or os.environ.get("LOOPWRIGHT_ENV"))
    from_file = {name: value for name, value in values.items() if f"LOOPWRIGHT_{name.upper()}" not in os.environ}
    try:
        return Settings(**(from_file | (overrides or {})))
    except UnreadableError as error:
        raise SettingsError(
            f"a LOOPWRIGHT_ variable cannot be read: {error}",
            remedy="a setting of several values is written as JSON, such as LOOPWRIGHT_MODELS='[\"demand.py\"]'",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if "[" not in str(part))  # no types, of which it may be one
        remedy = f"mend it in {FILE} or in LOOPWRIGHT_{str(first['loc'][0]).upper()} (several values: as JSON)"
        if first["type"] == "extra_forbidden":
            remedy = f"the settings are: {', '.join(Settings.model_fields)}"
        found = "***" if first["loc"][0] in SECRETS else repr(first.get("input"))
        raise SettingsError(f"setting {field!r} is {found}: {first['msg']}", remedy=remedy) from None


def _file_values(root: Path, environment: str | None) -> dict[str, Any]:
    path = root / FILE
    values: dict[str, Any] = {}
    if path.exists():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise SettingsError(f"{FILE} cannot be read: {error}", remedy="mend the file; it is TOML") from None
    environments = values.pop("env", {})
    if environment is None:
        return values
    if environment not in environments and environment != "dev":
        have = ", ".join(sorted({"dev", *environments}))
        raise SettingsError(
            f"{FILE} has no environment {environment!r}", remedy=f"it has: {have}; add [env.{environment}]"
        )
    return values | dict(environments.get(environment, {}))
