"""Contracts as Open Data Contract Standard v3 YAML: written with hints for the editor, read with errors naming lines.

What a rule says in the standard's words: `required`, `unique`, `primaryKey`, `logicalTypeOptions` (minimum, maximum,
pattern), and the quality metrics `rowCount`, `nullValues` and `invalidValues`. What the standard knows and Loopwright
does not enforce is refused rather than passed over, except for prose.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import yaml
from polars.exceptions import PolarsError

from loopwright.core.clock import parse_duration
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
    return _Reader(path).contract(text)


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

_LOGICAL: dict[ColumnKind, tuple[str, str]] = {
    "integer": ("integer", "BIGINT"),
    "number": ("number", "DOUBLE"),
    "boolean": ("boolean", "BOOLEAN"),
    "text": ("string", "VARCHAR"),
    "date": ("date", "DATE"),
    "datetime": ("timestamp", "TIMESTAMP"),
}
_KINDS: dict[str, ColumnKind] = {logical: kind for kind, (logical, _) in _LOGICAL.items()}
_UNITS = {"s": "s", "m": "m", "h": "h", "d": "d", "w": "w"}


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
    logical, physical = _LOGICAL[rule.kind]
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


class _Located(dict[str, Any]):
    """A mapping that remembers on which line each of its fields stands."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


_PROSE = {
    "description", "businessName", "tags", "customProperties", "authoritativeDefinitions", "classification", "examples",
    "criticalDataElement", "physicalName", "physicalType", "id", "deprecated", "synonyms", "partitioned",
    "partitionKeyPosition", "encryptedName", "transformSourceObjects", "transformLogic", "transformDescription",
    "primaryKeyPosition", "dimension", "severity", "businessImpact", "dataGranularityDescription", "name",
    "logicalType", "relationships",
}  # fmt: skip
_TOP = _PROSE | {
    "apiVersion", "kind", "version", "status", "schema", "slaProperties", "servers", "team", "roles", "support",
    "price", "tenant", "domain", "dataProduct", "contractCreatedTs", "slaDefaultElement", "context",
}  # fmt: skip
_TABLE = _PROSE | {"quality", "properties"}
_PROPERTY = _PROSE | {"required", "unique", "primaryKey", "logicalTypeOptions", "quality"}
_OPTIONS = {"minimum", "maximum", "pattern", "format", "timezone", "defaultTimezone"}
_OPERATORS = (
    "mustBe",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeGreaterOrEqualTo",
    "mustBeGreaterThan",
    "mustBeBetween",
)
_QUALITY = _PROSE | {"metric", "type", "unit", "arguments", *_OPERATORS}
_SLA = _PROSE | {"property", "value", "unit", "element"}


