"""What Amazon SageMaker's runtime client sends beside the body, within the limits that its API documents, and what it
looks for in an answer and in a refusal: an unmodified `boto3` client works with this server as its `endpoint_url`.
"""

from __future__ import annotations

from typing import Any

from loopwright.errors import RequestError
from loopwright.serving.dataplane import Call
from loopwright.serving.http import Headers
from loopwright.serving.tabular import shown

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
INVOKED = "x-amzn-invoked-production-variant"
ERROR_TYPE = "x-amzn-errortype"

MOST_ATTRIBUTES = 1024
"""Characters of ASCII that custom attributes may have."""


def read_headers(headers: Headers, call: Call) -> None:
    """Put the target variant and the inference id into `call`, where our own headers do not say otherwise."""
    call.variant = call.variant or headers.get("x-amzn-sagemaker-target-variant")
    call.prediction_id = call.prediction_id or headers.get("x-amzn-sagemaker-inference-id")


def attributes(headers: Headers) -> str | None:
    """The custom attributes, which go back with the answer. Raises `RequestError` where they are beyond what SageMaker
    takes, or where a model of a multi-model endpoint is asked for.
    """
    if headers.get("x-amzn-sagemaker-target-model") is not None:
        raise RequestError(
            "the request names a target model, but this is no multi-model endpoint",
            remedy="name the endpoint in the path, and a variant as the target variant",
        )
    given = headers.get(ATTRIBUTES)
    if given is not None and (len(given) > MOST_ATTRIBUTES or not _printable(given)):
        raise RequestError(
            f"the custom attributes have {len(given):,} characters: {shown(given)}",
            remedy=f"send {MOST_ATTRIBUTES:,} printable ASCII characters at most",
        )
    return given


def refusal(status: int, body: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, str]]:
    """The body and a header of a refusal, so that the client raises the exception of that name with our words."""
    if status == 422:
        kind, more = "ModelError", {"OriginalStatusCode": status, "OriginalMessage": body["error"]}
    else:
        kind, more = _SERVER_ERRORS.get(status, "ValidationError"), {}
    return {**body, "message": body["error"], **more}, (ERROR_TYPE, kind)


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable()


_SERVER_ERRORS = {500: "InternalFailure", 503: "ServiceUnavailable", 504: "ServiceUnavailable"}
