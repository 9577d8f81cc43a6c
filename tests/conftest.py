"""What tests share: real databases, a storage, a clock, and where the real data sets are when there are any."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from loopwright.core.clock import VirtualClock
from loopwright.core.sockets import free_port
from loopwright.state.engine import State
from loopwright.state.schema import prepare

# The same examples each time: a change is told from a chance. LOOPWRIGHT_SEARCH=1 looks for new ones.
settings.register_profile("repeatable", derandomize=True)
if not os.environ.get("LOOPWRIGHT_SEARCH"):
    settings.load_profile("repeatable")

POSTGRES_REMEDY = "install PostgreSQL's server binaries, for example: sudo apt-get install postgresql"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets; tests that want one are skipped where it is not there."""
    folder = Path(os.environ.get("LOOPWRIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data sets: name their folder in LOOPWRIGHT_DATA")
    return folder


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of our own on a free port of loopback; yields its URL up to the database's name."""
    binaries = _postgres_binaries()
    if binaries is None:
        if os.environ.get("CI"):
            pytest.fail(f"CI must test PostgreSQL: {POSTGRES_REMEDY}")
        pytest.skip(POSTGRES_REMEDY)
    folder = tmp_path_factory.mktemp("postgres")
    user = _server_user(folder)
    port = free_port()

    def run(*words: str, check: bool = True) -> None:
        subprocess.run(words, check=check, capture_output=True, user=user, cwd=folder, timeout=120)

    cluster = folder / "cluster"
    run(str(binaries / "initdb"), "-D", str(cluster), "-U", "loopwright", "--auth=trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    run(str(binaries / "pg_ctl"), "-D", str(cluster), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql://loopwright@127.0.0.1:{port}"
    finally:
        run(str(binaries / "pg_ctl"), "-D", str(cluster), "-m", "immediate", "stop", check=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, empty database: each test that asks runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    import psycopg

    server = request.getfixturevalue("postgres_server")
    name = f"test_{abs(hash(request.node.nodeid)) % 10**10}_{os.getpid()}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return f"{server}/{name}"


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    """An open state database with its tables."""
    opened = State(state_url)
    prepare(opened)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def _postgres_binaries() -> Path | None:
    on_path = shutil.which("pg_ctl")
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = [*homes, *([Path(on_path).resolve().parent] if on_path else [])]
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "pg_ctl").exists()), None)


def _server_user(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root: then its own user runs it, and must be able to reach the folder."""
    if os.getuid() != 0:
        return None
    name = "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"
    shutil.chown(folder, name)
    for parent in folder.parents:
        if parent == Path("/tmp").parent:
            break
        parent.chmod(parent.stat().st_mode | 0o011)
    return name
