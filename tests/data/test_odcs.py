"""Contracts as files: valid by the standard's own schema, read back as written, and mistakes named by line."""

import json
from pathlib import Path

import jsonschema
import open_data_contract_standard
import pytest
import yaml

from loopwright.data.contract import ColumnRule, DataContract, read_contract, write_contract
from loopwright.errors import ContractError

FULL = DataContract(
    name="bike-demand",
    version="2.1.0",
    columns=(
        ColumnRule(name="id", kind="integer", required=True, unique=True, key=True),
        ColumnRule(name="yes", kind="boolean"),
        ColumnRule(name="temp: °C", kind="number", minimum=-0.1, maximum=1e22, nulls=0.07),
        ColumnRule(name="hour", kind="integer", minimum=0.0, maximum=23.0),
        ColumnRule(
            name="word",
            kind="text",
            values=("no", "1", "ja", "", "a\nb", "\x85", " \u2028 ", "\ufeff\t", "è: #", "~", "null"),
            strangers=0.035,
            pattern="[a-z]*",
        ),
        ColumnRule(name="day", kind="date", minimum=1704067200.0, maximum=-86400.0 + 1704067200.0 * 2),
        ColumnRule(name="at", kind="datetime", minimum=1704067200.25),
    ),
    min_rows=5,
    max_rows=10,
    freshness=("day", "1.5d"),
)


@pytest.fixture(scope="module")
def standard():
    """The standard's JSON schema, from the package its authors publish (MIT)."""
    path = Path(open_data_contract_standard.__file__).with_name("schema.json")
    return jsonschema.Draft201909Validator(json.loads(path.read_text()))


def test_what_is_written_is_valid_by_the_standard_and_reads_back_the_same(tmp_path, standard):
    path = tmp_path / "contracts" / "c.odcs.yaml"
    write_contract(FULL, path)
    standard.validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert read_contract(path) == FULL


def test_the_file_tells_its_editor_what_to_do(tmp_path):
    write_contract(FULL, tmp_path / "c.yaml")
    head = (tmp_path / "c.yaml").read_text().split("apiVersion")[0]
    assert all(line.startswith("#") for line in head.splitlines())
    for word in ("required", "unique", "minimum", "invalidValues", "nullValues", "rowCount", "freshness"):
        assert word in head


@pytest.mark.parametrize(
    "source",
    ["bike_sharing_hourly/hour.csv", "bank_marketing/bank-additional-full.csv", "nycflights13/flights.parquet"],
)
def test_contracts_of_real_sets_are_valid_by_the_standard(room, real, standard, source):
    contract = room.contract(room.snapshot(source, root=real))
    write_contract(contract, room.folder / "c.yaml")
    standard.validate(yaml.safe_load((room.folder / "c.yaml").read_text(encoding="utf-8")))
    assert read_contract(room.folder / "c.yaml") == contract


def test_prose_of_the_standard_is_let_be(tmp_path):
    path = edited(tmp_path, "status: active", "status: active\ntags: [a]\ndescription: {purpose: p}\nteam: {name: t}")
    assert read_contract(path).name == "bike-demand"


