"""The host in this process takes the exam that hosts with processes of their own take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loopwright.bootstrap.predictor import load_predictor
from loopwright.testing.exams.hosting import HostingExam
from loopwright.testing.hosting import InProcessHosting
from tests.serving.conftest import ROW, Project


class TestInProcessHosting(HostingExam):
    @pytest.fixture
    def project(self, tmp_path: Path) -> Project:
        return Project(tmp_path)

    @pytest.fixture
    def hosting(self, project: Project, tmp_path: Path) -> InProcessHosting:
        return InProcessHosting(project.storage, load_predictor, tmp_path / "scratch")

    @pytest.fixture
    def row(self) -> dict[str, Any]:
        return ROW

    @pytest.fixture
    def release(self, project: Project) -> Callable[[float], None]:
        return lambda number: project.release(project.bundle(project.linear(number / 21.5)))

    @pytest.fixture
    def spoil(self, project: Project) -> Callable[[], None]:
        def broken() -> None:
            variant = project.bundle()
            project.storage.put(f"{variant.bundle}/model.pkl", b"damaged")
            project.release(variant)

        return broken
