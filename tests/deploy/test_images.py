"""The images' recipes: what they copy, set and start exists, and what they install is what the server needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest

from loopwright.cli.main import app
from loopwright.settings import Settings
from tests.serving.conftest import Project, free_port

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "deploy" / "images"
SERVER, SAGEMAKER = IMAGES / "server.Dockerfile", IMAGES / "sagemaker.Dockerfile"

START = """
import sys
absent = set(sys.argv[1].split(","))

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())

import importlib.metadata as metadata
gone, from_name = set(sys.argv[2].split(",")), metadata.Distribution.from_name

def find(name):
    if name.lower().replace("_", "-") in gone:
        raise metadata.PackageNotFoundError(name)
    return from_name(name)

metadata.Distribution.from_name = staticmethod(find)
sys.argv = ["loopwright", *sys.argv[3:]]
from loopwright.cli.main import main
main()
"""
"""The command in an environment from which some modules, and some distributions, are absent."""


@pytest.mark.parametrize("recipe", [SERVER, SAGEMAKER], ids=lambda path: path.stem)
def test_a_recipe_speaks_of_what_exists(recipe: Path) -> None:
    for words in (words for name, words in instructions(recipe) if name == "COPY" and "--from" not in words):
        for source in words.split()[:-1]:
            assert (ROOT / source).exists(), source
    Settings(**settings(recipe))


def test_what_is_copied_is_sent_to_the_build() -> None:
    sent = (IMAGES / "server.Dockerfile.dockerignore").read_text().splitlines()
    copied = [words.split()[:-1] for name, words in instructions(SERVER) if name == "COPY" and "--from" not in words]
    assert sorted(f"!{source}" for sources in copied for source in sources) == sorted(
        line for line in sent if line.startswith("!")
    )


def test_the_server_starts_as_nobody_in_particular_and_listens_where_it_says() -> None:
    told = dict(instructions(SERVER))
    assert told["USER"] == "10001"
    words = [*json.loads(told["ENTRYPOINT"]), *json.loads(told["CMD"])]
    assert words[0] == "loopwright"
    app.parse_args(words[1:], print_error=False, exit_on_error=False)
    assert settings(SERVER)["inference_port"] == told["EXPOSE"]
    assert "token" not in settings(SERVER)
    assert "trusted_network" not in settings(SERVER)


def test_sagemakers_word_leads_to_the_server() -> None:
    told = dict(instructions(SAGEMAKER))
    assert "ENTRYPOINT" not in told
    assert told["LABEL"] == "com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true"
    assert json.loads(dict(instructions(SERVER))["ENTRYPOINT"]) == ["loopwright"]
    assert json.loads(dict(instructions(SERVER))["CMD"]) == ["serve"]  # as `docker run IMAGE serve` has it
    assert settings(SAGEMAKER) == {"bundle": "/opt/ml/model", "trusted_network": "true"}


def test_every_requirement_is_pinned() -> None:
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert [name for name in required() if name not in pinned] == []


def test_the_server_needs_nothing_that_the_image_does_not_have(tmp_path: Path) -> None:
    """Started with every other distribution of this environment hidden, it takes a bundle as far as the worker."""
    folder = tmp_path / "made"
    folder.mkdir()
    Project(folder).bundle()
    has = closure(required())
    absent = [module for module, names in packages_distributions().items() if not has & {plain(one) for one in names}]
    gone = {plain(one) for names in packages_distributions().values() for one in names} - has
    words = ["serve", "--bundle", str(folder / "bundle-1"), "--port", str(free_port()), "--project", str(tmp_path)]
    log = tmp_path / "log"
    with log.open("wb") as out:
        server = subprocess.Popen([sys.executable, "-c", START, ",".join(absent), ",".join(gone), *words], stderr=out)
    end = time.monotonic() + 20
    while "is in force" not in log.read_text() and server.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    server.terminate()
    assert server.wait(timeout=20) == 0, log.read_text()
    assert "is in force" in log.read_text()


def instructions(recipe: Path) -> Iterator[tuple[str, str]]:
    """The recipe's instructions of its last stage come last, so that a dict of them has those."""
    text = re.sub(r"^#.*\n", "", recipe.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line:
            name, _, words = line.partition(" ")
            yield name, words


def settings(recipe: Path) -> dict[str, str]:
    """The settings in the recipe's environment."""
    said = [pair for name, words in instructions(recipe) if name == "ENV" for pair in words.split()]
    pairs = (pair.partition("=") for pair in said)
    return {
        name.removeprefix("LOOPWRIGHT_").lower(): value for name, _, value in pairs if name.startswith("LOOPWRIGHT_")
    }


def required() -> list[str]:
    lines = (IMAGES / "server.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def closure(names: list[str]) -> set[str]:
    """The distributions and all that they need, as far as they are installed here."""
    found: set[str] = {"loopwright"}
    left = list(names)
    while left:
        name = plain(left.pop())
        if name not in found:
            found.add(name)
            left += needed(name)
    return found


def needed(name: str) -> list[str]:
    try:
        said = distribution(name).requires or []
    except PackageNotFoundError:
        return []
    return [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in said if "extra ==" not in line]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
