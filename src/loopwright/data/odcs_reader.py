"""The reader of contract files: the standard's fields to a `DataContract`, or a complaint that names line and field."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from loopwright.core.clock import parse_duration
from loopwright.data.document import Document, Located, one_of
from loopwright.data.records import ColumnKind
from loopwright.data.terms import ColumnRule, DataContract

LOGICAL: dict[ColumnKind, tuple[str, str]] = {
    "integer": ("integer", "BIGINT"),
    "number": ("number", "DOUBLE"),
    "boolean": ("boolean", "BOOLEAN"),
    "text": ("string", "VARCHAR"),
    "date": ("date", "DATE"),
    "datetime": ("timestamp", "TIMESTAMP"),
}
_KINDS: dict[str, ColumnKind] = {logical: kind for kind, (logical, _) in LOGICAL.items()}

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


class ContractDocument(Document):
    """A contract's file. Every method raises `ContractError`."""

    def contract(self, text: str) -> DataContract:
        """The contract that `text`, the file's content, spells."""
        top = self.mapping(self.parse(text), "the contract", 1)
        self.known(top, _TOP, "the contract")
        if top.get("kind") != "DataContract" or not str(top.get("apiVersion", "")).startswith("v3."):
            self.wrong(
                top.line,
                "this is no data contract of the standard's version 3",
                'write "kind: DataContract" and "apiVersion: v3.1.0"',
            )
        tables = self.items(top, "schema", "the contract")
        if len(tables) != 1:
            self.wrong(
                top.lines.get("schema", 1), f"schema lists {len(tables)} tables", "list the one table of this dataset"
            )
        table = self.mapping(tables[0], "the table", top.lines["schema"])
        self.known(table, _TABLE, "the table")
        rules = [self._column(item, table) for item in self.items(table, "properties", "the table")]
        low, high = self._rows(table)
        return DataContract(
            name=self.text(top, "name", str(top.get("id", "")), "the contract"),
            version=str(top.get("version", "1.0.0")),
            columns=self._each_once(rules, table),
            min_rows=low,
            max_rows=high,
            freshness=self._freshness(top, f"{table.get('name')}.", {rule.name: rule.kind for rule in rules}),
        )

    def _column(self, item: Any, table: Located) -> ColumnRule:
        column = self.mapping(item, "a column", table.lines["properties"])
        name = self.text(column, "name", None, "a column")
        what = f"column {name!r}"
        self.known(column, _PROPERTY, what)
        logical = self.text(column, "logicalType", None, what)
        if logical not in _KINDS:
            self.wrong(column.lines["logicalType"], f"{what} has the logicalType {logical!r}", one_of(_KINDS, logical))
        kind = _KINDS[logical]
        options = self.mapping(
            column.get("logicalTypeOptions", Located(column.line)), f"logicalTypeOptions of {what}", column.line
        )
        self.known(options, _OPTIONS, f"logicalTypeOptions of {what}")
        low, high = (self._limit(options, end, kind, what) for end in ("minimum", "maximum"))
        if low is not None and high is not None and low > high:
            self.wrong(options.lines["minimum"], f"{what}: the minimum is above the maximum", "exchange them")
        nulls, values, strangers = self._quality(column, what)
        return ColumnRule(
            name=name,
            kind=kind,
            required=self.flag(column, "required", what),
            unique=self.flag(column, "unique", what),
            key=self.flag(column, "primaryKey", what),
            minimum=low,
            maximum=high,
            pattern=self._pattern(options, what),
            nulls=nulls,
            values=values,
            strangers=strangers,
        )

    def _quality(self, column: Located, what: str) -> tuple[float, tuple[str, ...], float]:
        nulls, strangers = 1.0, 0.0
        values: tuple[str, ...] = ()
        for item in self.items(column, "quality", what, needed=False):
            rule = self._rule(item, what, column)
            if rule is None:
                continue
            metric, line = rule.get("metric"), rule.lines.get("metric", rule.line)
            if metric in ("nullValues", "missingValues"):
                nulls = self._at_most(rule, what)
            elif metric == "invalidValues":
                arguments = self.mapping(rule.get("arguments"), f"arguments of {what}", line)
                values = tuple(str(value) for value in self.items(arguments, "validValues", what))
                strangers = self._at_most(rule, what)
            else:
                self.wrong(
                    line,
                    f"{what}: the metric {metric!r} is not enforced here",
                    one_of(("nullValues", "invalidValues"), str(metric)),
                )
        return nulls, values, strangers

    def _rule(self, item: Any, what: str, holder: Located) -> Located | None:
        rule = self.mapping(item, f"a quality rule of {what}", holder.lines["quality"])
        self.known(rule, _QUALITY, f"a quality rule of {what}")
        if rule.get("type") == "text":
            return None
        if rule.get("type", "library") != "library":
            self.wrong(
                rule.lines["type"],
                f"{what}: quality rules of type {rule['type']!r} are not run",
                "use a metric, or type: text",
            )
        return rule

    def _at_most(self, rule: Located, what: str) -> float:
        operator, value = self._operator(rule, what, ("mustBe", "mustBeLessOrEqualTo", "mustBeLessThan"))
        line = rule.lines[operator]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(line, f"{what}: {operator} is {value!r}", "write a number")
        if rule.get("unit") != "percent" and value != 0:
            self.wrong(
                line, f"{what}: {operator} counts {rule.get('unit', 'rows')}", "say it in percent, with unit: percent"
            )
        if not 0 <= value <= 100:
            self.wrong(line, f"{what}: {operator} is {value} percent", "write a number from 0 to 100")
        return float(value) / 100

    def _operator(self, rule: Located, what: str, allowed: tuple[str, ...]) -> tuple[str, Any]:
        found = [operator for operator in _OPERATORS if operator in rule]
        if len(found) != 1 or found[0] not in allowed:
            said = " and ".join(found) or "nothing"
            self.wrong(
                rule.line, f"{what}: {rule.get('metric')} is compared by {said}", f"use one of {', '.join(allowed)}"
            )
        return found[0], rule[found[0]]

    def _rows(self, table: Located) -> tuple[int, int | None]:
        low, high = 1, None
        for item in self.items(table, "quality", "the table", needed=False):
            rule = self._rule(item, "the table", table)
            if rule is None:
                continue
            if rule.get("metric") != "rowCount":
                self.wrong(
                    rule.line, f"the table: the metric {rule.get('metric')!r} is not enforced here", "use rowCount"
                )
            operator, value = self._operator(
                rule, "the table", ("mustBeGreaterOrEqualTo", "mustBeLessOrEqualTo", "mustBeBetween")
            )
            bounds = value if operator == "mustBeBetween" else [value]
            if not isinstance(bounds, list) or not all(type(bound) is int and bound >= 0 for bound in bounds):
                self.wrong(rule.lines[operator], f"the table: {operator} is {value!r}", "write whole numbers")
            if operator != "mustBeLessOrEqualTo":
                low = bounds[0]
            if operator != "mustBeGreaterOrEqualTo":
                high = bounds[-1]
        return low, high

    def _freshness(self, top: Located, table: str, kinds: dict[str, ColumnKind]) -> tuple[str, str] | None:
        found = None
        for item in self.items(top, "slaProperties", "the contract", needed=False):
            sla = self.mapping(item, "a service level", top.lines["slaProperties"])
            self.known(sla, _SLA, "a service level")
            if sla.get("property") not in ("freshness", "latency"):
                self.wrong(sla.line, f"the service level {sla.get('property')!r} is not enforced here", "use freshness")
            column = self.text(sla, "element", None, "freshness").removeprefix(table)
            if kinds.get(column) not in ("date", "datetime"):
                self.wrong(
                    sla.lines["element"],
                    f"freshness names {column!r}, which is no column of dates",
                    "name a date column",
                )
            allowed = f"{sla.get('value')}{sla.get('unit', 'd')}"
            try:
                parse_duration(allowed)
            except ValueError as error:
                self.wrong(sla.line, f"freshness: {error}", "write, for example, value: 2 and unit: d")
            found = (column, allowed)
        return found

    def _limit(self, options: Located, end: str, kind: ColumnKind, what: str) -> float | None:
        value = options.get(end)
        if value is None:
            return None
        line = options.lines[end]
        if kind in ("date", "datetime"):
            try:
                moment = datetime.fromisoformat(value.isoformat() if isinstance(value, date) else str(value))
            except ValueError:
                self.wrong(line, f"{what}: {end} is {value!r}, which is no date", "write it as 2024-12-31")
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if kind not in ("integer", "number"):
            self.wrong(line, f"{what}: a {kind} column has no {end}", "remove it")
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(line, f"{what}: {end} is {value!r}, which is no number", "write a number")
        return float(value)

    def _pattern(self, options: Located, what: str) -> str | None:
        pattern = self.text(options, "pattern", "", what)
        try:
            pl.Series([""]).str.contains(pattern)
        except PolarsError:
            remedy = "write it in the syntax of Rust's regex, which has no look-around"
            self.wrong(options.lines["pattern"], f"{what}: the pattern {pattern!r} is no regular expression", remedy)
        return pattern or None

    def _each_once(self, rules: list[ColumnRule], table: Located) -> tuple[ColumnRule, ...]:
        names = [rule.name for rule in rules]
        for name in names:
            if names.count(name) > 1:
                self.wrong(table.lines["properties"], f"the column {name!r} is listed twice", "keep one of them")
        return tuple(rules)
