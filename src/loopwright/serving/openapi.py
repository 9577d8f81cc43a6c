"""The inference server's OpenAPI document: what its doors take and give, for clients, and for tests that doubt it.

It is the same on every server: which endpoints there are, and their columns, `GET /v2/models/<name>` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, get_args

import orjson

from loopwright.serving.arrow_streams import ARROW
from loopwright.serving.binary_tensors import Datatype
from loopwright.serving.invocations import CSV, JSON, JSON_LINES
from loopwright.serving.sagemaker import MOST_ATTRIBUTES

Node = dict[str, Any]


def openapi_json() -> bytes:
    """The document, OpenAPI 3.1."""
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Loopwright inference server",
                "version": version("loopwright"),
                "description": "Open Inference Protocol v2, SageMaker's runtime, MLflow scoring and Arrow streams. "
                "Bodies may be compressed (gzip, deflate), answers are where that is accepted.",
            },
            "paths": {**_inference(), **_models(), **_health()},
            "components": {
                "schemas": _SCHEMAS,
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            },
            "security": [{}, {"token": []}],
        }
    )


def _inference() -> Node:
    return {
        "/invocations": {"post": _invoke("invoke_only", [_header("X-Loopwright-Endpoint", "the endpoint to ask")])},
        "/endpoints/{name}/invocations": {"post": _invoke("invoke", [_NAME])},
        "/endpoints/{name}/outcomes": {"post": _outcomes()},
        "/v2/models/{name}/infer": {"post": _infer("infer", [_NAME])},
        "/v2/models/{name}/versions/{version}/infer": {"post": _infer("infer_version", [_NAME, _VERSION])},
    }


def _models() -> Node:
    model, ready = _ref("Model"), _ref("ModelReady")
    return {
        "/v2": {"get": _get("server_metadata", "What the server is", _ref("Server"))},
        "/v2/models/{name}": {"get": _get("model_metadata", "What a model takes and gives", model, [_NAME])},
        "/v2/models/{name}/ready": {"get": _get("model_ready", "Whether a model is loaded", ready, [_NAME])},
        "/v2/models/{name}/versions/{version}": {
            "get": _get("version_metadata", "What a version takes and gives", model, [_NAME, _VERSION])
        },
        "/v2/models/{name}/versions/{version}/ready": {
            "get": _get("version_ready", "Whether a version is served", ready, [_NAME, _VERSION])
        },
    }


def _health() -> Node:
    live, ready = _ref("Live"), _ref("Ready")
    text = {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "text"}
    return {
        "/ping": {"get": _probe("ping", "Whether every endpoint is loaded", ready)},
        "/health": {"get": _probe("health", "The same", ready)},
        "/v2/health/ready": {"get": _probe("server_ready", "The same", ready)},
        "/v2/health/live": {"get": _probe("server_live", "Whether the process answers", live)},
        "/healthz": {"get": _probe("healthz", "The same", live)},
        "/status": {"get": _get("status", "The revision in force of each endpoint, and faults", _ref("Status"))},
        "/metrics": {"get": _operation("metrics", "Figures for Prometheus", text)},
        "/version": {"get": _operation("version", "The MLflow release whose scoring protocol this is", text)},
        "/openapi.json": {"get": _get("openapi", "This document", {"type": "object"})},
    }


def _invoke(name: str, parameters: Sequence[Node]) -> Node:
    bodies = {JSON: _ref("Rows"), CSV: {"type": "string"}, JSON_LINES: {"type": "string"}, ARROW: _BYTES}
    answers = {JSON: _ref("Predictions"), CSV: {"type": "string"}, JSON_LINES: {"type": "string"}, ARROW: _BYTES}
    answer = {"description": "a prediction for each row, in order", "headers": _ANSWERED, "content": _content(answers)}
    operation = _operation(
        name, "Predict, as SageMaker's and MLflow's clients ask", answer, [*parameters, *_ASKING, *_SAGEMAKER]
    )
    return _posted(operation, bodies, "InvocationError")


def _infer(name: str, parameters: Sequence[Node]) -> Node:
    length = _header("Inference-Header-Content-Length", "how many bytes of the body are JSON; binary tensors follow")
    answers = {JSON: _ref("InferenceResponse"), "application/octet-stream": _BYTES}
    answer = {"description": "the outputs' tensors", "headers": _ANSWERED, "content": _content(answers)}
    bodies = {JSON: _ref("InferenceRequest"), "application/octet-stream": _BYTES}
    operation = _operation(name, "Predict: Open Inference Protocol v2", answer, [*parameters, *_ASKING, length])
    return _posted(operation, bodies)


def _outcomes() -> Node:
    answer = _told_in("how many were kept", _ref("OutcomesTold"))
    operation = _operation("tell_outcomes", "Tell what came true", answer, [_NAME], status="202")
    return _posted(operation, {JSON: _ref("Outcomes"), JSON_LINES: {"type": "string"}})


def _get(name: str, summary: str, schema: Node, parameters: Sequence[Node] = ()) -> Node:
    return _operation(name, summary, _told_in("found", schema), parameters)


def _probe(name: str, summary: str, schema: Node) -> Node:
    operation = _get(name, summary, schema)
    answers = {"200": operation["responses"]["200"], "503": _told_in("not ready", schema)}
    return {**operation, "responses": answers, "security": []}


def _posted(operation: Node, bodies: Node, refusal: str = "Error") -> Node:
    refusals = {status: _told_in(why, _ref(refusal)) for status, why in _REFUSALS.items()}
    content = {"required": True, "content": _content(bodies)}
    return {**operation, "responses": {**operation["responses"], **refusals}, "requestBody": content}


def _operation(name: str, summary: str, answer: Node, parameters: Sequence[Node] = (), status: str = "200") -> Node:
    refusals = {each: _told_in(_REFUSALS[each], _ref("Error")) for each in ("401", "404", "405", "503")}
    responses = {status: answer, **refusals}
    return {"operationId": name, "summary": summary, "parameters": list(parameters), "responses": responses}


def _told_in(description: str, schema: Node) -> Node:
    return {"description": description, "content": _content({JSON: schema})}


def _content(kinds: Node) -> Node:
    return {kind: {"schema": schema} for kind, schema in kinds.items()}


def _header(name: str, text: str, **schema: Any) -> Node:
    return {"name": name, "in": "header", "description": text, "schema": {"type": "string", **schema}}


def _in_path(name: str) -> Node:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _ref(name: str) -> Node:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: Sequence[str] = (), **properties: Node) -> Node:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list(items: Node) -> Node:
    return {"type": "array", "items": items}


def _told(name: str) -> Node:
    return {"description": name, "schema": {"type": "string"}}


_REFUSALS = {
    "400": "the request cannot be understood, or does not fit the signature",
    "401": "a token is required",
    "404": "no such endpoint, variant or version",
    "405": "the path takes another method: Allow names it",
    "408": "the body came too slowly",
    "413": "the body is too large, as it came or unpacked",
    "415": "the content type or encoding is unknown",
    "422": "the model fails at these rows",
    "503": "not loaded, or overloaded: Retry-After says when to come back",
    "504": "the time that the request allowed is over",
}
_TEXT: Node = {"type": "string"}
_COUNT: Node = {"type": "integer", "minimum": 0}
_BYTES: Node = {"type": "string", "format": "binary"}
_ID: Node = {"type": "string", "pattern": r"^[\x21-\x7e]{1,128}$"}
_VALUE: Node = {"type": ["number", "string", "boolean", "null"]}
_ROW: Node = {"anyOf": [{"type": "object", "additionalProperties": _VALUE}, _list(_VALUE)]}
_NAME, _VERSION = _in_path("name"), _in_path("version")
_ASKING = [
    _header("X-Loopwright-Key", "whose request it is: the same key meets the same variant"),
    _header("X-Loopwright-Variant", "who is to answer"),
    _header("X-Loopwright-Prediction-Id", "the prediction's id", pattern=_ID["pattern"]),
    _header("X-Request-Timeout-Ms", "how long the answer may take, in milliseconds", pattern="^[1-9][0-9]{0,9}$"),
]
_SAGEMAKER = [
    _header("X-Amzn-SageMaker-Target-Variant", "who is to answer"),
    _header("X-Amzn-SageMaker-Inference-Id", "the prediction's id", pattern=_ID["pattern"]),
    _header("X-Amzn-SageMaker-Custom-Attributes", "goes back with the answer", maxLength=MOST_ATTRIBUTES),
]
_ANSWERED = {
    "X-Loopwright-Prediction-Id": _told("the prediction's id, for outcomes later"),
    "X-Loopwright-Variant": _told("who answered"),
    "X-Loopwright-Version": _told("which version of the model"),
}
_ERROR: Node = _object(["error", "kind"], error=_TEXT, kind={"enum": ["request", "model", "overload", "server"]})
_TENSOR: Node = _object(
    ["name", "shape", "datatype"],
    name=_TEXT,
    shape=_list({"type": "integer"}),
    datatype={"enum": list(get_args(Datatype))},
    data=_list({"anyOf": [_VALUE, _list(_VALUE)]}),
    parameters=_object(binary_data_size=_COUNT),
)
_OUTCOME: Node = _object(
    ["value"],
    value={"type": ["number", "boolean", "string"]},
    at={"type": "string", "format": "date-time"},
    prediction_id={"type": "string", "minLength": 1, "maxLength": 140},
    key={"type": "string", "minLength": 1, "maxLength": 200},
)
_SCHEMAS: Node = {
    "Error": _ERROR,
    "InvocationError": {"allOf": [_ref("Error"), _object(["message"], message=_TEXT)]},
    "Rows": {
        "anyOf": [
            _list(_ROW),
            _object(["instances"], instances=_list(_ROW)),
            _object(["inputs"], inputs={"anyOf": [_list(_ROW), {"type": "object"}]}),
            _object(["dataframe_records"], dataframe_records=_list(_ROW)),
            _object(
                ["dataframe_split"],
                dataframe_split=_object(["columns", "data"], columns=_list(_TEXT), data=_list(_list(_VALUE))),
            ),
        ]
    },
    "Predictions": _object(["predictions"], predictions=_list({"anyOf": [_VALUE, _list(_VALUE), {"type": "object"}]})),
    "InferenceRequest": _object(
        ["inputs"],
        id=_ID,
        inputs=_list(_TENSOR),
        outputs=_list(_object(["name"], name=_TEXT, parameters=_object(binary_data={"type": "boolean"}))),
        parameters=_object(binary_data_output={"type": "boolean"}),
    ),
    "InferenceResponse": _object(
        ["model_name", "model_version", "id", "outputs"],
        model_name=_TEXT,
        model_version=_TEXT,
        id=_ID,
        parameters=_object(variant=_TEXT, revision=_COUNT),
        outputs=_list(_TENSOR),
    ),
    "Outcomes": {"anyOf": [_list(_OUTCOME), _OUTCOME, _object(["outcomes"], outcomes=_list(_OUTCOME))]},
    "OutcomesTold": _object(["kept", "refused", "errors"], kept=_COUNT, refused=_COUNT, errors=_list(_TEXT)),
    "Server": _object(["name", "version", "extensions"], name=_TEXT, version=_TEXT, extensions=_list(_TEXT)),
    "Model": _object(
        ["name", "versions", "platform", "inputs", "outputs"],
        name=_TEXT,
        versions=_list(_TEXT),
        platform=_TEXT,
        inputs=_list(_TENSOR),
        outputs=_list(_TENSOR),
    ),
    "ModelReady": _object(["name", "ready"], name=_TEXT, ready={"type": "boolean"}),
    "Live": _object(["live"], live={"type": "boolean"}),
    "Ready": _object(["ready"], ready={"type": "boolean"}, error=_TEXT),
    "Status": _object(
        ["server", "at", "revisions", "digests", "faults", "dropped"],
        server=_TEXT,
        at={"type": "string", "format": "date-time"},
        revisions={"type": "object", "additionalProperties": _COUNT},
        digests={"type": "object", "additionalProperties": _TEXT},
        faults={"type": "object", "additionalProperties": _TEXT},
        dropped=_COUNT,
    ),
}
