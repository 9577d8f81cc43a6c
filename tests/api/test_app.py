"""The whole application: what it imports, what it describes, and that nothing it is asked ends in a traceback."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
from starlette.responses import PlainTextResponse

from loopwright import __version__
from loopwright.api import create_app
from loopwright.bootstrap.platform import open_platform
from loopwright.errors import SettingsError

HEAVY = ("polars", "mlflow", "lightgbm", "sklearn", "pandas", "duckdb", "onnxruntime")


def test_it_fits_a_small_place(tmp_path):
    program = f"""
import asyncio, sys
import httpx
from loopwright.api import create_app
from loopwright.bootstrap.platform import open_platform
open("{tmp_path}/demand.py", "w").write("import loopwright\\nraise SystemExit('a user file was loaded')")
async def ask():
    transport = httpx.ASGITransport(create_app(open_platform("{tmp_path}")))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for path in ("readyz", "openapi.json", "api/v1/models", "api/v1/runs", "api/v1/endpoints", "api/v1/events"):
            assert (await client.get("/" + path)).status_code == 200, path
asyncio.run(ask())
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", ran.stdout + ran.stderr


def test_it_is_alive_ready_and_knows_its_version(client):
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    said = client.get("/version").json()
    assert (said["version"], said["mlflow"]) == (__version__, None)


def test_ready_names_what_does_not_answer(platform, client):
    client.get("/readyz")
    platform.close()
    database = platform.home / "state.db"
    for file in platform.home.glob("state.db*"):
        file.unlink()
    database.write_bytes(b"this is no database" * 100)
    (platform.home / "store").rename(platform.home / "moved")
    (platform.home / "store").write_text("a file stands here")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "state.db" in answer.json()["detail"]
    assert "endpoints/" in answer.json()["detail"]


def test_a_database_that_refuses_is_a_problem_with_a_remedy(platform, client):
    platform.home.mkdir()
    (platform.home / "state.db").write_bytes(b"this is no database" * 100)
    answer = client.get("/api/v1/runs")
    assert answer.status_code == 503
    problem = answer.json()
    assert problem["type"] == "urn:loopwright:StateError"
    assert "is something else or is damaged" in problem["remedy"]


def test_what_is_not_there_is_a_problem_too(client):
    answer = client.get("/api/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert client.request("DELETE", "/api/v1/runs").status_code == 405


def test_a_fault_of_our_own_tells_no_traceback(platform, client, monkeypatch):
    monkeypatch.setattr(type(platform.journal), "runs", lambda *_, **__: 1 / 0)
    answer = client.get("/api/v1/runs")
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.json()["detail"]
    assert "Traceback" not in answer.text


def test_every_answer_is_described(client):
    document = client.document
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            assert "application/problem+json" in operation["responses"]["default"]["content"], (method, path)
            assert "422" not in operation["responses"], "problems are described once, as the default"
    schemas = document["components"]["schemas"]
    assert {"ModelVersion", "Run", "Rollout", "EndpointRevision", "Finding", "Alert", "Problem"} <= schemas.keys()
    names = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("part", ["nobody", "..", "%2e%2e", "a b", "x" * 300, "%00", "%ff", "ü", "-1", "'--"])
def test_no_name_however_odd_breaks_anything(client, part):
    for path, operations in client.document["paths"].items():
        for method in operations:
            if "{" not in path:
                continue
            filled = "/".join(part if piece.startswith("{") else piece for piece in path.split("/"))
            answer = client.request(method.upper(), filled)
            assert 400 <= answer.status_code < 500, (method, filled, answer.status_code, answer.text)


LISTS_BY_MODEL = ["alerts", "events", "findings", "retrain-requests", "rollouts", "runs", "silences", "validations"]


@pytest.mark.parametrize("what", LISTS_BY_MODEL)
def test_a_model_that_is_not_there_is_no_empty_list(client, declared, what):
    answer = client.get(f"/api/v1/{what}?model=nobody")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert (answer.json()["detail"], answer.json()["remedy"]) == ("no model is called 'nobody'", "there are: demand")
    assert client.get(f"/api/v1/{what}?model=demand").status_code == 200
    assert client.get(f"/api/v1/{what}").status_code == 200


def test_every_list_by_model_is_asked_so(client):
    by_model = [
        path.removeprefix("/api/v1/")
        for path, operations in client.document["paths"].items()
        if any(
            one["name"] == "model" and one["in"] == "query" for one in operations.get("get", {}).get("parameters", ())
        )
    ]
    assert sorted(by_model) == sorted([*LISTS_BY_MODEL, "events/stream"])


@pytest.mark.parametrize("path", ["models/demand/versions/{}", "runs?offset={}", "endpoints/demand/shadow?version={}"])
def test_no_number_however_large_breaks_anything(client, release, path):
    release("first")
    answer = client.get("/api/v1/" + path.format("9" * 25))
    assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=many", "offset=-1", "status=odd"])
def test_a_wrong_parameter_is_named(client, query):
    answer = client.get(f"/api/v1/runs?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"query.{query.partition('=')[0]}")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"model": 1}', b'{"model": "demand", "reson": 1}'])
def test_a_wrong_body_is_named(client, declared, body):
    answer = client.post("/api/v1/runs", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("body")


def test_a_body_of_other_bytes_is_a_problem_too(client, declared):
    answer = client.post("/api/v1/runs", content=b"\xff\xfe", headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)


def test_beyond_loopback_it_wants_a_token(tmp_path):
    with pytest.raises(SettingsError, match=r"0\.0\.0\.0 with no token"):
        create_app(open_platform(tmp_path, overrides={"host": "0.0.0.0"}))
    assert create_app(open_platform(tmp_path, overrides={"host": "0.0.0.0", "token": "secret"}))


def test_mlflow_answers_below_its_prefix_while_the_application_lives(platform, client_of):
    lived = []

    @asynccontextmanager
    async def serving():
        lived.append("begun")
        yield
        lived.append("ended")

    app = create_app(platform, mlflow=(PlainTextResponse("MLflow"), serving()))

    async def live():
        async with app.router.lifespan_context(app):
            lived.append("lives")

    assert client_of(app).get("/mlflow/anything").text == "MLflow"
    asyncio.run(live())
    assert lived == ["begun", "lives", "ended"]
