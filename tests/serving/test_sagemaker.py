"""SageMaker's headers, within the limits of its API, and refusals in its client's words."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.errors import RequestError
from loopwright.serving.dataplane import Call
from loopwright.serving.sagemaker import ATTRIBUTES, attributes, read_headers, refusal


def test_headers_say_who_is_to_answer_and_under_which_id() -> None:
    headers: Any = {"x-amzn-sagemaker-target-variant": "blue", "x-amzn-sagemaker-inference-id": "i"}
    call = Call("demand", 0.0)
    read_headers(headers, call)
    assert (call.variant, call.prediction_id) == ("blue", "i")


def test_our_own_headers_come_first() -> None:
    headers: Any = {"x-amzn-sagemaker-target-variant": "blue", "x-amzn-sagemaker-inference-id": "i"}
    call = Call("demand", 0.0, prediction_id="ours", variant="green")
    read_headers(headers, call)
    assert (call.variant, call.prediction_id) == ("green", "ours")


@pytest.mark.parametrize("given", [None, "", "trace=7", "x" * 1024])
def test_custom_attributes_go_back(given: str | None) -> None:
    headers: Any = {} if given is None else {ATTRIBUTES: given}
    assert attributes(headers) == given


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({ATTRIBUTES: "x" * 1025}, "the custom attributes have 1,025 characters"),
        ({ATTRIBUTES: "é"}, "the custom attributes have 1 characters"),
        ({"x-amzn-sagemaker-target-model": "m"}, "names a target model"),
    ],
)
def test_what_cannot_be_done_is_refused(headers: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        attributes(headers)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "ValidationError"), (404, "ValidationError"), (413, "ValidationError"), (422, "ModelError"),
        (500, "InternalFailure"), (503, "ServiceUnavailable"), (504, "ServiceUnavailable"),
    ],
)  # fmt: skip
def test_a_refusal_has_the_name_of_an_exception_and_our_words(status: int, kind: str) -> None:
    body, header = refusal(status, {"error": "why", "kind": "request"})
    assert header == ("x-amzn-errortype", kind)
    assert (body["error"], body["message"]) == ("why", "why")
    assert (body.get("OriginalStatusCode") == 422) is (kind == "ModelError")
