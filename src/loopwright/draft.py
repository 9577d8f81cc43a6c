"""A first model file for a user's data: what its first rows show, as a declaration with the findings in comments."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from loopwright.data.peek import check_columns, peek_rows
from loopwright.data.sources import is_query
from loopwright.declare import Declaration
from loopwright.errors import ConflictError, StorageError, TrainingError
from loopwright.policies.tasks import DEFAULT_METRIC, METRICS
from loopwright.training.target import plan_target


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A model file's `text`, and what was guessed for it (None where nothing fits)."""

    name: str
    time: str | None
    key: str | None
    text: str


def draft_model(source: str, target: str, root: Path, name: str | None = None) -> Draft:
    """Look at the first rows of `source` and write the model file that fits them.

    Raises `SourceError` where it cannot be read, and `DeclarationError` where it has no column `target`.
    """
    rows = peek_rows(source, root)
    bare = Declaration(name=name or _name(source), source=source, target=target)
    check_columns(bare, dict.fromkeys(rows.columns, "text"))
    others = rows.drop(target)
    time, about_time = _time(others)
    key, about_key = _key(others.drop(time) if time else others)
    metric, about_target = _target(bare, rows)
    said = [
        (f"source={_quoted(source)}", ""),
        (f"target={_quoted(target)}", about_target),
        (f"time={_quoted(time)}" if time else "", about_time),
        (f"key={_quoted(key)}" if key else "", about_key),
        ("", "drop=[…] leaves out columns that are not yet known when a prediction is asked for."),
        (f"gate=Gate({_quoted(metric)})" if metric else "gate=Gate()", _about_gate(metric)),
        ("rollout=Canary(steps=(10, 50, 100))", "Traffic moves to a new version by these steps, in percent."),
        ("retrain=[NewData(), Drift()]", "What asks for a retrain; the governor decides."),
    ]
    arguments = "".join(_argument(code, comment) for code, comment in said)
    text = _FILE.format(source=source.split("\n")[0][:60], rows=rows.height, name=_quoted(bare.name), said=arguments)
    return Draft(name=bare.name, time=time, key=key, text=text)


def write_new(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write a project's first files and say which; a .gitignore that is there already is left as it is.

    Raises `ConflictError`, and writes nothing, where another one is there; `StorageError` where it may not be written.
    """
    there = [name for name in files if (folder / name).exists()]
    if taken := [name for name in there if name != ".gitignore"]:
        raise ConflictError(
            f"{folder.resolve()} has {', '.join(taken)} already",
            remedy="nothing was written; name another folder with --project, or move them away",
        )
    new = [name for name in files if name not in there]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in new:
            (folder / name).write_text(files[name], encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}", remedy="name a folder of yours") from None
    return new


def _target(declaration: Declaration, rows: pl.DataFrame) -> tuple[str | None, str]:
    """The metric to gate on, None where the rows do not show the task; and what they do show."""
    try:
        plan = plan_target(declaration, rows[declaration.target])
    except TrainingError as error:
        return None, f"In these rows {error.message.partition(': ')[2]}."
    return DEFAULT_METRIC[plan.task], f"{plan.note[0].upper()}{plan.note[1:]}."


def _time(rows: pl.DataFrame) -> tuple[str | None, str]:
    dates = [name for name, dtype in rows.schema.items() if dtype.is_temporal()]
    if not dates:
        return (
            None,
            'No column of dates was found. Are rows in the order in which they happened? Then say order="rows".',
        )
    rising = [name for name in dates if rows[name].is_sorted()]
    found = (rising or dates)[0]
    why = ", and the rows are in its order" if found in rising else ", though the rows are not in its order"
    others = f"; other dates: {', '.join(one for one in dates if one != found)}" if len(dates) > 1 else ""
    return found, f"{found} is a date{why}{others}. The newest rows test what the older ones taught."


def _key(rows: pl.DataFrame) -> tuple[str | None, str]:
    """The column that tells rows apart. A key is not learned from, so that it is one must show beyond its values."""
    apart = [
        name
        for name, dtype in rows.schema.items()
        if (dtype.is_integer() or dtype == pl.String)
        and rows.height > 1
        and rows[name].null_count() == 0
        and rows[name].n_unique() == rows.height
    ]
    named = [name for name in apart if _ID.search(name)]
    counted = [name for name in apart if rows[name].dtype.is_integer() and (rows[name].diff().drop_nulls() == 1).all()]
    if named or counted:
        found = (named or counted)[0]
        return found, f"{found} is different in each row. Outcomes find their predictions by it."
    maybe = f" (perhaps {', '.join(apart)}, different in each of these)" if apart else ""
    return None, f"key=… names the column that tells rows apart{maybe}; outcomes find their predictions by it."


def _about_gate(metric: str | None) -> str:
    bound = "at_least" if metric is None or METRICS[metric][1] else "at_most"
    return f"{bound}=… binds the first version; later ones must not be worse than the champion."


def _argument(code: str, comment: str) -> str:
    lines = textwrap.wrap(comment, 100)
    return "".join(f"    # {line}\n" for line in lines) + (f"    {code},\n" if code else "")


def _name(source: str) -> str:
    """A model's name from its source's."""
    if is_query(source):
        return "model"
    stem = re.split(r"[*?\[]", source)[0].rstrip("/").rsplit("/", 1)[-1].partition(".")[0]
    slug = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:63].strip("-")
    return slug or "model"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


_ID = re.compile(r"(?i:(?:^|[_\-. ])(?:id|uuid|guid|key|no|nr|number|index)$)|[a-z](?:Id|ID|Key|No)$")

_FILE = '''"""A model of {source}. Comments say what its first {rows:,} rows showed."""

from loopwright import Canary, Drift, Gate, Model, NewData

model = Model(
    {name},
{said})

# Optional, once the defaults no longer do (features: see each row alone; train; tune):
#
# @model.features
# def features(rows):  # a Polars LazyFrame of raw rows, to the columns that the model learns from
#     return rows.with_columns(...)
'''
