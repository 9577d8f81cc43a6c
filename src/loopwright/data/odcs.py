"""Contracts as Open Data Contract Standard v3 YAML: written with hints for the editor, read with errors naming lines.

What a rule says in the standard's words: `required`, `unique`, `primaryKey`, `logicalTypeOptions` (minimum, maximum,
pattern), and the quality metrics `rowCount`, `nullValues` and `invalidValues`. What the standard knows and Loopwright
does not enforce is refused rather than passed over, except for prose.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from loopwright.data.odcs_reader import LOGICAL, ContractDocument
from loopwright.data.records import ColumnKind
from loopwright.data.terms import ColumnRule, DataContract
from loopwright.errors import ContractError

API_VERSION = "v3.1.0"


def write_contract(contract: DataContract, path: Path) -> None:
    """Write the contract as YAML for its user to edit and commit. Raises `ContractError` where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_HINTS.format(name=contract.name) + _dump(contract), encoding="utf-8")
    except OSError as error:
        raise ContractError(
            f"the contract {path} cannot be written: {error.strerror}", remedy="make its folder writable"
        ) from None


def read_contract(path: Path) -> DataContract:
    """The contract that the file at `path` spells. Raises `ContractError`, naming the line and field that are wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ContractError(f"there is no contract at {path}", remedy="let the next run infer one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(
            f"the contract {path} cannot be read: {error}", remedy="make it a readable UTF-8 file"
        ) from None
    return ContractDocument(path).contract(text)


_HINTS = """\
# What rows of {name} must keep (Open Data Contract Standard v3, https://bitol.io).
# Inferred once from the rows then there, generously. Loopwright does not write it again: edit it and commit it.
#
# Rows that break a rule are set aside with the reason; too many of them, and the batch is refused:
#   required: true          no value may be missing
#   unique: true            no value may stand twice; the first row that holds it is kept
#   logicalTypeOptions      minimum and maximum (inclusive) of numbers and dates; pattern of text
#   invalidValues           the values known; others are tolerated in so many percent of the rows
# The batch as a whole is refused when one of these does not hold:
#   nullValues              the percentage of rows in which the value may be missing
#   rowCount                how many rows there must be (mustBeGreaterOrEqualTo, mustBeLessOrEqualTo, mustBeBetween)
#   slaProperties           how old the newest date may be, for example:
#     - {{property: freshness, value: 2, unit: d, element: a_date_column}}
"""


def _dump(contract: DataContract) -> str:
    table: dict[str, Any] = {
        "name": contract.name,
        "physicalType": "table",
        "quality": [_row_count(contract)],
        "properties": [_property(rule) for rule in contract.columns],
    }
    plain: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": contract.name,
        "name": contract.name,
        "version": contract.version,
        "status": "active",
        "schema": [table],
    }
    if contract.freshness:
        column, allowed = contract.freshness
        plain["slaProperties"] = [
            {"property": "freshness", "value": _number(float(allowed[:-1])), "unit": allowed[-1], "element": column}
        ]
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """Writes text with line breaks and the like escaped, for PyYAML does not read all of them back from plain text."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _Dumper.represent_text)


def _row_count(contract: DataContract) -> dict[str, Any]:
    if contract.max_rows is None:
        return {"metric": "rowCount", "mustBeGreaterOrEqualTo": contract.min_rows}
    return {"metric": "rowCount", "mustBeBetween": [contract.min_rows, contract.max_rows]}


def _property(rule: ColumnRule) -> dict[str, Any]:
    logical, physical = LOGICAL[rule.kind]
    plain: dict[str, Any] = {"name": rule.name, "logicalType": logical, "physicalType": physical}
    plain["required"] = rule.required
    if rule.unique:
        plain["unique"] = True
    if rule.key:
        plain |= {"primaryKey": True, "primaryKeyPosition": 1}
    options = {
        "minimum": _bound(rule.minimum, rule.kind),
        "maximum": _bound(rule.maximum, rule.kind),
        "pattern": rule.pattern,
    }
    if any(value is not None for value in options.values()):
        plain["logicalTypeOptions"] = {name: value for name, value in options.items() if value is not None}
    quality = []
    if rule.nulls < 1:
        quality.append({"metric": "nullValues", "mustBeLessOrEqualTo": _percent(rule.nulls), "unit": "percent"})
    if rule.values:
        listed: dict[str, Any] = {"metric": "invalidValues", "arguments": {"validValues": list(rule.values)}}
        quality.append({**listed, "mustBeLessOrEqualTo": _percent(rule.strangers), "unit": "percent"})
    return {**plain, "quality": quality} if quality else plain


def _percent(share: float) -> int | float:
    return _number(round(share * 100, 10))


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value


def _bound(value: float | None, kind: ColumnKind) -> int | float | str | None:
    if value is None:
        return None
    if kind in ("date", "datetime"):
        moment = datetime.fromtimestamp(value, UTC)
        return moment.date().isoformat() if kind == "date" else moment.replace(tzinfo=None).isoformat()
    return int(value) if kind == "integer" and float(value).is_integer() else value
