"""The OpenAPI document is sound, names every door, and the server keeps to it whatever schemathesis sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from jsonschema import Draft202012Validator
from schemathesis import checks

from loopwright.serving.arrow_streams import ARROW
from loopwright.serving.invocations import JSON_LINES
from loopwright.serving.openapi import openapi_json

DOCUMENT: dict[str, Any] = json.loads(openapi_json())
schema = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    conftest = next(one for one in request.config.pluginmanager.get_plugins() if hasattr(one, "start_server"))
    project = conftest.Project(tmp_path_factory.mktemp("project"))
    project.release(project.bundle())
    running = conftest.start_server(project, tmp_path_factory.mktemp("server"))
    running.wait_for()
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text()
    running.client.close()


def test_the_document_is_served_as_it_is(server: Any) -> None:
    assert server.client.get("/openapi.json").json() == DOCUMENT


def test_every_schema_is_sound_and_every_reference_leads_somewhere() -> None:
    for found in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(found)
    references = {part.split('"')[0] for part in json.dumps(DOCUMENT).split("#/components/")[1:]}
    for reference in references:
        room, name = reference.split("/")
        assert name in DOCUMENT["components"][room]


def test_every_path_is_a_door(server: Any) -> None:
    for path, operations in DOCUMENT["paths"].items():
        for method in operations:
            url = path.replace("{name}", "demand").replace("{version}", "1")
            status = server.client.request(method, url).status_code
            assert status == 200 if method == "get" else status in (400, 415), url


schemathesis.serializer.alias(JSON_LINES, "text/plain")
schemathesis.serializer.alias(ARROW, "application/octet-stream")
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@schema.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_sent_the_answer_is_declared(server: Any, case: schemathesis.Case) -> None:
    if case.path_parameters:
        names = {"name": "demand", "version": "1"}
        case.path_parameters.update({name: names[name] for name in case.path_parameters if len(str(case.body)) % 4})
    case.validate_response(case.call(base_url=str(server.client.base_url), timeout=10), checks=CHECKS)
