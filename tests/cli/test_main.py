"""The command line as a whole: every command has help, nothing is loaded in vain, exit codes mean something."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.cli import main
from loopwright.cli.main import COMMANDS, app
from tests.cli.conftest import Command

HEAVY = ("polars", "mlflow", "lightgbm", "sqlalchemy", "pandas", "numpy", "pyarrow", "duckdb", "fastapi", "sklearn")

HELP = f"""
import sys
sys.argv = ["loopwright", "--help"]
from loopwright.cli.main import main
try:
    main()
except SystemExit as ended:
    assert ended.code == 0
print([name for name in {HEAVY!r} if name in sys.modules])
"""


def commands() -> Iterator[tuple[str, ...]]:
    for name in COMMANDS:
        yield (name,)
        yield from ((name, inner) for inner in app[name] if not inner.startswith("-"))


def test_help_loads_nothing_heavy() -> None:
    said = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.splitlines()[-1] == "[]"
    for name, (_, line) in COMMANDS.items():
        assert name in said
        assert line.split(",")[0][:20] in said


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["loopwright", *words, "--help"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    command = app
    for word in words:
        command = command[word]
    assert len(command.help) > 15
    assert command.help.split("\n")[0][:30] in " ".join(capsys.readouterr().out.split())
    if command.default_command is not None:
        described = [one for one in command.assemble_argument_collection() if one.show and one.index is None]
        assert [one.name for one in described if not one.parameter.help] == []


@pytest.mark.parametrize(
    "words", [["nosuch"], ["run", "--bogus"], ["models", "show", "demand"], ["rollout", "nosuch"], ["gc", "extra"]]
)
def test_a_misspelt_command_ends_with_2(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["loopwright", *words])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2


def test_an_error_ends_with_1_and_is_said_with_its_remedy(command: Command) -> None:
    told = command("runs", "show", "run-none")
    assert (told.code, told.out) == (1, "")
    assert "there is no run run-none" in told.err
    said = command("runs", "show", "run-none", "--json")
    assert (said.code, said.err) == (1, "")
    assert said.json["error"] == "NotFoundError"
    assert said.json["remedy"]


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "app", interrupted)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 130


BY_MODEL = [
    *(("monitor", what) for what in ("alerts", "findings", "requests", "silences")),
    *(("rollout", what) for what in ("list", "ledger", "verify")),
    ("runs", "list"),
    ("models",),
]


@pytest.mark.parametrize("words", BY_MODEL, ids=" ".join)
def test_a_name_that_nothing_answers_to_is_no_empty_table(command: Command, words: tuple[str, ...]) -> None:
    said = command(*words, "nobody", "--json")
    assert (said.code, said.json["error"]) == (1, "NotFoundError")
    assert "'nobody'" in said.json["message"]


@pytest.mark.parametrize("words", BY_MODEL, ids=" ".join)
def test_a_declared_model_with_no_version_yet_is_none_of_these_and_that_is_said(
    command: Command, words: tuple[str, ...]
) -> None:
    said = command(*words, "demand")
    assert (said.code, "demand" in said.out, len(said.out.splitlines())) == (0, True, 1)
    assert command(*words, "demand", "--json").json in ([], {"demand": []})


def test_a_file_that_cannot_be_loaded_may_declare_the_model(command: Command, project: Path) -> None:
    (project / "demand.py").write_text("import loopwright\n1 / 0\n")
    said = command("runs", "list", "demand", "--json")
    assert (said.code, said.json["error"]) == (1, "DeclarationError")
    assert command("runs", "list", "--json").json == []


@pytest.mark.parametrize("words", [("runs", "list", "--limit"), ("monitor", "alerts", "--limit"), ("status", "--runs")])
def test_less_than_one_row_cannot_be_asked_for(command: Command, words: tuple[str, ...]) -> None:
    assert command(*words, "0").code == command(*words, "-1").code == 2


def test_the_logs_of_a_run_that_is_not_there_are_not_just_missing(command: Command) -> None:
    assert command("runs", "logs", "run-none", "--json").json["message"] == "there is no run run-none"


def test_a_number_that_is_too_large_for_the_database_is_no_traceback(command: Command) -> None:
    assert command("models", "show", "demand", "9" * 25, "--json").json["error"] == "RequestError"


def test_a_project_that_is_not_there_is_not_made(command: Command, tmp_path: Path) -> None:
    for words in (("status",), ("run",), ("doctor",), ("monitor", "alerts")):
        said = command(*words, "--project", tmp_path / "mispelt", "--json")
        assert (said.code, said.json["error"]) == (1, "NotFoundError")
    assert not (tmp_path / "mispelt").exists()
