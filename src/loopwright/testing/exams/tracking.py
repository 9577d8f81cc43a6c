"""The exam of `ports.Tracking`."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loopwright.errors import NotFoundError
from loopwright.ports.tracking import TrackedRun, TrackedVersion, Tracking

_START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenRun:
    """A run as an outsider finds it in the tracking store: `parent` is our id, `files` are contents by path."""

    name: str
    state: str
    started: datetime
    finished: datetime | None
    parent: str | None
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    files: dict[str, bytes] = field(default_factory=dict)


Look = Callable[[str, str], list[SeenRun]]


class TrackingExam:
    """Fixtures `tracking`, empty or not; `look(model, run_id)`, every run of the model with our id as the store itself
    shows it; and `bundle`, a model folder that the store accepts.
    """

    @pytest.fixture
    def model(self) -> str:
        """A name that the store has never heard."""
        return f"bike-{secrets.token_hex(4)}"

    def test_a_run_is_shown_as_it_is(self, tracking: Tracking, model: str, look: Look, tmp_path: Path) -> None:
        (tmp_path / "plot.png").write_bytes(b"picture")
        run = _run(model, files={"pictures/roc.png": tmp_path / "plot.png", "card.md": tmp_path / "plot.png"})
        tracking.record_run(run)
        (seen,) = look(model, "run-1")
        assert (seen.name, seen.state, seen.started, seen.finished) == ("first", "succeeded", _START, run.finished)
        assert (seen.params, seen.metrics) == (run.params, run.metrics)
        assert seen.tags.items() >= run.tags.items()
        assert seen.files == {"pictures/roc.png": b"picture", "card.md": b"picture"}

    def test_recording_again_changes_nothing(self, tracking: Tracking, model: str, look: Look) -> None:
        tracking.record_run(_run(model))
        before = look(model, "run-1")
        tracking.record_run(_run(model))
        assert look(model, "run-1") == before
        assert len(before) == 1

    def test_a_run_is_brought_up_to_date(self, tracking: Tracking, model: str, look: Look) -> None:
        tracking.record_run(replace(_run(model), state="running", finished=None, metrics={"rmse": 3.0}))
        assert look(model, "run-1")[0].state == "running"
        tracking.record_run(replace(_run(model), metrics={"rmse": 2.0, "mae": 1.0}, tags={"gate": "refused"}))
        (seen,) = look(model, "run-1")
        assert (seen.state, seen.metrics) == ("succeeded", {"rmse": 2.0, "mae": 1.0})
        assert seen.tags["gate"] == "refused"

    def test_a_failed_run_is_shown_as_failed(self, tracking: Tracking, model: str, look: Look) -> None:
        tracking.record_run(replace(_run(model), state="failed"))
        assert look(model, "run-1")[0].state == "failed"

    def test_trials_stand_below_their_run(self, tracking: Tracking, model: str, look: Look) -> None:
        tracking.record_run(_run(model))
        for number in range(3):
            tracking.record_run(replace(_run(model), id=f"trial-{number}", name=f"trial {number}", parent="run-1"))
        assert [look(model, f"trial-{number}")[0].parent for number in range(3)] == ["run-1"] * 3

    def test_a_trial_of_a_run_never_recorded_is_refused(self, tracking: Tracking, model: str) -> None:
        with pytest.raises(NotFoundError, match="run-0"):
            tracking.record_run(replace(_run(model), parent="run-0"))

    def test_names_of_any_form_are_taken(self, tracking: Tracking, model: str, look: Look) -> None:
        names = ["plain", "F1 (macro) %", "slice/store=7", "../up", "/root", "ü"]
        tracking.record_run(
            replace(_run(model), params=dict.fromkeys(names, "1"), metrics=dict.fromkeys(names, 1.0), tags={"a%": "b"})
        )
        (seen,) = look(model, "run-1")
        assert (len(seen.params), len(seen.metrics)) == (len(names), len(names))

    def test_versions_are_numbered_and_registered_once(self, tracking: Tracking, model: str, bundle: Path) -> None:
        tracking.record_run(_run(model))
        first = tracking.record_version(_version(model, "ver-a", 1, bundle))
        second = tracking.record_version(_version(model, "ver-b", 2, bundle))
        assert first != second
        assert tracking.record_version(_version(model, "ver-a", 1, bundle)) == first

    def test_a_version_of_a_run_never_recorded_is_refused(self, tracking: Tracking, model: str, bundle: Path) -> None:
        with pytest.raises(NotFoundError, match="run-1"):
            tracking.record_version(_version(model, "ver-a", 1, bundle))

    def test_aliases_point_move_and_go(self, tracking: Tracking, model: str, bundle: Path) -> None:
        tracking.record_run(_run(model))
        tracking.record_version(_version(model, "ver-a", 1, bundle))
        tracking.record_version(_version(model, "ver-b", 2, bundle))
        for _ in range(2):
            tracking.point_alias(model, "champion", "ver-a")
            tracking.point_alias(model, "challenger", "ver-b")
        assert tracking.aliases(model) == {"champion": "ver-a", "challenger": "ver-b"}
        tracking.point_alias(model, "champion", "ver-b")
        for _ in range(2):
            tracking.point_alias(model, "challenger", None)
        assert tracking.aliases(model) == {"champion": "ver-b"}

    def test_an_alias_for_a_version_never_recorded_is_refused(self, tracking: Tracking, model: str) -> None:
        with pytest.raises(NotFoundError, match="ver-z"):
            tracking.point_alias(model, "champion", "ver-z")

    def test_a_model_never_recorded_has_no_aliases(self, tracking: Tracking, model: str) -> None:
        assert tracking.aliases(f"{model}-unheard-of") == {}
        tracking.point_alias(f"{model}-unheard-of", "champion", None)


def _run(model: str, files: dict[str, Path] | None = None) -> TrackedRun:
    return TrackedRun(
        id="run-1",
        model=model,
        name="first",
        started=_START,
        finished=_START + timedelta(seconds=90),
        state="succeeded",
        params={"num_leaves": "31", "features": "12"},
        metrics={"rmse": 41.5, "mae": 27.25},
        tags={"data": "sha256-abc", "git": "0123abc"},
        files=files or {},
    )


def _version(model: str, version_id: str, number: int, bundle: Path) -> TrackedVersion:
    return TrackedVersion(
        id=version_id, model=model, number=number, run="run-1", folder=bundle, tags={"gate": "passed"}
    )
