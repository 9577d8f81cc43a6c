"""Open Inference Protocol v2 over REST: its tensors to rows, outputs to its tensors, and what it says of models."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Literal

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from loopwright.bundle.records import InputKind, Output, Signature
from loopwright.errors import RequestError
from loopwright.serving.endpoints import LiveEndpoint, LiveVariant
from loopwright.serving.models import Outputs
from loopwright.serving.tabular import Rows, Values, from_columns, shown

DATATYPES = (
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES",
)  # fmt: skip
Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]


class Tensor(msgspec.Struct):
    """An input tensor: `data` is flat or nested, row by row; null where a value is missing."""

    name: str
    shape: list[int]
    datatype: Datatype
    data: list[Any]


class RequestedOutput(msgspec.Struct):
    """An output that the client asks for by name."""

    name: str


class InferenceRequest(msgspec.Struct):
    """The body of `POST /v2/models/<name>/infer`."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[RequestedOutput] | None = None


def decode_request(body: bytes) -> InferenceRequest:
    """Raises `RequestError` that names the field which does not fit."""
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(
            f"the body is no inference request: {error}", remedy="see the Open Inference Protocol, version 2"
        ) from None


def request_rows(request: InferenceRequest, signature: Signature) -> Rows:
    """One tensor a column, each of shape [n] or [n, 1]; or one of shape [n, columns], in the signature's order.

    Raises `RequestError` that names the tensor, what was expected and what came.
    """
    names = [one.name for one in signature.inputs]
    if not request.inputs:
        raise RequestError("the request has no input tensors", remedy=f"send one for each of {', '.join(names)}")
    first = request.inputs[0]
    if len(request.inputs) == 1 and len(first.shape) == 2 and (first.name not in names or first.shape[1] != 1):
        return _matrix(first, names)
    columns: dict[str, Any] = {}
    for tensor in request.inputs:
        if tensor.name in columns:
            raise RequestError(f"the tensor {shown(tensor.name)} is there twice", remedy="send each tensor once")
        if tensor.shape in _ONE_ROW and len(tensor.data) == 1 and type(tensor.data[0]) is not list:
            columns[tensor.name] = tensor.data
            continue
        if len(tensor.shape) != 1 and (len(tensor.shape) != 2 or tensor.shape[1] != 1):
            raise _misshaped(tensor, "[n] or [n, 1]")
        columns[tensor.name] = _flat(tensor)
    return from_columns(columns, "inputs")


def check_outputs(request: InferenceRequest, signature: Signature) -> None:
    """Raise `RequestError` for an output that is asked for and does not exist."""
    have = [one.name for one in signature.outputs]
    for wanted in request.outputs or ():
        if wanted.name not in have:
            raise RequestError(
                f"the model has no output {shown(wanted.name)}", remedy=f"its outputs are: {', '.join(have)}"
            )


def encode_response(
    model: str, request_id: str, live: LiveVariant, outputs: Outputs, wanted: Sequence[RequestedOutput] | None
) -> bytes:
    """The body of the answer: all outputs, or those that are wanted."""
    names = [one.name for one in wanted if one.name in outputs] if wanted else list(outputs)
    return orjson.dumps(
        {
            "model_name": model,
            "model_version": str(live.variant.version),
            "id": request_id,
            "parameters": {"variant": live.variant.name, "revision": live.revision.number},
            "outputs": [_tensor(name, outputs[name]) for name in names],
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def model_metadata(name: str, endpoint: LiveEndpoint, live: LiveVariant) -> dict[str, Any]:
    """What `GET /v2/models/<name>` says."""
    signature = live.model.manifest.signature
    return {
        "name": name,
        "versions": sorted({str(one.variant.version) for one in endpoint.variants}, key=int),
        "platform": f"loopwright_{live.model.manifest.runtime}",
        "inputs": [{"name": one.name, "datatype": _INPUT[one.kind], "shape": [-1]} for one in signature.inputs],
        "outputs": [_output_metadata(one) for one in signature.outputs],
    }


def _matrix(tensor: Tensor, names: Sequence[str]) -> Rows:
    width = len(names)
    if tensor.shape[1] != width:
        raise _misshaped(tensor, f"[n, {width}]: {', '.join(names)}")
    values = _flat(tensor)
    if len(values) == width:
        return Rows({name: [value] for name, value in zip(names, values, strict=True)}, 1)
    columns: Iterable[Values] = (values[place::width] for place in range(width))
    if tensor.shape[0] > _FEW_ROWS and tensor.datatype.startswith("FP"):
        with suppress(ValueError, TypeError, OverflowError):  # what is no number is found by name, further on
            columns = np.array(values, dtype=np.float64).reshape(tensor.shape).T
    return Rows(dict(zip(names, columns, strict=True)), tensor.shape[0])


def _flat(tensor: Tensor) -> list[Any]:
    data, expected = tensor.data, math.prod(tensor.shape) if min(tensor.shape, default=0) >= 0 else -1
    if expected < 0:
        raise _misshaped(tensor, "lengths from 0 on")
    if data and isinstance(data[0], list) and len(data) == tensor.shape[0]:
        if len(tensor.shape) == 1 or any(not isinstance(row, list) or len(row) != tensor.shape[1] for row in data):
            raise _misshaped(tensor, f"data nested as {tensor.shape}")
        data = list(chain.from_iterable(data))
    if len(data) != expected:
        raise RequestError(
            f"the tensor {shown(tensor.name)} has the shape {tensor.shape}, but {len(data)} values",
            remedy=f"send {expected} values",
        )
    return data


def _misshaped(tensor: Tensor, expected: str) -> RequestError:
    return RequestError(f"the tensor {shown(tensor.name)} has the shape {tensor.shape}", remedy=f"send {expected}")


def _tensor(name: str, values: NDArray[np.generic]) -> dict[str, Any]:
    flat = values.reshape(-1)
    data: Any = flat.tolist() if flat.size <= _FEW or flat.dtype.kind not in "fiub" else np.ascontiguousarray(flat)
    return {"name": name, "shape": list(values.shape), "datatype": _datatype(values.dtype), "data": data}


def _datatype(dtype: np.dtype[Any]) -> str:
    return _BY_DTYPE.get(dtype.str[1:], "BYTES")


def _output_metadata(one: Output) -> dict[str, Any]:
    shape = [-1, one.width] if one.width else [-1]
    return {"name": one.name, "datatype": "FP64" if one.kind == "number" else "BYTES", "shape": shape}


_FEW = 256
_FEW_ROWS = 16
_ONE_ROW = ([1], [1, 1])
_DECODER = msgspec.json.Decoder(InferenceRequest)
_BY_DTYPE = {"f8": "FP64", "f4": "FP32", "i8": "INT64", "i4": "INT32", "b1": "BOOL"}
_INPUT: dict[InputKind, str] = {
    "number": "FP64", "integer": "INT64", "boolean": "BOOL", "text": "BYTES", "date": "BYTES", "datetime": "BYTES",
}  # fmt: skip
