"""`loopwright predict` and `loopwright batch`: ask a model for a few rows, or for a file of any size."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.progress import Progress

from loopwright.bootstrap.session import Session
from loopwright.cli.output import Common, answer, console, say, table
from loopwright.core.codec import to_plain
from loopwright.errors import RequestError

Version = Annotated[int | None, Parameter(help="A version's number; without it, the champion.")]


def predict(
    model: str | None = None,
    *,
    row: Annotated[
        list[str] | None, Parameter(negative="", help="A row as JSON, such as '{\"age\": 41}'; may be repeated.")
    ] = None,
    version: Version = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Predict for rows given here, or as JSON lines on standard input, in this process: no server is asked."""
    rows = [_row(text) for text in (row or sys.stdin.read().splitlines()) if text.strip()]
    if not rows:
        raise RequestError("no row was given", remedy="""write --row '{"column": value}', or pipe JSON lines in""")
    names = list(dict.fromkeys(name for one in rows for name in one))
    columns = {name: [one.get(name) for one in rows] for name in names}
    with Session(common.platform()) as session:
        outputs = {
            name: values.tolist() for name, values in session.predict(columns, model=model, version=version).items()
        }
    if common.json:
        answer({"predictions": outputs})
    else:
        table(list(outputs), zip(*outputs.values(), strict=True))
    return 0


def batch(
    source: str,
    output: Path,
    *,
    model: Annotated[str | None, Parameter(help="The model's name, where there are several.")] = None,
    version: Version = None,
    keep: Annotated[
        list[str] | None, Parameter(negative="", help="Columns of the source to keep; without it, the key.")
    ] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Score every row of SOURCE into OUTPUT (.parquet or .csv), streaming, in bounded memory."""
    with Session(common.platform()) as session, Progress(console=console, disable=common.json) as shown:
        task = shown.add_task("scoring", total=1.0)
        report = session.batch(
            source,
            output,
            model=model,
            version=version,
            keep=tuple(keep or ()),
            progress=lambda text, done: shown.update(task, description=text, completed=done),
        )
    if common.json:
        answer(to_plain(report))
    else:
        say(f"{report.rows:,} rows of {report.files} files scored into {report.output} in {report.seconds:.1f} s")
    return 0


def _row(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise RequestError(f"{text[:80]!r} is not JSON: {error}", remedy="""write '{"column": value}'""") from None
    if not isinstance(found, dict):
        raise RequestError(f"{text[:80]!r} is not a JSON object", remedy="""write '{"column": value}'""")
    return found
