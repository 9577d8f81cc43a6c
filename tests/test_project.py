"""The project on disk: which models it declares, and its code as an archive."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from loopwright.errors import DeclarationError, NotFoundError
from loopwright.project import Project
from loopwright.testing.storage import MemoryStorage

MODEL = "from loopwright import Model\nmodel = Model({name!r}, source='a.csv', target='y')\n"


def project(root: Path) -> Project:
    return Project(root, ("*.py", "models/*.py"), "contracts")


def test_models_are_found_in_all_files_that_name_us(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "demand.py").write_text(MODEL.format(name="demand"))
    (tmp_path / "models" / "churn.py").write_text(MODEL.format(name="churn"))
    (tmp_path / "setup.py").write_text("raise SystemExit('not to be imported')")
    assert sorted(project(tmp_path).models()) == ["churn", "demand"]


def test_the_only_model_needs_no_name_and_of_several_one_must_be_named(tmp_path: Path) -> None:
    (tmp_path / "demand.py").write_text(MODEL.format(name="demand"))
    assert project(tmp_path).model().name == "demand"
    (tmp_path / "churn.py").write_text(MODEL.format(name="churn"))
    with pytest.raises(NotFoundError) as caught:
        project(tmp_path).model()
    assert "churn, demand" in caught.value.remedy
    with pytest.raises(NotFoundError, match="'sales'"):
        project(tmp_path).model("sales")


def test_an_empty_project_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        project(tmp_path).model()
    assert "loopwright init" in caught.value.remedy


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(MODEL.format(name="demand"))
    (tmp_path / "b.py").write_text(MODEL.format(name="demand"))
    with pytest.raises(DeclarationError, match=r"both a\.py and b\.py"):
        project(tmp_path).models()


def test_the_same_code_has_the_same_digest_and_knows_its_commit(tmp_path: Path) -> None:
    (tmp_path / "demand.py").write_text(MODEL.format(name="demand"))
    storage = MemoryStorage()
    outside = project(tmp_path).archive(project(tmp_path).model(), storage)
    assert (outside.commit, outside.dirty, outside.module) == ("", False, "demand.py")
    git = ["git", "-c", "user.name=ann", "-c", "user.email=ann@example.com"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    inside = project(tmp_path).archive(project(tmp_path).model(), storage)
    assert inside.digest == outside.digest
    assert len(inside.commit) == 40
    assert not inside.dirty
    (tmp_path / "demand.py").write_text(MODEL.format(name="demand") + "# changed\n")
    changed = project(tmp_path).archive(project(tmp_path).model(), storage)
    assert changed.dirty
    assert changed.digest != inside.digest
    assert storage.get(changed.key)


def test_who_watches_sees_files_as_they_change_whatever_they_import(tmp_path: Path) -> None:
    (tmp_path / "demand.py").write_text(
        "from loopwright import Model\nfrom names import NAME\nmodel = Model(NAME, source='a.csv', target='y')\n"
    )
    (tmp_path / "names.py").write_text("NAME = 'first'\n")
    watched = project(tmp_path)
    models, faults = watched.look()
    assert (list(models), faults) == (["first"], [])
    assert watched.look()[0]["first"] is models["first"], "what has not changed is not loaded again"
    (tmp_path / "names.py").write_text("NAME = 'second'\n")
    assert list(watched.look()[0]) == ["second"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("a,b\n")
    assert watched.look()[0]["second"] is watched.look()[0]["second"]


def test_a_broken_file_keeps_the_models_it_had_for_who_watches_and_hides_no_other(tmp_path: Path) -> None:
    for name in ("churn", "demand"):
        (tmp_path / f"{name}.py").write_text(MODEL.format(name=name))
    watched = project(tmp_path)
    watched.look()
    (tmp_path / "demand.py").write_text("import loopwright\n1 / 0\n")
    models, (fault,) = watched.look()
    assert sorted(models) == ["churn", "demand"]
    assert "demand.py, line 2: ZeroDivisionError" in str(fault)
    assert watched.model("churn").name == "churn"
    with pytest.raises(DeclarationError, match=r"demand\.py, line 2"):
        watched.model("demand")
    (tmp_path / "demand.py").unlink()
    assert (list(watched.look()[0]), watched.look()[1]) == (["churn"], [])
