"""Open Inference Protocol v2 over REST: its tensors to rows, outputs to its tensors, and what it says of models."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from loopwright.bundle.blocks import Block
from loopwright.bundle.outputs import Outputs
from loopwright.bundle.records import InputKind, Output, Signature
from loopwright.errors import RequestError
from loopwright.serving.binary_tensors import Datatype, datatype_of, read_tensor, write_tensor
from loopwright.serving.endpoints import LiveEndpoint, LiveVariant
from loopwright.serving.tabular import FEW, Rows, Values, from_columns, shown

JSON_LENGTH = "Inference-Header-Content-Length"
"""The header that says how many bytes of a body are JSON, where tensors in binary follow."""


class TensorParameters(msgspec.Struct):
    """What may be said of an input: how many bytes it has behind the JSON."""

    binary_data_size: int | None = None
    shared_memory_region: Any = None


class Tensor(msgspec.Struct):
    """An input tensor: `data` is flat or nested, row by row; null where a value is missing."""

    name: str
    shape: list[int]
    datatype: Datatype
    data: Any = None
    parameters: TensorParameters | None = None


class OutputParameters(msgspec.Struct):
    """How an output is wanted: as bytes behind the JSON, or in it."""

    binary_data: bool | None = None
    classification: Any = None
    shared_memory_region: Any = None


class RequestedOutput(msgspec.Struct):
    """An output that the client asks for by name."""

    name: str
    parameters: OutputParameters | None = None


class RequestParameters(msgspec.Struct):
    """What is said of all outputs that say nothing themselves."""

    binary_data_output: bool = False


class InferenceRequest(msgspec.Struct):
    """The JSON of `POST /v2/models/<name>/infer`."""

    inputs: list[Tensor]
    id: str | None = None
    outputs: list[RequestedOutput] | None = None
    parameters: RequestParameters | None = None


def decode_request(body: bytes, json_length: str | None = None) -> InferenceRequest:
    """The request in `body`; `json_length` is what `Inference-Header-Content-Length` says, if it is there: tensors in
    binary follow then. Raises `RequestError` that names the field or the tensor which does not fit.
    """
    if json_length is None:
        return _decoded(body)
    if not (json_length.isascii() and json_length.isdecimal()) or not 0 < int(json_length[:19]) <= len(body):
        raise RequestError(
            f"{JSON_LENGTH} is {shown(json_length)}, and the body has {len(body):,} bytes",
            remedy="send how many of them are JSON, from 1 on",
        )
    whole, length = memoryview(body), int(json_length)
    request = _decoded(whole[:length])
    _attach(request.inputs, whole[length:])
    return request


def request_rows(request: InferenceRequest, names: tuple[str, ...]) -> Rows:
    """One tensor a column, each of shape [n] or [n, 1]; or one of shape [n, columns], in the order of `names`.

    Raises `RequestError` that names the tensor, what was expected and what came.
    """
    if not request.inputs:
        raise RequestError("the request has no input tensors", remedy=f"send one for each of {', '.join(names)}")
    first = request.inputs[0]
    if len(request.inputs) == 1 and len(first.shape) == 2 and (first.shape[1] != 1 or first.name not in names):
        return _matrix(first, names)
    columns: dict[str, Any] = {}
    for tensor in request.inputs:
        if tensor.name in columns:
            raise RequestError(f"the tensor {shown(tensor.name)} is there twice", remedy="send each tensor once")
        data = tensor.data
        if type(data) is list and tensor.shape in _ONE_ROW and len(data) == 1 and type(data[0]) is not list:
            columns[tensor.name] = data
            continue
        if len(tensor.shape) != 1 and (len(tensor.shape) != 2 or tensor.shape[1] != 1):
            raise _misshaped(tensor, "[n] or [n, 1]")
        columns[tensor.name] = _flat(tensor)
    return from_columns(columns, "inputs")


def check_outputs(request: InferenceRequest, signature: Signature) -> None:
    """Raise `RequestError` for an output that is asked for and does not exist, or cannot be had in that way."""
    if not request.outputs:
        return
    have = [one.name for one in signature.outputs]
    for wanted in request.outputs:
        if wanted.name not in have:
            raise RequestError(
                f"the model has no output {shown(wanted.name)}", remedy=f"its outputs are: {', '.join(have)}"
            )
        said = wanted.parameters
        if said is not None and (said.classification is not None or said.shared_memory_region is not None):
            raise RequestError(
                f"the output {shown(wanted.name)} is asked for with classification or shared_memory_region",
                remedy="this server has neither; ask for its values",
            )


def encode_response(
    model: str, request_id: str, live: LiveVariant, outputs: Outputs, request: InferenceRequest
) -> tuple[bytes, int | None]:
    """The body of the answer: all outputs, or those that are asked for. Where some are in binary, they follow the JSON,
    and its length is given too.
    """
    asked = request.outputs
    names = list(dict.fromkeys(one.name for one in asked if one.name in outputs)) if asked else list(outputs)
    binary = _in_binary(request, outputs)
    raw = {name: write_tensor(outputs[name]) for name in names if name in binary} if binary else {}
    head = orjson.dumps(
        {
            "model_name": model,
            "model_version": live.number,
            "id": request_id,
            "parameters": live.parameters,
            "outputs": [_tensor(name, outputs[name], raw.get(name)) for name in names],
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    return (b"".join((head, *raw.values())), len(head)) if raw else (head, None)


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


def _decoded(json: bytes | memoryview) -> InferenceRequest:
    try:
        return _DECODER.decode(json)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(
            f"the body is no inference request: {error}", remedy="see the Open Inference Protocol, version 2"
        ) from None


def _attach(tensors: Sequence[Tensor], raw: memoryview) -> None:
    """Give each tensor that says how many bytes it has its values, in turn."""
    place = 0
    for tensor in tensors:
        size = tensor.parameters.binary_data_size if tensor.parameters else None
        if size is None:
            continue
        if tensor.data is not None or not 0 <= size <= len(raw) - place:
            left = "data in the JSON too" if tensor.data is not None else f"{len(raw) - place:,} are left in the body"
            raise RequestError(
                f"the tensor {shown(tensor.name)} has the binary_data_size {size:,}, but {left}",
                remedy="send each tensor once, and the binary ones in the order of the inputs",
            )
        values = read_tensor(tensor.name, tensor.datatype, _count(tensor), raw[place : place + size])
        few = not tensor.shape or tensor.shape[0] <= FEW
        tensor.data = values.tolist() if few and isinstance(values, np.ndarray) else values
        place += size
    if place != len(raw):
        raise RequestError(
            f"{len(raw) - place:,} bytes follow the last tensor", remedy="say how many each has as its binary_data_size"
        )


def _matrix(tensor: Tensor, names: tuple[str, ...]) -> Rows:
    width, rows, data = len(names), tensor.shape[0], tensor.data
    if tensor.shape[1] != width:
        raise _misshaped(tensor, f"[n, {width}]: {', '.join(names)}")
    if rows == 1 and type(data) is list and len(data) == width and type(data[0]) is not list:
        return Rows(Block(names, data, 1), 1)
    values = _flat(tensor)
    if rows > FEW and tensor.datatype in _FLOATS:
        with suppress(ValueError, TypeError, OverflowError):  # what is no number is found by name, further on
            array = np.asarray(values, dtype=np.float64)
            values = array if array.ndim == 1 else values
    return Rows(Block(names, values, rows), rows)


def _flat(tensor: Tensor) -> Values:
    data, expected = tensor.data, _count(tensor)
    if isinstance(data, np.ndarray):
        return data
    if not isinstance(data, list):
        raise _without_data(tensor)
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


def _count(tensor: Tensor) -> int:
    if min(tensor.shape, default=0) < 0:
        raise _misshaped(tensor, "lengths from 0 on")
    return math.prod(tensor.shape)


def _without_data(tensor: Tensor) -> RequestError:
    said = tensor.parameters or TensorParameters()
    if said.shared_memory_region is not None:
        what, remedy = "lies in shared memory", "send its values: this server shares no memory with its clients"
    elif said.binary_data_size is not None:
        what, remedy = "is in binary", f"say in {JSON_LENGTH} how many bytes of the body are JSON"
    else:
        what = "has no data" if tensor.data is None else f"holds {shown(tensor.data)}"
        remedy = f"send {_count(tensor)} values as its data, in a list"
    return RequestError(f"the tensor {shown(tensor.name)} {what}", remedy=remedy)


def _misshaped(tensor: Tensor, expected: str) -> RequestError:
    return RequestError(f"the tensor {shown(tensor.name)} has the shape {tensor.shape}", remedy=f"send {expected}")


def _in_binary(request: InferenceRequest, outputs: Outputs) -> Collection[str]:
    """The names of the outputs that are wanted in binary."""
    default = request.parameters is not None and request.parameters.binary_data_output
    if not request.outputs:
        return outputs if default else ()
    said = {one.name: one.parameters.binary_data if one.parameters else None for one in request.outputs}
    return [name for name, binary in said.items() if (default if binary is None else binary)]


def _tensor(name: str, values: NDArray[np.generic], raw: bytes | None) -> dict[str, Any]:
    tensor: dict[str, Any] = {"name": name, "shape": values.shape, "datatype": datatype_of(values)}
    if raw is not None:
        tensor["parameters"] = {"binary_data_size": len(raw)}
    elif values.size <= _FEW_VALUES or values.dtype.kind not in "fiub":
        tensor["data"] = (values if values.ndim == 1 else values.ravel()).tolist()
    else:
        tensor["data"] = np.ascontiguousarray(values.reshape(-1))
    return tensor


def _output_metadata(one: Output) -> dict[str, Any]:
    shape = [-1, one.width] if one.width else [-1]
    return {"name": one.name, "datatype": "FP64" if one.kind == "number" else "BYTES", "shape": shape}


_FEW_VALUES = 256
_ONE_ROW = ([1], [1, 1])
_DECODER = msgspec.json.Decoder(InferenceRequest)
_FLOATS = ("FP16", "BF16", "FP32", "FP64")
_INPUT: dict[InputKind, str] = {
    "number": "FP64", "integer": "INT64", "boolean": "BOOL", "text": "BYTES", "date": "BYTES", "datetime": "BYTES",
}  # fmt: skip
