"""The gRPC contract: the standard's own, compiled from our .proto; and its tensors, in every form they may come in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet, ServiceDescriptorProto
from grpc_tools import protoc
from hypothesis import given, settings
from hypothesis import strategies as st

import loopwright.serving
from loopwright.errors import RequestError
from loopwright.serving.binary_tensors import write_tensor
from loopwright.serving.grpc_messages import MESSAGES, parse, request_of

SERVING = Path(loopwright.serving.__file__).parent
REMAKE = (
    "python -m grpc_tools.protoc -I. --descriptor_set_out=inference.binpb inference.proto, in src/loopwright/serving"
)


def test_the_descriptor_is_what_the_proto_compiles_to(tmp_path: Path) -> None:
    made = tmp_path / "made.binpb"
    assert protoc.main(["protoc", f"-I{SERVING}", f"--descriptor_set_out={made}", "inference.proto"]) == 0
    shipped = FileDescriptorSet.FromString((SERVING / "inference.binpb").read_bytes())
    assert shipped == FileDescriptorSet.FromString(made.read_bytes()), f"remake it: {REMAKE}"


def test_the_contract_is_the_one_that_triton_s_client_speaks() -> None:
    from tritonclient.grpc import service_pb2

    theirs = service_pb2.DESCRIPTOR
    (ours,) = FileDescriptorSet.FromString((SERVING / "inference.binpb").read_bytes()).file
    assert ours.package == theirs.package == "inference"
    for message in ours.message_type:
        other = DescriptorProto()
        theirs.message_types_by_name[message.name].CopyToProto(other)
        assert _fields(message) == _fields(other), message.name
    (service,) = ours.service
    other_service = ServiceDescriptorProto()
    theirs.services_by_name[service.name].CopyToProto(other_service)
    methods = {one.name: (one.input_type, one.output_type) for one in other_service.method}
    assert service.method
    for method in service.method:
        assert methods[method.name] == (method.input_type, method.output_type)


def _fields(message: DescriptorProto) -> set[Any]:
    own = {(f.name, f.number, f.type, f.label, f.type_name, f.HasField("oneof_index")) for f in message.field}
    return own | {(nested.name, frozenset(_fields(nested))) for nested in message.nested_type}


TYPES = {
    "BOOL": ("bool_contents", "?"), "INT8": ("int_contents", "i1"), "INT16": ("int_contents", "i2"),
    "INT32": ("int_contents", "i4"), "INT64": ("int64_contents", "i8"), "UINT8": ("uint_contents", "u1"),
    "UINT16": ("uint_contents", "u2"), "UINT32": ("uint_contents", "u4"), "UINT64": ("uint64_contents", "u8"),
    "FP32": ("fp32_contents", "f4"), "FP64": ("fp64_contents", "f8"),
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(datatype=st.sampled_from(sorted(TYPES)), data=st.data())
def test_a_tensor_reads_the_same_typed_and_raw(datatype: str, data: st.DataObject) -> None:
    field, code = TYPES[datatype]
    dtype = np.dtype(code)
    one = st.booleans() if dtype.kind == "b" else st.floats(width=32) if dtype.kind == "f" else _integers(dtype)
    values = np.array(data.draw(st.lists(one, max_size=40)), dtype=dtype)
    about = {"name": "x", "datatype": datatype, "shape": [len(values)]}
    (typed,) = request_of(_request([{**about, "contents": {field: values.tolist()}}])).inputs
    (raw,) = request_of(_request([about], raw_input_contents=[write_tensor(values)])).inputs
    np.testing.assert_array_equal(np.asarray(typed.data, dtype), values)
    np.testing.assert_array_equal(np.asarray(raw.data, dtype), values)


def _integers(dtype: np.dtype[Any]) -> st.SearchStrategy[int]:
    limits = np.iinfo(dtype)
    return st.integers(int(limits.min), int(limits.max))


def test_texts_are_read_typed() -> None:
    about = {"name": "x", "datatype": "BYTES", "shape": [2], "contents": {"bytes_contents": ["é".encode(), b""]}}
    assert request_of(_request([about])).inputs[0].data == ["é", ""]


X = {"name": "x", "datatype": "FP64", "shape": [1]}


@pytest.mark.parametrize(
    ("inputs", "raw", "said"),
    [
        ([{**X, "datatype": "FLOAT"}], [], "the tensor 'x' has the datatype 'FLOAT'"),
        ([{**X, "contents": {"fp32_contents": [1]}}], [], "is of FP64, but has fp32_contents"),
        ([{**X, "datatype": "FP16"}], [], "is of FP16"),
        ([{**X, "datatype": "FP16", "contents": {"fp32_contents": [1]}}], [], "is of FP16, but has fp32_contents"),
        ([X], [b"12345678"] * 2, "1 inputs and 2 raw_input_contents"),
        ([X, X], [b"12345678"], "2 inputs and 1 raw_input_contents"),
        ([{**X, "contents": {"fp64_contents": [1]}}], [b"12345678"], "raw contents and others"),
        ([X], [b"1234"], "the tensor 'x' has 4 bytes"),
        ([{**X, "shape": [-1]}], [b"12345678"], r"has the shape \[-1\]"),
        ([{**X, "datatype": "BYTES", "contents": {"bytes_contents": [b"\xff"]}}], [], "no UTF-8"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(inputs: list[dict[str, Any]], raw: list[bytes], said: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        request_of(_request(inputs, raw_input_contents=raw))
    assert raised.value.remedy


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_bring_it_down(data: bytes) -> None:
    with suppress(RequestError):
        request_of(parse("ModelInferRequest", data))


def _request(inputs: list[dict[str, Any]], **fields: Any) -> Any:
    message = MESSAGES["inference.ModelInferRequest"](model_name="demand", inputs=inputs, **fields)
    return parse("ModelInferRequest", message.SerializeToString())
