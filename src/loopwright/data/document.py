"""A YAML file read by hand: every value knows its line, so that every complaint can name it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import yaml

from loopwright.errors import ContractError


class Located(dict[str, Any]):
    """A mapping that remembers on which line each of its fields stands."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Document:
    """A YAML file, with what it takes to read typed values from it. Every method raises `ContractError`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def parse(self, text: str) -> Any:
        """`text` as plain values, its mappings `Located`; None where it is empty."""
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            self.wrong(line, f"this is no YAML: {error.problem}", "look at the indentation, colons and quotes there")
        return self._plain(node) if node else None

    def mapping(self, value: Any, what: str, line: int) -> Located:
        """`value`, which must be a mapping."""
        if not isinstance(value, Located):
            self.wrong(line, f"{what} is {value!r}, not a mapping", "write fields with values")
        return value

    def items(self, holder: Located, name: str, what: str, *, needed: bool = True) -> list[Any]:
        """The list in the field `name`; it must be there, and hold something, where it is `needed`."""
        value = holder.get(name)
        if value is None and not needed:
            return []
        if not isinstance(value, list) or (needed and not value):
            self.wrong(
                holder.lines.get(name, holder.line), f"{what} has no list {name!r}", f"list the {name} with hyphens"
            )
        return value

    def text(self, holder: Located, name: str, default: str | None, what: str) -> str:
        """The text in the field `name`; it must be there where there is no default."""
        value = holder.get(name, default)
        if not isinstance(value, str) or (default is None and not value):
            state = "missing" if name not in holder else f"{value!r}, not text"
            self.wrong(
                holder.lines.get(name, holder.line), f"{what}: {name!r} is {state}", "write it, in quotes if need be"
            )
        return value

    def flag(self, holder: Located, name: str, what: str) -> bool:
        """The truth value in the field `name`; false where it is not there."""
        value = holder.get(name, False)
        if not isinstance(value, bool):
            self.wrong(holder.lines[name], f"{what}: {name!r} is {value!r}", "write true or false")
        return value

    def known(self, holder: Located, names: Iterable[str], what: str) -> None:
        """Complain of the first field that is none of `names`."""
        known = set(names)
        for name in holder:
            if name not in known:
                self.wrong(holder.lines[name], f"{what}: the field {name!r} is not known", one_of(known, name))

    def wrong(self, line: int, state: str, remedy: str) -> NoReturn:
        """Complain of what stands on `line`."""
        raise ContractError(f"{self.path}, line {line}: {state}", remedy=remedy)

    def _plain(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            found = Located(node.start_mark.line + 1)
            for key, value in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    self.wrong(line, "a field is named by a list or mapping", "name it by a word")
                if key.value in found:
                    self.wrong(line, f"the field {key.value!r} stands twice", "keep one of them")
                found[key.value], found.lines[key.value] = self._plain(value), line
            return found
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item) for item in node.value]
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (ValueError, yaml.YAMLError) as error:
            self.wrong(node.start_mark.line + 1, f"{node.value!r} cannot be read: {error}", "put quotes around it")


def one_of(names: Iterable[str], meant: str) -> str:
    """A remedy: the name that was probably meant, or all there are."""
    close = get_close_matches(meant, list(names), n=1)
    return f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(sorted(names))}"
