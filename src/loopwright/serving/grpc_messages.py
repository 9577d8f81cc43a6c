"""The messages of Open Inference Protocol v2 over gRPC: requests to tensors, outputs to answers.

They are made from `inference.proto`'s compiled form in a pool of their own, so that a client of the same protocol in
this process (Triton's, say) keeps its own classes of the same names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import msgspec
import numpy as np
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClassesForFiles
from numpy.typing import NDArray

from loopwright.errors import RequestError
from loopwright.serving.binary_tensors import Datatype, datatype_of, read_tensor, write_tensor
from loopwright.serving.dataplane import Answer
from loopwright.serving.protocol_v2 import InferenceRequest, OutputParameters, RequestedOutput, Tensor, TensorParameters
from loopwright.serving.tabular import FEW, Values, shown

SERVICE = "inference.GRPCInferenceService"


def parse(name: str, data: bytes) -> Any:
    """The message called `name` in `data`. Raises `RequestError`."""
    try:
        return MESSAGES[f"inference.{name}"].FromString(data)
    except DecodeError as error:
        raise RequestError(
            f"the message is no {name}: {error}", remedy="use the protocol's own inference.proto"
        ) from None


def make(message: str, /, **fields: Any) -> bytes:
    """The message called `message` as bytes."""
    made: bytes = MESSAGES[f"inference.{message}"](**fields).SerializeToString()
    return made


def request_of(message: Any) -> InferenceRequest:
    """What a `ModelInferRequest` holds. Raises `RequestError` naming the tensor, what was expected and what came."""
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise RequestError(
            f"there are {len(message.inputs)} inputs and {len(raw)} raw_input_contents",
            remedy="send raw contents for each input, in their order, or for none",
        )
    return InferenceRequest(
        inputs=[_tensor(one, raw[place] if raw else None) for place, one in enumerate(message.inputs)],
        id=message.id or None,
        outputs=[RequestedOutput(one.name, _output_parameters(one.parameters)) for one in message.outputs] or None,
    )


def answer_of(message: Any, answer: Answer) -> bytes:
    """The `ModelInferResponse` to a `ModelInferRequest`: raw contents where it came with such."""
    live, wanted = answer.live, [one.name for one in message.outputs] or answer.outputs
    outputs = {name: answer.outputs[name] for name in wanted if name in answer.outputs}
    raw = bool(message.raw_input_contents)
    made = MESSAGES["inference.ModelInferResponse"](
        model_name=message.model_name, model_version=live.number, id=answer.prediction_id
    )
    made.parameters["variant"].string_param = live.variant.name
    made.parameters["revision"].int64_param = live.revision.number
    for name, values in outputs.items():
        datatype = datatype_of(values)
        tensor = made.outputs.add(name=name, datatype=datatype, shape=values.shape)
        if raw:
            made.raw_output_contents.append(write_tensor(values))
        else:
            getattr(tensor.contents, _CONTENTS[datatype]).extend(_written(values, datatype))
    data: bytes = made.SerializeToString()
    return data


def _tensor(one: Any, raw: bytes | None) -> Tensor:
    field = _CONTENTS.get(one.datatype)
    if field is None:
        raise RequestError(
            f"the tensor {shown(one.name)} has the datatype {shown(one.datatype)}",
            remedy=f"send one of {', '.join(_CONTENTS)}",
        )
    tensor = Tensor(one.name, one.shape[:], one.datatype)
    if "shared_memory_region" in one.parameters:
        tensor.parameters = TensorParameters(shared_memory_region=True)
    elif raw is None:
        tensor.data = _typed(one, field)
    elif one.HasField("contents"):
        raise RequestError(f"the tensor {shown(one.name)} has raw contents and others", remedy="send it in one way")
    else:
        tensor.data = _read(tensor, raw)
    return tensor


def _read(tensor: Tensor, raw: bytes) -> Values:
    shape = tensor.shape
    if min(shape, default=0) < 0:
        raise RequestError(f"the tensor {shown(tensor.name)} has the shape {shape}", remedy="send lengths from 0 on")
    values = read_tensor(tensor.name, tensor.datatype, math.prod(shape), raw)
    few = not shape or shape[0] <= FEW
    return values.tolist() if few and isinstance(values, np.ndarray) else values


def _typed(one: Any, field: str) -> list[Any]:
    """The values in the field that belongs to the datatype; there may be none in the others."""
    for other, _ in one.contents.ListFields():
        if other.name != field:
            raise RequestError(
                f"the tensor {shown(one.name)} is of {one.datatype}, but has {other.name}",
                remedy=f"send its values as {field}" if field else "send it as raw_input_contents",
            )
    if not field:
        raise RequestError(f"the tensor {shown(one.name)} is of {one.datatype}", remedy="send it as raw_input_contents")
    values = getattr(one.contents, field)
    return [_text(one.name, value) for value in values] if field == "bytes_contents" else values[:]


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise RequestError(
            f"the tensor {shown(name)} holds a text that is no UTF-8: {error.reason}", remedy="send texts in UTF-8"
        ) from None


def _output_parameters(given: Any) -> OutputParameters:
    said = {name: True for name in ("classification", "shared_memory_region") if name in given}
    return msgspec.convert(said, OutputParameters)


def _written(values: NDArray[np.generic], datatype: Datatype) -> Sequence[Any]:
    flat = values.reshape(-1).tolist()
    return [str(value).encode("utf-8", "replace") for value in flat] if datatype == "BYTES" else flat


def _message_classes() -> dict[str, Any]:
    described = FileDescriptorSet.FromString(files("loopwright.serving").joinpath("inference.binpb").read_bytes())
    pool = DescriptorPool()
    for file in described.file:
        pool.Add(file)
    made: dict[str, Any] = GetMessageClassesForFiles([file.name for file in described.file], pool)
    return made


_CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "FP16": "", "BF16": "", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Where the values of a datatype stand; empty where they come as raw bytes only."""
MESSAGES = _message_classes()
