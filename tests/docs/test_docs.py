"""What the pages (and the errors' remedies) speak of exists: links, commands, settings, names, fields, words."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from cyclopts import CycloptsError, MissingArgumentError

import loopwright
from loopwright import declare
from loopwright.bundle.code import find_models, load_module
from loopwright.cli.main import app
from loopwright.policies.tasks import METRICS
from loopwright.settings import Settings
from tests.docs.pages import PAGES, ROOT, Block, anchors, blocks, code_words, links, name, prose

ALL = [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "examples").rglob("README.md"))]
BLOCKS = [block for page in PAGES for block in blocks(page)]

NO_SETTINGS = {"LOOPWRIGHT_ENV", "LOOPWRIGHT_ACTOR", "LOOPWRIGHT_DATA"}
"""Names in the environment that are read, but are no fields of `Settings`."""

DECLARED = [getattr(loopwright, one) for one in loopwright.__all__ if one not in ("Model", "open", "simulate")]
NAMED = {one.__name__: one for one in DECLARED}


@pytest.mark.parametrize("page", ALL, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{name(page)} links to {link}; there are {sorted(anchors(target))}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page not in seen and page.suffix == ".md" and page.exists():
            seen.add(page)
            left += [(page.parent / link.partition("#")[0]).resolve() for link in links(page)]
    assert sorted(name(page) for page in set(PAGES) - seen) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_exist(page: Path) -> None:
    shown = [command for block in blocks(page) if block.language == "console" for command in block.commands()]
    spoken = [words for words in code_words(page) if words.startswith("loopwright ")]
    for command in shown:
        for part in re.split(r"&&|;", command):
            if part.strip().startswith("loopwright"):
                _check_command(part, whole=True)
    for words in spoken:
        _check_command(words, whole=False)


def test_remedies_and_docstrings_name_commands_that_exist() -> None:
    for path in sorted((ROOT / "src").rglob("*.py")):
        for words in re.findall(r"`(loopwright [a-z][^`\n]*)`", path.read_text(encoding="utf-8")):
            try:
                _check_command(re.sub(r"\{[^}]*\}", "X", words), whole=False)
            except CycloptsError as error:
                pytest.fail(f"{path.relative_to(ROOT)} names `{words}`: {error}")


SETTINGS = [one for one in BLOCKS if one.language == "toml" and (one.kind != "file" or one.said == "loopwright.toml")]
"""Other files in TOML are named: a simulation's scenario is one."""


@pytest.mark.parametrize("block", SETTINGS, ids=lambda block: block.place)
def test_settings_exist_and_are_valid(block: Block) -> None:
    values = tomllib.loads(block.text)
    environments = values.pop("env", {})
    for said in (values, *environments.values()):
        Settings(**said)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_environment_variables_are_settings(page: Path) -> None:
    known = NO_SETTINGS | {f"LOOPWRIGHT_{field.upper()}" for field in Settings.model_fields}
    text = page.read_text(encoding="utf-8")
    assert {one for one in re.findall(r"LOOPWRIGHT_[A-Z_]+(?![A-Z_<])", text) if not one.endswith("_")} <= known


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.language == "python"], ids=lambda block: block.place)
def test_python_can_be_read_and_models_declared(block: Block, tmp_path: Path) -> None:
    compile(block.text, block.place, "exec")
    if "Model(" in block.text and block.runs:
        (tmp_path / "page.py").write_text(block.text, encoding="utf-8")
        _beside(block, tmp_path)
        assert find_models(load_module(tmp_path, "page.py"))


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.kind == "not run"], ids=lambda block: block.place)
def test_what_is_not_run_says_why(block: Block) -> None:
    assert block.said


def test_marks_are_those_that_are_known() -> None:
    known = {"", "file", "edit", "background", "again", "refused", "not run"}
    assert {f"{block.place}: {block.kind}" for block in BLOCKS if block.kind not in known} == set()


def test_every_public_name_and_field_is_in_the_reference() -> None:
    page = (ROOT / "docs/reference/declarations.md").read_text(encoding="utf-8")
    assert [one for one in loopwright.__all__ if f"`{one}" not in page and f"loopwright.{one}" not in page] == []
    assert [one for one in inspect.signature(declare.Model).parameters if f"`{one}`" not in page] == []
    for policy in DECLARED:
        section = page.partition(f"## `{policy.__name__}`")[2].partition("\n## ")[0]
        missing = [field.name for field in dataclasses.fields(policy) if f"`{field.name}`" not in section]
        assert missing == [], f"{policy.__name__} is described without {missing}"
    assert [metric for metric in METRICS if f"`{metric}`" not in page] == []


def test_defaults_are_those_of_the_code() -> None:
    page = (ROOT / "docs/reference/declarations.md").read_text(encoding="utf-8")
    for policy in DECLARED:
        section = page.partition(f"## `{policy.__name__}`")[2].partition("\n## ")[0]
        for field in dataclasses.fields(policy):
            row = re.search(rf"^\| `{field.name}` \| (.*?) \|", section, flags=re.MULTILINE)
            assert row, f"{policy.__name__} has no row for {field.name}"
            said = row[1].strip("`")
            wanted = "required" if field.default is dataclasses.MISSING else repr(field.default).replace("'", '"')
            same = said == wanted or (said.endswith(")") and eval(said, NAMED) == field.default)
            assert same, f"{policy.__name__}.{field.name} is {wanted}, the page says {said}"


def test_the_glossary_has_every_word_of_the_public_names() -> None:
    page = prose(ROOT / "docs/glossary.md")
    for record in ("Model", "DatasetVersion", "DataContract", "Run", "Bundle", "Candidate", "EvaluationReport",
                   "GateDecision", "ModelVersion", "Endpoint", "Variant", "Rollout", "PredictionRecord", "Outcome",
                   "Entity", "FeatureView", "InferenceRequest", "InferenceResponse"):  # fmt: skip
        assert f"`{record}`" in page
    for word in ("champion", "challenger", "step", "weight", "analysis", "promote", "abort", "reference", "drift",
                 "training-serving skew", "validation", "evaluation", "gate", "point-in-time join", "online store",
                 "offline store", "materialize", "governor", "quarantine", "ledger", "finding"):  # fmt: skip
        assert word in page.lower(), f"the glossary has no {word!r}"


def _check_command(command: str, *, whole: bool) -> None:
    """Raise `CycloptsError` where `command` does not parse; one that is only spoken of may lack arguments."""
    words = shlex.split(command.replace("…", "X"), comments=True)
    try:
        app.parse_args(words[1:], print_error=False, exit_on_error=False)
    except MissingArgumentError:
        if whole:
            raise


def _beside(block: Block, folder: Path) -> None:
    """The page's other files, which the model may import."""
    for other in blocks(block.page):
        if other.kind == "file" and other.language == "python" and "Model(" not in other.text:
            (folder / other.said).write_text(other.text, encoding="utf-8")
