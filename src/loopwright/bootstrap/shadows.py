"""A shadow held against the version that answers: what the command line and the API load only when asked for it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from loopwright.bootstrap.platform import Platform
from loopwright.core.clock import parse_duration
from loopwright.errors import RequestError, StorageError
from loopwright.monitoring.shadow_page import to_html
from loopwright.monitoring.shadow_records import ShadowComparison
from loopwright.policies.gate import Replay


def shadow_comparison(
    platform: Platform,
    model: str,
    *,
    since: str,
    version: int | None = None,
    by: Sequence[str] = (),
    output: Path | None = None,
) -> ShadowComparison:
    """What the shadow `version` of `model` (the last one) would have answered within `since` (such as 1d); also as a
    page or a picture in `output` (.html or .png).

    Segments are by the columns of `by`, or the model's declared slices as far as they were captured. Raises
    `NotFoundError` where no shadow was captured, and `RequestError` for a column that was not.
    """
    if output is not None and output.suffix.lower() not in (".html", ".png"):
        raise RequestError(f"{output} names no format", remedy="end it in .html or .png")
    room: Any = importlib.import_module("loopwright.monitoring.shadows")
    declared = next((one.declaration for one in platform.declared if one.name == model), {})
    length, now = _length(since), platform.clock.now()
    paired = room.pair_shadow(
        model,
        now - length,
        now,
        version=version,
        by=by,
        slices=declared.get("slices", ()),
        storage=platform.storage,
        registry=platform.registry,
        scratch=platform.home / "cache",
    )
    tolerance = declared.get("replay", {}).get("tolerance", Replay().tolerance)
    found: ShadowComparison = room.compare_shadow(paired, tolerance=tolerance)
    if output is not None:
        _write(output, found, room.draw_shadow(paired))
    return found


def _length(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise RequestError(str(error), remedy="for example 12h, 7d or 4w") from None


def _write(output: Path, found: ShadowComparison, picture: bytes | None) -> None:
    try:
        if output.suffix.lower() == ".html":
            output.write_text(to_html(found, picture), encoding="utf-8")
        elif picture is None:
            raise RequestError("there is no row to draw", remedy="look further back")
        else:
            output.write_bytes(picture)
    except OSError as error:
        raise StorageError(f"{output} cannot be written: {error.strerror}", remedy="write elsewhere") from None