class _Reader:
    """Reads one file, so that every complaint can name it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def contract(self, text: str) -> DataContract:
        top = self._mapping(self._parse(text), "the contract", 1)
        self._known(top, _TOP, "the contract")
        if top.get("kind") != "DataContract" or not str(top.get("apiVersion", "")).startswith("v3."):
            self._wrong(
                top.line,
                "this is no data contract of the standard's version 3",
                'write "kind: DataContract" and "apiVersion: v3.1.0"',
            )
        tables = self._list(top, "schema", "the contract")
        if len(tables) != 1:
            self._wrong(
                top.lines.get("schema", 1), f"schema lists {len(tables)} tables", "list the one table of this dataset"
            )
        table = self._mapping(tables[0], "the table", top.lines["schema"])
        self._known(table, _TABLE, "the table")
        rules = [self._column(item, table) for item in self._list(table, "properties", "the table")]
        low, high = self._rows(table)
        return DataContract(
            name=self._text(top, "name", str(top.get("id", "")), "the contract"),
            version=str(top.get("version", "1.0.0")),
            columns=self._each_once(rules, table),
            min_rows=low,
            max_rows=high,
            freshness=self._freshness(top, {rule.name: rule.kind for rule in rules}),
        )

    def _parse(self, text: str) -> Any:
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            self._wrong(line, f"this is no YAML: {error.problem}", "look at the indentation, colons and quotes there")
        return self._plain(node) if node else None

    def _plain(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            found = _Located(node.start_mark.line + 1)
            for key, value in node.value:
                line = key.start_mark.line + 1
                if key.value in found:
                    self._wrong(line, f"the field {key.value!r} stands twice", "keep one of them")
                found[key.value], found.lines[key.value] = self._plain(value), line
            return found
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item) for item in node.value]
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (ValueError, yaml.YAMLError) as error:
            self._wrong(node.start_mark.line + 1, f"{node.value!r} cannot be read: {error}", "put quotes around it")

    def _column(self, item: Any, table: _Located) -> ColumnRule:
        column = self._mapping(item, "a column", table.lines["properties"])
        name = self._text(column, "name", None, "a column")
        what = f"column {name!r}"
        self._known(column, _PROPERTY, what)
        logical = self._text(column, "logicalType", None, what)
        if logical not in _KINDS:
            self._wrong(
                column.lines["logicalType"], f"{what} has the logicalType {logical!r}", _one_of(_KINDS, logical)
            )
        kind = _KINDS[logical]
        options = self._mapping(
            column.get("logicalTypeOptions", _Located(column.line)), f"logicalTypeOptions of {what}", column.line
        )
        self._known(options, _OPTIONS, f"logicalTypeOptions of {what}")
        low, high = (self._limit(options, end, kind, what) for end in ("minimum", "maximum"))
        if low is not None and high is not None and low > high:
            self._wrong(options.lines["minimum"], f"{what}: the minimum is above the maximum", "exchange them")
        nulls, values, strangers = self._quality(column, what)
        return ColumnRule(
            name=name,
            kind=kind,
            required=self._flag(column, "required", what),
            unique=self._flag(column, "unique", what),
            key=self._flag(column, "primaryKey", what),
            minimum=low,
            maximum=high,
            pattern=self._pattern(options, what),
            nulls=nulls,
            values=values,
            strangers=strangers,
        )

    def _quality(self, column: _Located, what: str) -> tuple[float, tuple[str, ...], float]:
        nulls, strangers = 1.0, 0.0
        values: tuple[str, ...] = ()
        for item in self._list(column, "quality", what, needed=False):
            rule = self._rule(item, what, column)
            if rule is None:
                continue
            metric, line = rule.get("metric"), rule.lines.get("metric", rule.line)
            if metric in ("nullValues", "missingValues"):
                nulls = self._at_most(rule, what)
            elif metric == "invalidValues":
                arguments = self._mapping(rule.get("arguments"), f"arguments of {what}", line)
                values = tuple(str(value) for value in self._list(arguments, "validValues", what))
                strangers = self._at_most(rule, what)
            else:
                self._wrong(
                    line,
                    f"{what}: the metric {metric!r} is not enforced here",
                    _one_of(("nullValues", "invalidValues"), str(metric)),
                )
        return nulls, values, strangers

    def _rule(self, item: Any, what: str, holder: _Located) -> _Located | None:
        rule = self._mapping(item, f"a quality rule of {what}", holder.lines["quality"])
        self._known(rule, _QUALITY, f"a quality rule of {what}")
        if rule.get("type") == "text":
            return None
        if rule.get("type", "library") != "library":
            self._wrong(
                rule.lines["type"],
                f"{what}: quality rules of type {rule['type']!r} are not run",
                "use a metric, or type: text",
            )
        return rule

    def _at_most(self, rule: _Located, what: str) -> float:
        operator, value = self._operator(rule, what, ("mustBe", "mustBeLessOrEqualTo", "mustBeLessThan"))
        line = rule.lines[operator]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong(line, f"{what}: {operator} is {value!r}", "write a number")
        if rule.get("unit") != "percent" and value != 0:
            self._wrong(
                line, f"{what}: {operator} counts {rule.get('unit', 'rows')}", "say it in percent, with unit: percent"
            )
        if not 0 <= value <= 100:
            self._wrong(line, f"{what}: {operator} is {value} percent", "write a number from 0 to 100")
        return float(value) / 100

    def _operator(self, rule: _Located, what: str, allowed: tuple[str, ...]) -> tuple[str, Any]:
        found = [operator for operator in _OPERATORS if operator in rule]
        if len(found) != 1 or found[0] not in allowed:
            said = " and ".join(found) or "nothing"
            self._wrong(
                rule.line, f"{what}: {rule.get('metric')} is compared by {said}", f"use one of {', '.join(allowed)}"
            )
        return found[0], rule[found[0]]

    def _rows(self, table: _Located) -> tuple[int, int | None]:
        low, high = 1, None
        for item in self._list(table, "quality", "the table", needed=False):
            rule = self._rule(item, "the table", table)
            if rule is None:
                continue
            if rule.get("metric") != "rowCount":
                self._wrong(
                    rule.line, f"the table: the metric {rule.get('metric')!r} is not enforced here", "use rowCount"
                )
            operator, value = self._operator(
                rule, "the table", ("mustBeGreaterOrEqualTo", "mustBeLessOrEqualTo", "mustBeBetween")
            )
            bounds = value if operator == "mustBeBetween" else [value]
            if not isinstance(bounds, list) or not all(type(bound) is int and bound >= 0 for bound in bounds):
                self._wrong(rule.lines[operator], f"the table: {operator} is {value!r}", "write whole numbers")
            if operator != "mustBeLessOrEqualTo":
                low = bounds[0]
            if operator != "mustBeGreaterOrEqualTo":
                high = bounds[-1]
        return low, high

    def _freshness(self, top: _Located, kinds: dict[str, ColumnKind]) -> tuple[str, str] | None:
        found = None
        for item in self._list(top, "slaProperties", "the contract", needed=False):
            sla = self._mapping(item, "a service level", top.lines["slaProperties"])
            self._known(sla, _SLA, "a service level")
            if sla.get("property") not in ("freshness", "latency"):
                self._wrong(
                    sla.line, f"the service level {sla.get('property')!r} is not enforced here", "use freshness"
                )
            column = self._text(sla, "element", None, "freshness").rpartition(".")[2]
            if kinds.get(column) not in ("date", "datetime"):
                self._wrong(
                    sla.lines["element"],
                    f"freshness names {column!r}, which is no column of dates",
                    "name a date column",
                )
            allowed = f"{sla.get('value')}{sla.get('unit', 'd')}"
            try:
                parse_duration(allowed)
            except ValueError as error:
                self._wrong(sla.line, f"freshness: {error}", "write, for example, value: 2 and unit: d")
            found = (column, allowed)
        return found

    def _limit(self, options: _Located, end: str, kind: ColumnKind, what: str) -> float | None:
        value = options.get(end)
        if value is None:
            return None
        line = options.lines[end]
        if kind in ("date", "datetime"):
            try:
                moment = datetime.fromisoformat(value.isoformat() if isinstance(value, date) else str(value))
            except ValueError:
                self._wrong(line, f"{what}: {end} is {value!r}, which is no date", "write it as 2024-12-31")
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if kind not in ("integer", "number"):
            self._wrong(line, f"{what}: a {kind} column has no {end}", "remove it")
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong(line, f"{what}: {end} is {value!r}, which is no number", "write a number")
        return float(value)

    def _pattern(self, options: _Located, what: str) -> str | None:
        pattern = self._text(options, "pattern", "", what)
        try:
            pl.Series([""]).str.contains(pattern)
        except PolarsError:
            remedy = "write it in the syntax of Rust's regex, which has no look-around"
            self._wrong(options.lines["pattern"], f"{what}: the pattern {pattern!r} is no regular expression", remedy)
        return pattern or None

    def _each_once(self, rules: list[ColumnRule], table: _Located) -> tuple[ColumnRule, ...]:
        names = [rule.name for rule in rules]
        for name in names:
            if names.count(name) > 1:
                self._wrong(table.lines["properties"], f"the column {name!r} is listed twice", "keep one of them")
        return tuple(rules)

    def _mapping(self, value: Any, what: str, line: int) -> _Located:
        if not isinstance(value, _Located):
            self._wrong(line, f"{what} is {value!r}, not a mapping", "write fields with values")
        return value

    def _list(self, holder: _Located, name: str, what: str, *, needed: bool = True) -> list[Any]:
        value = holder.get(name)
        if value is None and not needed:
            return []
        if not isinstance(value, list) or (needed and not value):
            self._wrong(
                holder.lines.get(name, holder.line), f"{what} has no list {name!r}", f"list the {name} with hyphens"
            )
        return value

    def _text(self, holder: _Located, name: str, default: str | None, what: str) -> str:
        value = holder.get(name, default)
        if not isinstance(value, str) or (default is None and not value):
            state = "missing" if name not in holder else f"{value!r}, not text"
            self._wrong(
                holder.lines.get(name, holder.line), f"{what}: {name!r} is {state}", "write it, in quotes if need be"
            )
        return value

    def _flag(self, holder: _Located, name: str, what: str) -> bool:
        value = holder.get(name, False)
        if not isinstance(value, bool):
            self._wrong(holder.lines[name], f"{what}: {name!r} is {value!r}", "write true or false")
        return value

    def _known(self, holder: _Located, names: Iterable[str], what: str) -> None:
        known = set(names)
        for name in holder:
            if name not in known:
                self._wrong(holder.lines[name], f"{what}: the field {name!r} is not known", _one_of(known, name))

    def _wrong(self, line: int, state: str, remedy: str) -> NoReturn:
        raise ContractError(f"{self.path}, line {line}: {state}", remedy=remedy)


def _one_of(names: Iterable[str], meant: str) -> str:
    close = get_close_matches(meant, list(names), n=1)
    return f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(sorted(names))}"
