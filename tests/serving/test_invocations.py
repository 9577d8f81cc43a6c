"""CSV, JSON and JSON lines, as SageMaker's and MLflow's clients send them."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from loopwright.bundle.records import Input, Signature
from loopwright.errors import RequestError
from loopwright.serving.invocations import decode_rows, encode_rows

SIGNATURE = Signature(inputs=(Input(name="x", kind="number"), Input(name="shop", kind="text")), outputs=())
EXPECTED = {"x": [1.5, None], "shop": ["a", "b"]}
RECORDS = [{"x": 1.5, "shop": "a"}, {"x": None, "shop": "b"}]


@pytest.mark.parametrize(
    "document",
    [
        RECORDS,
        [[1.5, "a"], [None, "b"]],
        {"instances": RECORDS},
        {"instances": [[1.5, "a"], [None, "b"]]},
        {"inputs": EXPECTED},
        {"inputs": RECORDS},
        {"dataframe_records": RECORDS},
        {"dataframe_split": {"columns": ["x", "shop"], "data": [[1.5, "a"], [None, "b"]], "index": [0, 1]}},
        {"dataframe_split": {"columns": ["shop", "x"], "data": [["a", 1.5], ["b", None]]}},
    ],
)
def test_every_shape_of_json_gives_the_same_rows(document: Any) -> None:
    found = decode_rows(orjson.dumps(document), "application/json; charset=utf-8", SIGNATURE)
    assert (dict(sorted(found.columns.items())), found.count) == (dict(sorted(EXPECTED.items())), 2)


@pytest.mark.parametrize("kind", ["application/jsonlines", "application/x-jsonlines", "application/jsonl"])
def test_json_lines(kind: str) -> None:
    assert decode_rows(b'{"x": 1.5, "shop": "a"}\n\n{"x": null, "shop": "b"}\n', kind, SIGNATURE).columns == EXPECTED
    assert decode_rows(b'{"features": [1.5, "a"]}\n{"features": [null, "b"]}', kind, SIGNATURE).columns == EXPECTED


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"1.5,a\n,b\n", "text/csv"),
        (b"1.5,a\r\n,b", "text/csv; header=absent"),
        (b"x,shop\n1.5,a\n,b\n", "text/csv"),
        (b"\xef\xbb\xbfshop,x\na,1.5\nb,\n", "TEXT/CSV; charset=utf-8"),
        (b'x,shop\n1.5,"a"\n"",b\n', "text/csv; header = present"),
    ],
)
def test_csv_with_and_without_header(body: bytes, kind: str) -> None:
    assert decode_rows(body, kind, SIGNATURE).columns == {"x": ["1.5", None], "shop": ["a", "b"]} | {}


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"<x/>", "application/xml", "the content type is 'application/xml'"),
        (b"1,2,3", "text/csv", "row 1 has 3 values, but 2 are expected"),
        (b"x,x\n1,2", "text/csv;header=present", "names a column twice"),
        (b"\xff\xfe", "text/csv", "no CSV in UTF-8"),
        (b'"1.5', "text/csv", "no CSV"),
        (b"{", "application/json", "the body is no JSON"),
        (b"7", "application/json", "the body is 7"),
        (b'{"data": []}', "", "the body is an object with 'data'"),
        (b'{"instances": 3}', "", "the rows are 3"),
        (b'{"dataframe_split": {"columns": "x", "data": []}}', "", "lacks columns or data"),
        (b'{"dataframe_split": {"columns": ["x", "x"], "data": []}}', "", "names a column twice"),
        (b'{"x": 1}\n{', "application/jsonlines", "the body is no JSON"),
        (b"[" * 100_000, "", "the body is no JSON"),
        (b'{"inputs": [], "instances": []}', "", "the body is an object with 'inputs', 'instances'"),
        (b"1.5,a", "text/csv; charset=latin-1", "the charset is 'latin-1'"),
    ],
)
def test_what_cannot_be_read_is_named(body: bytes, kind: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        decode_rows(body, kind, SIGNATURE)


def test_one_output_is_a_list_of_numbers() -> None:
    outputs: dict[str, Any] = {"prediction": np.array([1.5, np.nan])}
    assert encode_rows(outputs, "*/*") == ("application/json", b'{"predictions":[1.5,null]}')
    assert encode_rows(outputs, "text/csv") == ("text/csv", b"1.5\nnan\n")
    assert encode_rows(outputs, "application/jsonlines")[1] == b"1.5\nnull\n"


def test_several_outputs_are_named() -> None:
    outputs: dict[str, Any] = {"probabilities": np.array([[0.25, 0.75]]), "label": np.array(["b, c"])}
    rows = orjson.loads(encode_rows(outputs, "")[1])
    assert rows == {"predictions": [{"probabilities": [0.25, 0.75], "label": "b, c"}]}
    assert encode_rows(outputs, "text/csv")[1] == b'0.25,0.75,"b, c"\n'
