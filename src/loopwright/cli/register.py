"""`loopwright register`: bring in a model that was trained elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from loopwright.bootstrap.imports import submit_import
from loopwright.cli.output import Common
from loopwright.cli.run import work_through


def register(
    path: Path,
    *,
    model: Annotated[
        str | None, Parameter(help="The declared model it is a version of, where there are several.")
    ] = None,
    trained_until: Annotated[
        str | None,
        Parameter(help="The newest time (or the row number) it was trained on: rows up to it do not test it."),
    ] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Bring in the model at PATH: it is evaluated, gated, staged and rolled out as a trained one is.

    PATH is an MLflow model directory, LightGBM's text model (.txt), an ONNX file, or a pickled estimator. Opening a
    pickle runs what is in it: bring in only what you trust. Ends with 0 when the version is on its way to the endpoint,
    1 when it was refused or failed.
    """
    platform = common.platform()
    declared = platform.project.model(model)
    submitted = submit_import(platform, declared.name, path, trained_until=trained_until)
    return work_through(platform, submitted, as_json=common.json)
