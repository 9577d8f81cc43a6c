"""What `loopwright doctor` looks at on this machine and right behind it: Python, settings, disk, database, store."""

from __future__ import annotations

import os
import platform as machine
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import make_url

from loopwright.bootstrap.platform import Platform
from loopwright.core.ids import new_id
from loopwright.core.tls import check_certificate
from loopwright.errors import StateError
from loopwright.serving.options import LOOPBACK
from loopwright.settings import FILE, SECRETS, Settings
from loopwright.state import schema
from loopwright.state.engine import State

Finding = Literal["ok", "warn", "fail"]

PACKAGES = ("loopwright", "polars", "duckdb", "lightgbm", "onnxruntime", "mlflow", "sqlalchemy", "httptools", "fastapi")
LITTLE, TOO_LITTLE = 2e9, 2e8
"""Bytes free on the disk that are few, and too few to work with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing looked at: what was found, and what to do about it where that is not well."""

    name: str
    finding: Finding
    text: str
    remedy: str = ""


def python(platform: Platform) -> Iterator[Check]:
    """The interpreter, and the packages that matter."""
    text = f"{machine.python_version()} at {sys.executable}, {machine.platform()}"
    yield Check(name="python", finding="ok", text=text)
    found = {name: _installed(name) for name in PACKAGES}
    missing = [name for name, number in found.items() if number is None]
    yield Check(
        name="packages",
        finding="fail" if missing else "ok",
        text=", ".join(f"{name} {number or 'is missing'}" for name, number in found.items()),
        remedy=f"pip install {' '.join(missing)}" if missing else "",
    )


def settings(platform: Platform) -> Iterator[Check]:
    """What is set otherwise than by default, and where; secrets are not shown."""
    there = (platform.root / FILE).exists()
    yield Check(name="settings", finding="ok", text=FILE if there else f"no {FILE}: every setting has its default")
    defaults = Settings.model_construct()
    for name in Settings.model_fields:
        value = getattr(platform.settings, name)
        if value != getattr(defaults, name):
            variable = f"LOOPWRIGHT_{name.upper()}"
            origin = variable if variable in os.environ else FILE if there else "the command line"
            yield Check(name="settings", finding="ok", text=f"{name} = {masked(name, value)} (from {origin})")
    if platform.settings.host not in LOOPBACK and not platform.settings.token:
        yield Check(
            name="settings",
            finding="fail",
            text=f"host is {platform.settings.host}, beyond this machine, and there is no token",
            remedy="set LOOPWRIGHT_TOKEN, or listen on 127.0.0.1",
        )
    check_certificate(*platform.settings.tls_files(platform.root))


def masked(name: str, value: Any) -> str:
    """A setting as it may be shown: no token, no password, of an alert's destination its kind only."""
    if name == "endpoint_tokens":
        return ", ".join(f"{endpoint}: ***" for endpoint in value)
    if name == "notify":
        return ", ".join(f"{one}: ***" for one in value) if isinstance(value, dict) else _kinds(value)
    if name in SECRETS:
        return "***"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return re.sub(r"//([^/@:\s]*):[^/@\s]*@", r"//\1:***@", text)


def _kinds(urls: Iterable[str]) -> str:
    return ", ".join(f"{one.partition('://')[0]}://***" for one in urls)


def disk(platform: Platform) -> Iterator[Check]:
    """Whether there is room to work, and the right to."""
    folder = next(one for one in (platform.home, *platform.home.parents) if one.exists())
    free = shutil.disk_usage(folder).free
    finding: Finding = "fail" if free < TOO_LITTLE else "warn" if free < LITTLE else "ok"
    writable = os.access(folder, os.W_OK)
    yield Check(
        name="disk",
        finding=finding if writable else "fail",
        text=f"{free / 1e9:,.1f} GB free at {platform.home}" + ("" if writable else ", which may not be written to"),
        remedy="" if finding == "ok" and writable else "free some space, or name another `home`; `loopwright gc` helps",
    )


def state(platform: Platform) -> Iterator[Check]:
    """Whether the database answers, takes a writer, and is at our migration."""
    url = make_url(platform.settings.state_url(platform.root))
    shown = url.render_as_string(hide_password=True)
    file = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
    if file is not None and not file.exists():
        yield Check(name="state", finding="ok", text=f"{shown} is not there yet; the first command makes it")
        return
    with closing(State(platform.settings.state_url(platform.root), wait_seconds=2.0)) as state:
        found = schema.version(state)
        with state.write():
            pass
    if found is not None and found > schema.HEAD:
        raise StateError(f"{shown} is at migration {found}, ours is {schema.HEAD}", remedy="install the newer version")
    size = f", {file.stat().st_size / 1e6:,.1f} MB" if file else ""
    at = (
        f"migration {found}" if found == schema.HEAD else f"migration {found or 'none'}, to be brought to {schema.HEAD}"
    )
    yield Check(name="state", finding="ok", text=f"{shown} answers: {at}{size}")


def is_prepared(platform: Platform) -> bool:
    """Whether the state database is there with our tables: asking it changes nothing then."""
    url = make_url(platform.settings.state_url(platform.root))
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return False
    with closing(State(platform.settings.state_url(platform.root), wait_seconds=2.0)) as state:
        return schema.version(state) == schema.HEAD


def storage(platform: Platform) -> Iterator[Check]:
    """Whether the object store writes, reads and creates conditionally."""
    storage, key = platform.storage, f"{new_id('doctor', platform.clock.now())}.txt"
    where = masked("storage", platform.settings.storage_url(platform.root))
    try:
        first, again = storage.create(key, b"written"), storage.create(key, b"written again")
        kept = storage.get(key)
    finally:
        storage.delete(key)
    sound = first and not again and kept == b"written"
    yield Check(
        name="store",
        finding="ok" if sound else "fail",
        text=f"{where} writes, reads and creates conditionally"
        if sound
        else f"{where} lets two create the same object",
        remedy="" if sound else "use a store with conditional writes: two promoters at once must not both win",
    )


def mlflow(platform: Platform) -> Iterator[Check]:
    """Whether MLflow answers."""
    uri = masked("tracking", platform.settings.tracking_url(platform.root))
    if platform.settings.tracking == "off":
        yield Check(name="mlflow", finding="ok", text="turned off")
    elif not platform.settings.tracking and not (platform.home / "mlflow" / "mlflow.db").exists():
        yield Check(name="mlflow", finding="ok", text=f"{uri} is not there yet; the first run makes it")
    else:
        assert platform.tracking is not None
        platform.tracking.aliases("doctor")
        yield Check(name="mlflow", finding="ok", text=f"{uri} answers")


def jobs(platform: Platform) -> Iterator[Check]:
    """Whether the jobs' Python loads what they need."""
    python = platform.settings.job_python or sys.executable
    try:
        # LightGBM's wheel needs the system's OpenMP library (libgomp), which not every machine has.
        words = [python, "-c", "import lightgbm, loopwright; print(lightgbm.__version__, loopwright.__version__)"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        trouble = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    except (OSError, subprocess.TimeoutExpired) as error:
        trouble = [str(error)]
    if not trouble:
        yield Check(name="jobs", finding="ok", text=f"{python} loads Loopwright and LightGBM")
        return
    remedy = "name a Python that has Loopwright installed in `job_python`"
    if "libgomp" in trouble[0]:
        remedy = "install the system's OpenMP library: sudo apt-get install libgomp1"
    yield Check(name="jobs", finding="fail", text=f"{python} cannot run jobs: {trouble[0]}", remedy=remedy)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
