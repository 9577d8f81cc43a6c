"""Where a command acts: the options that all commands have, and the settings they lead to.

Annotations are evaluated here (no `from __future__`): they are read from the module of a class that inherits them.
"""

import os.path
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from loopwright.errors import NotFoundError
from loopwright.settings import Settings, load_settings


@Parameter(name="*")
@dataclass(frozen=True)
class Where:
    """The options every command has."""

    project: Annotated[Path, Parameter(help="The project's folder.")] = Path()
    env: Annotated[str | None, Parameter(help="The environment in loopwright.toml, such as prod.")] = None
    json: Annotated[bool, Parameter(negative="", help="Answer in JSON, for a program.")] = False

    @property
    def root(self) -> Path:
        """Raises `NotFoundError` where the folder is not there, which a misspelt one would else become."""
        if not os.path.isdir(self.project):  # noqa: PTH112 - unlike Path's, it says no where one may not look
            remedy = f"`loopwright init --project {self.project}` makes one"
            raise NotFoundError(f"there is no folder {self.project}", remedy=remedy)
        return self.project.resolve()

    def settings(self, **overrides: Any) -> Settings:
        """The settings in force; `overrides` are those given on the command line (None: not given).

        Raises `NotFoundError`, `SettingsError`.
        """
        return load_settings(self.root, self.env, given(overrides))


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Those options that were given."""
    return {name: value for name, value in options.items() if value is not None}
