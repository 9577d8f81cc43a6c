"""Write settings.md, commands.md and errors.md beside this file, from the code: `python docs/reference/generate.py`.

A test holds the pages against what this makes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from cyclopts import App, Argument

from loopwright import errors
from loopwright.api.problems import STATUSES
from loopwright.cli.main import COMMANDS, app
from loopwright.cli.output import Common
from loopwright.errors import LoopwrightError
from loopwright.settings import Settings

SETTINGS = """\
# Settings

`loopwright.toml` in the project's folder says them; `LOOPWRIGHT_<SETTING>` in the environment overrides it, and some
commands take an option that overrides both. A table `[env.<name>]` holds what differs in an environment, which is
chosen with `--env <name>` or `LOOPWRIGHT_ENV`. Paths are relative to the project's folder. Lists are written as JSON in
the environment. `loopwright doctor` shows what is in force and where it comes from.

| setting | default | | in the environment |
|---|---|---|---|
"""

COMMANDS_HEAD = """\
# Commands

Every command has `--help`, and these options:

"""

COMMANDS_TAIL = """
With `--json` a command answers with one JSON document on standard output, and an error likewise: `error` (its class),
`message`, `remedy`. A MODEL in brackets may be left out while the project declares one model only.

The exit status is 0 when it is done, 1 when it was refused or failed, 2 when the command was misspelt, 130 when it was
interrupted.

"""

ERRORS = """\
# Errors

Everything that Loopwright raises on purpose is a `LoopwrightError`. `str(error)` says what is wrong: the thing and its
state. `error.remedy` says what you can do about it. The command line shows both, and ends with 1; the control API
answers with a problem document (RFC 9457) of the status below, whose `type` is `urn:loopwright:` and the error's name;
a run keeps them as its fault.

```text
{tree}
```

| error | | what to do | over HTTP |
|---|---|---|---|
{rows}
"""

WHAT_TO_DO: dict[type[LoopwrightError], str] = {
    errors.LoopwrightError: "Read the remedy; of its own kind it speaks of a package that is not installed.",
    errors.DeclarationError: "Mend the file that declares the model: the message names the field or column.",
    errors.SettingsError: "Mend `loopwright.toml` or the variable that is named.",
    errors.DataError: "Bring rows that can be used: enough of them, labelled, of the kinds declared.",
    errors.SourceError: "Mend the file or the URL; nothing was recorded.",
    errors.ContractError: "Mend the rows, or the contract where it asks too much; the champion goes on serving.",
    errors.FeatureError: "Mend the feature function: it must take any row alone, and give the same columns always.",
    errors.TrainingError: "Mend the train or tune function: the message names its line.",
    errors.JobError: "Read the job's log (`loopwright runs logs`); often there was too little memory.",
    errors.BundleError: "Fetch it again, train it again, or install what its `requirements.txt` names.",
    errors.NotFoundError: "Choose one of the names that the remedy lists.",
    errors.ConflictError: "Look at what is there now, and decide again.",
    errors.StorageError: "Free space, mend permissions or credentials; `loopwright doctor` tries the store.",
    errors.StateError: "Let the other process end, or see that the database answers: `loopwright doctor`.",
    errors.HostingError: "Free the port, or read the server's log.",
    errors.RequestError: "Ask again as the remedy says: with another column, kind, shape, length of time or file.",
}


def settings_page() -> str:
    """Every setting with its default, its sentence and its variable."""
    rows = [
        f"| `{name}` | `{_toml(field.default)}` | {field.description} | `LOOPWRIGHT_{name.upper()}` |"
        for name, field in Settings.model_fields.items()
    ]
    return SETTINGS + "\n".join(rows) + "\n"


def commands_page() -> str:
    """Every command with its arguments and options."""
    common = "\n".join(_row(one) for one in _common())
    parts = [COMMANDS_HEAD + _HEAD + common + "\n" + COMMANDS_TAIL + _index()]
    parts += [_section(path, command) for path, command in _commands()]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def errors_page() -> str:
    """Every error with what it means and the status that tells of it."""
    tree = inspect.getdoc(errors).split("\n\n")[1]  # type: ignore[union-attr]
    kinds = [getattr(errors, name) for name in errors.__all__]
    rows = [f"| `{kind.__name__}` | {inspect.getdoc(kind)} | {WHAT_TO_DO[kind]} | {_status(kind)} |" for kind in kinds]
    return ERRORS.format(tree=tree, rows="\n".join(rows))


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "commands.md": commands_page,
    "errors.md": errors_page,
}

_HEAD = "| | | default |\n|---|---|---|\n"


def _toml(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _status(kind: type[LoopwrightError]) -> str:
    found = next((status for parent, status in STATUSES.items() if issubclass(kind, parent)), None)
    return f"{int(found)}" if found else "500"


def _index() -> str:
    rows = [f"| [`{name}`](#loopwright-{name}) | {line} |" for name, (_, line) in COMMANDS.items()]
    return "| command | |\n|---|---|\n" + "\n".join(rows)


def _commands() -> Iterator[tuple[str, App]]:
    """Every command that does something by its words, and those that only hold others."""
    for name in COMMANDS:
        yield name, app[name]
        for inner in app[name]:
            if not inner.startswith("-"):
                yield f"{name} {inner}", app[name][inner]


def _section(path: str, command: App) -> str:
    level = "##" if " " not in path else "###"
    arguments = [one for one in _arguments(command) if one.names not in {other.names for other in _common()}]
    words = [_positional(one) for one in arguments if one.index is not None and one.required]
    words += [f"[{_positional(one)}]" for one in arguments if one.index is not None and not one.required]
    words += ["[OPTIONS]"] if any(one.index is None for one in arguments) else []
    told = (inspect.getdoc(command.default_command) if command.default_command else "") or command.help
    lines = [f"{level} loopwright {path}", "", "```text", " ".join(["loopwright", path, *words]), "```", "", told]
    if arguments:
        lines += ["", _HEAD + "\n".join(_row(one) for one in arguments)]
    return "\n".join(lines)


def _positional(one: Argument) -> str:
    return one.name.removeprefix("--").upper()


def _row(one: Argument) -> str:
    names = dict.fromkeys((*one.names, *one.negatives))  # where names hold the negatives, too, as bools' do
    shown = f"`{_positional(one) if one.index is not None else ', '.join(names)}`"
    default = one.field_info.default
    empty = one.required or default is None or default is False or default is inspect.Parameter.empty
    said = "required" if one.required else "" if empty else f"`{default}`"
    return f"| {shown} | {one.parameter.help or _choices(one)} | {said} |"


def _choices(one: Argument) -> str:
    return ", ".join(f"`{choice}`" for choice in get_args(one.hint) if isinstance(choice, str))


def _arguments(command: App) -> list[Argument]:
    if command.default_command is None:
        return []
    return [one for one in command.assemble_argument_collection() if one.show]


def _common() -> list[Argument]:
    def every(*, common: Common = Common()) -> None:  # noqa: B008
        """What all commands share."""

    bare = App()
    bare.default(every)
    return _arguments(bare)


if __name__ == "__main__":
    for name, page in PAGES.items():
        (Path(__file__).parent / name).write_text(page(), encoding="utf-8")
