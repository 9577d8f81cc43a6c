"""MLflow's own server as an application inside ours, so that its pages, API and artifacts need no second process."""

from __future__ import annotations

import importlib
import os
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from loopwright.adapters.mlflow.database import alone_at
from loopwright.errors import StateError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_ASSISTANT = "/ajax-api/3.0/mlflow/assistant"


def mlflow_app(
    database_url: str, artifacts: Path | str, *, allowed_hosts: Sequence[str] = ()
) -> tuple[Application, AbstractAsyncContextManager[None]]:
    """MLflow over its own database, and the context to hold while it serves: `app.mount("/mlflow", application)`.

    `artifacts` is a folder or an object store's URL; clients reach what lies there through the server. MLflow answers
    requests by a local name or a private address only, unless `allowed_hosts` says which (`*` takes the place of any
    part). The database is made, or brought up to date, before this returns (seconds, the first time). One a process:
    MLflow keeps its settings in the environment. Raises `StateError` where the database refuses.
    """
    destination = artifacts if isinstance(artifacts, str) else artifacts.absolute().as_uri()
    os.environ.update(
        {
            "_MLFLOW_SERVER_FILE_STORE": database_url,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": destination,
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
    )
    if allowed_hosts:
        os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"] = ",".join(allowed_hosts)
    # MLflow's server reads its settings while it is imported: they must be in the environment by then.
    handlers = importlib.import_module("mlflow.server.handlers")
    _open_database(database_url, handlers)
    server = importlib.import_module("mlflow.server.fastapi_app").create_fastapi_app()
    return _at_root(server), server.router.lifespan_context(server)


def _open_database(url: str, handlers: Any) -> None:
    theirs = os.environ.get("MLFLOW_TRACKING_URI")
    try:
        with alone_at(url):
            handlers.initialize_backend_stores(url, url, "mlflow-artifacts:/")
    except (MlflowException, SQLAlchemyError) as error:
        cause = str(error).strip().split("\n", 1)[0]
        raise StateError(
            f"MLflow's database could not be opened: {cause}", remedy="check its URL, its disk and its version"
        ) from error
    finally:
        # MLflow names its database to every process that we start; a job's code must not write there unasked.
        if theirs is None:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        else:
            os.environ["MLFLOW_TRACKING_URI"] = theirs


def _at_root(server: Application) -> Application:
    """`server` as if it stood at the root: it protects its API from other sites' pages by paths that begin there.

    A page of our own site, whatever that is called, is no other site's. Its assistant, which runs commands on this
    machine for whoever opens the page, is not offered.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        path = scope["path"].removeprefix(root)
        if path.startswith(_ASSISTANT):
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"MLflow's assistant is not offered here"})
            return
        headers = _without_own_origin(scope.get("headers", []))
        here = {"root_path": "", "path": path, "raw_path": path.encode(), "headers": headers}
        await server({**scope, **here}, receive, send)

    return application


def _without_own_origin(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    host = dict(headers).get(b"host", b"")
    own = (b"http://" + host, b"https://" + host)
    return [(name, value) for name, value in headers if name != b"origin" or value not in own]
