"""`loopwright init`: a first project, drafted for a data file, or the simulated retail chain's."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from cyclopts import Parameter

from loopwright.cli.output import Common, answer, say
from loopwright.data.peek import peek
from loopwright.demo.project import write_project
from loopwright.demo.retail import Chain
from loopwright.draft import draft_model, write_new
from loopwright.errors import DeclarationError

SETTINGS = """# What this project sets; every other setting has a default.
models = ["model.py"]

# In force with `--env prod`, on top of the above:
# [env.prod]
# state = "postgresql://loopwright@db/loopwright"
# storage = "s3://bucket/loopwright"
"""
GITIGNORE = """.loopwright/
__pycache__/
"""


def init(
    source: Annotated[str | None, Parameter(help="A file, glob, folder, URL or SQL; paths start at --project.")] = None,
    *,
    target: Annotated[str | None, Parameter(help="The column to predict.")] = None,
    name: Annotated[str | None, Parameter(help="The model's name; without it, the source's.")] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Write a first project: a model file that fits SOURCE, settings, and what Git is to ignore.

    Overwrites nothing. Without SOURCE it is a retail chain's project, with simulated sales.
    """
    if source is None:
        chain = Chain(secrets.randbelow(1_000_000))
        written = write_project(common.project, chain)
        found: dict[str, Any] = {"seed": chain.seed}
        said = f"a retail chain's demand, [bold]simulated[/] with seed {chain.seed}"
    else:
        draft = draft_model(source, target or _no_target(source, common), common.project, name)
        files = {"model.py": draft.text, "loopwright.toml": SETTINGS, ".gitignore": GITIGNORE}
        written = write_new(common.project, files)
        found = {"model": draft.name, "time": draft.time, "key": draft.key}
        said = f"a model of {target}; comments in model.py say what was found"
    if common.json:
        answer({"files": written, **found})
    else:
        say(f"{', '.join(written)}: {said}")
        say("look through the model file, then `loopwright run`")
    return 0


def _no_target(source: str, common: Common) -> str:
    columns = ", ".join(peek(source, common.project))
    raise DeclarationError("no target was named", remedy=f"say --target and a column of {source}: {columns}")