def test_hand_written_forms_are_understood(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("""\
apiVersion: v3.0.2
kind: DataContract
id: hand
version: 1.0.0
status: active
schema:
- name: hand
  quality:
  - {metric: rowCount, mustBeGreaterOrEqualTo: 3}
  - {type: text, description: written by people}
  - {metric: rowCount, mustBeLessOrEqualTo: 9}
  properties:
  - {name: day, logicalType: date, logicalTypeOptions: {minimum: 2024-01-01}}
  - name: word
    logicalType: string
    quality:
    - {metric: invalidValues, arguments: {validValues: [1, two]}, mustBe: 0}
slaProperties:
- {property: latency, value: 36, unit: h, element: hand.day}
""")
    contract = read_contract(path)
    assert (contract.name, contract.min_rows, contract.max_rows) == ("hand", 3, 9)
    assert contract.rule("day").minimum == 1704067200
    assert (contract.rule("word").values, contract.rule("word").strangers) == (("1", "two"), 0.0)
    assert contract.freshness == ("day", "36h")


def edited(folder, old, new):
    path = folder / "c.odcs.yaml"
    write_contract(FULL, path)
    hints, start, body = path.read_text(encoding="utf-8").partition("apiVersion")
    assert old in body
    path.write_text(hints + start + body.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "says", "remedy"),
    [
        ("required: true", "requird: true", "column 'id': the field 'requird' is not known", "'required'"),
        ("required: true", "required: perhaps", "column 'id': 'required' is 'perhaps'", "true or false"),
        ("logicalType: boolean", "logicalType: bool", "column 'yes' has the logicalType 'bool'", "'boolean'"),
        ("logicalType: boolean", "logicalType: boolean\n    name: again", "'name' stands twice", "keep one"),
        ("minimum: -0.1", "minimum: low", "minimum is 'low', which is no number", "number"),
        ("minimum: -0.1", "minimum: 2.0e+22", "the minimum is above the maximum", "exchange"),
        ("minimum: '2024-01-01'", "minimum: someday", "minimum is 'someday', which is no date", "2024-12-31"),
        ("minimum: 0\n", "minimum: 0\n      least: 1\n", "the field 'least' is not known", "choose"),
        ("name: hour", "name: day", "the column 'day' is listed twice", "keep one"),
        ("name: hour", "name: 7", "a column: 'name' is 7, not text", "quotes"),
        ("metric: nullValues", "metric: nulls", "the metric 'nulls' is not enforced here", "'nullValues'"),
        ("mustBeLessOrEqualTo: 7", "mustBeLessOrEqualTo: 700", "700 percent", "0 to 100"),
        ("mustBeLessOrEqualTo: 7", "mustBeLessOrEqualTo: few", "mustBeLessOrEqualTo is 'few'", "number"),
        ("mustBeLessOrEqualTo: 7", "mustBeGreaterThan: 7", "nullValues is compared by mustBeGreaterThan", "mustBe"),
        ("mustBeLessOrEqualTo: 7\n      unit: percent", "mustBeLessOrEqualTo: 7", "counts rows", "percent"),
        ("metric: nullValues", "type: sql\n      metric: nullValues", "rules of type 'sql' are not run", "metric"),
        ("metric: rowCount", "metric: rowcount", "the metric 'rowcount' is not enforced here", "rowCount"),
        ("pattern: '[a-z]*'", "pattern: '[a-z'", "the pattern '[a-z' is no regular expression", "Rust"),
        ("element: day", "element: hour", "freshness names 'hour', which is no column of dates", "date column"),
        ("unit: d", "unit: moons", "freshness: '1.5moons' is not a duration", "unit: d"),
        ("property: freshness", "property: beauty", "the service level 'beauty' is not enforced", "freshness"),
        ("kind: DataContract", "kind: Deployment", "no data contract of the standard's version 3", "DataContract"),
        ("status: active", "statuss: active", "the contract: the field 'statuss' is not known", "'status'"),
        ("  properties:", "  properties: none\n  x:", "the table", ""),
        ("- name: id", "- name: 'id", "this is no YAML", "quotes"),
        ("- name: id", "- name: id\n    ? [a]\n    : b", "a field is named by a list or mapping", "word"),
        ("minimum: '2024-01-01'", "minimum: 2024-01-77", "'2024-01-77' cannot be read", "quotes"),
        ("minimum: 0\n", "pattern: x\n      maximun: 1\n", "the field 'maximun' is not known", "'maximum'"),
        ("pattern: '[a-z]*'", "minimum: 3", "a text column has no minimum", "remove it"),
        ("mustBeBetween:\n    - 5\n    - 10", "mustBeBetween: few", "mustBeBetween is 'few'", "whole numbers"),
        ("metric: rowCount", "metric: nullValues", "the metric 'nullValues' is not enforced", "rowCount"),
        ("schema:\n", "schema:\n- name: another\n  properties: []\n", "schema lists 2 tables", "one table"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, old, new, says, remedy):
    path = edited(tmp_path, old, new)
    with pytest.raises(ContractError) as caught:
        read_contract(path)
    assert says in caught.value.message
    assert f"{path}, line " in caught.value.message
    assert remedy in caught.value.remedy
    assert caught.value.remedy


def test_the_line_is_the_one_with_the_mistake(tmp_path):
    path = edited(tmp_path, "minimum: -0.1", "minimum: low")
    line = path.read_text(encoding="utf-8").splitlines().index("      minimum: low") + 1
    with pytest.raises(ContractError, match=f"line {line}: column 'temp: °C': minimum is 'low'"):
        read_contract(path)


def test_a_contract_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(ContractError, match="there is no contract at"):
        read_contract(tmp_path / "none.yaml")
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ContractError, match="cannot be read"):
        read_contract(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text("")
    with pytest.raises(ContractError, match="the contract is None, not a mapping"):
        read_contract(tmp_path / "c.yaml")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "contracts").write_text("in the way")
    with pytest.raises(ContractError, match="cannot be written"):
        write_contract(FULL, tmp_path / "contracts" / "c.yaml")
