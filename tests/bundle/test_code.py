"""The project's code: archives that are equal for equal files, and modules that do not see each other."""

import io
import pickle
import stat
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from loopwright.bundle.code import archive_code, find_models, load_module, project_code, unpack_code
from loopwright.core.digest import digest_bytes
from loopwright.errors import BundleError, DeclarationError

DEMAND = """
from loopwright.declare import Model
import helpers

model = Model("demand", source="hour.csv", target="cnt")

@model.features
def features(rows):
    import late
    return helpers.FACTOR, late.FACTOR
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def names(data: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_an_archive_holds_code_and_small_texts_and_nothing_else(tmp_path: Path) -> None:
    write(
        tmp_path,
        dict.fromkeys(
            [
                "demand.py",
                "pkg/__init__.py",
                "pkg/query.sql",
                "pyproject.toml",
                "hour.csv",
                ".venv/lib/a.py",
                ".git/config.py",
                ".loopwright/state.py",
                "env/pyvenv.cfg",
                "env/lib/b.py",
                "pkg/__pycache__/c.py",
                "node_modules/d.py",
                "tests/test_demand.py",
                ".hidden.py",
            ],
            "x",
        ),
    )
    (tmp_path / "big.json").write_text("x" * 300_000)
    assert names(archive_code(tmp_path)) == ["demand.py", "pkg/__init__.py", "pkg/query.sql", "pyproject.toml"]


def test_equal_files_make_equal_archives_whenever_and_wherever_they_were_written(tmp_path: Path) -> None:
    files = {"b.py": "b = 1\n", "a/c.py": "c = 1\n", "a.py": ""}
    first, second = write(tmp_path / "1", files), write(tmp_path / "2", dict(reversed(files.items())))
    (second / "b.py").chmod(0o755)
    assert archive_code(first) == archive_code(second)
    assert digest_bytes(archive_code(first)) == "031e16ffc2903c8ce4aff2270e7761da194c2772e129140095ef42bf4e71255b"


def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "huge.py").write_text("#" * (21 * 1024 * 1024))
    with pytest.raises(DeclarationError, match=r"holds 1 code files of 22\.0 MB"):
        archive_code(tmp_path)


def test_an_archive_unpacks_to_the_files_it_was_made_of(tmp_path: Path) -> None:
    data = archive_code(write(tmp_path / "from", {"a.py": "a = 1\n", "pkg/b.py": "b = 2\n"}))
    unpack_code(data, tmp_path / "to")
    assert archive_code(tmp_path / "to") == data


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "a/../../evil.py", "a\\..\\evil.py", "c:/evil.py"])
def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path, name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "evil")
    with pytest.raises(BundleError, match="unsafe path"):
        unpack_code(buffer.getvalue(), tmp_path / "to")
    assert not list(tmp_path.rglob("evil.py"))


def test_an_archive_cannot_hold_links(tmp_path: Path) -> None:
    buffer, link = io.BytesIO(), zipfile.ZipInfo("link.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BundleError, match="unsafe path"):
        unpack_code(buffer.getvalue(), tmp_path)


def test_a_damaged_archive_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        unpack_code(b"no zip", tmp_path)
    data = archive_code(write(tmp_path / "from", {"a.py": "first = 1\n"}))
    with pytest.raises(BundleError, match=r"cannot be read.*a\.py"):
        unpack_code(data.replace(b"first", b"other"), tmp_path / "to")


def test_two_projects_with_modules_of_the_same_names_keep_their_own(tmp_path: Path) -> None:
    loaded = {}
    for factor in (2, 3):
        files = {"demand.py": DEMAND, "helpers.py": f"FACTOR = {factor}", "late.py": f"FACTOR = {factor * 10}"}
        loaded[factor] = load_module(write(tmp_path / str(factor), files), "demand.py")
    assert not {"demand", "helpers", "late"} & sys.modules.keys()
    for factor, module in loaded.items():
        function = find_models(module)["demand"].features_function
        assert function is not None
        assert function(None) == (factor, factor * 10)
    assert not {"demand", "helpers", "late"} & sys.modules.keys()


def test_late_imports_find_their_own_project_from_many_threads(tmp_path: Path) -> None:
    modules = [
        load_module(
            write(
                tmp_path / str(n), {"m.py": "def late():\n    import other\n    return other.N", "other.py": f"N = {n}"}
            ),
            "m.py",
        )
        for n in range(4)
    ]
    seen: list[tuple[int, int]] = []
    threads = [threading.Thread(target=lambda n=n: seen.append((n, modules[n].late()))) for n in [0, 1, 2, 3] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == sorted((n, n) for n in [0, 1, 2, 3] * 4)


def test_a_project_in_packages_imports_as_python_would(tmp_path: Path) -> None:
    files = {
        "models/churn.py": "import beside\nfrom shared.tools import TOOL\nVALUE = (beside.X, TOOL)",
        "models/beside.py": "X = 1",
        "shared/__init__.py": "",
        "shared/tools.py": "from . import more\nTOOL = more.Y",
        "shared/more.py": "Y = 2",
    }
    module = load_module(write(tmp_path, files), "models/churn.py")
    assert module.VALUE == (1, 2)
    assert not {"models", "shared", "beside", "models.churn"} & sys.modules.keys()


def test_a_project_may_have_a_module_named_as_one_that_is_loaded(tmp_path: Path) -> None:
    import calendar

    module = load_module(write(tmp_path, {"demand.py": "import calendar", "calendar.py": "MINE = True"}), "demand.py")
    assert module.calendar.MINE
    assert sys.modules["calendar"] is calendar
    assert not hasattr(calendar, "MINE")


def test_a_file_is_imported_anew_at_each_call(tmp_path: Path) -> None:
    folder = write(tmp_path, {"m.py": "from n import X", "n.py": "X = 1"})
    assert load_module(folder, "m.py").X == 1
    (folder / "n.py").write_text("X = 2")
    assert load_module(folder, "m.py").X == 2
    assert sorted(path.name for path in folder.rglob("*")) == ["m.py", "n.py"]


def test_bytecode_beside_a_module_is_not_believed(tmp_path: Path) -> None:
    import py_compile

    folder = write(tmp_path, {"m.py": "X = 1"})
    compiled = py_compile.compile(str(folder / "m.py"), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert compiled is not None
    (folder / "m.py").write_text("X = 2")
    assert load_module(folder, "m.py").X == 2


def test_pickles_find_the_projects_classes(tmp_path: Path) -> None:
    folder = write(tmp_path, {"shapes.py": "class Square:\n    side = 4\n"})
    with project_code(folder):
        import shapes  # type: ignore[import-not-found]

        data = pickle.dumps(shapes.Square())
    with pytest.raises(ModuleNotFoundError):
        pickle.loads(data)
    with project_code(folder):
        square = pickle.loads(data)
    assert square.side == 4


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"m.py": "x = 1\n\ny = z\n"}, "m.py, line 3: NameError: name 'z' is not defined"),
        ({"m.py": "x = 1\ndef f(:\n"}, "m.py, line 2: SyntaxError"),
        ({"m.py": "import n\n", "n.py": "\n1 / 0\n"}, "n.py, line 2: ZeroDivisionError"),
        ({"m.py": "import n\n", "n.py": "def (\n"}, "n.py, line 1: SyntaxError"),
        ({"m.py": "\nimport nowhere_at_all\n"}, "m.py, line 2: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ({"m.py": "raise SystemExit(3)\n"}, "m.py, line 1: SystemExit: 3"),
        (
            {"m.py": "from loopwright.declare import Model\nModel('Bad Name', source='a', target='b')"},
            "m.py, line 2: a model is named 'Bad Name'",
        ),
        ({"m.py": "import json\n\njson.loads('{')\n"}, "m.py, line 3: JSONDecodeError"),
        ({"n.py": ""}, "there is no file m.py"),
    ],
)
def test_a_fault_in_the_users_file_is_one_sentence_with_its_place(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        load_module(write(tmp_path, files), "m.py")
    assert said in str(caught.value)
    assert caught.value.remedy
    assert not {"m", "n"} & sys.modules.keys()


@pytest.mark.parametrize("name", ["a.model.py", "notes.txt", "time.py"])
def test_a_file_that_cannot_be_imported_by_its_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DeclarationError, match="cannot be imported under its name"):
        load_module(write(tmp_path, {name: ""}), name)


def test_models_are_found_by_their_names(tmp_path: Path) -> None:
    declared = "from loopwright.declare import Model\na = Model('a', source='s', target='t')\nalias = a\n"
    module = load_module(write(tmp_path, {"m.py": declared}), "m.py")
    assert find_models(module) == {"a": module.a}
    twice = load_module(write(tmp_path, {"m.py": declared + "b = Model('a', source='s', target='t')"}), "m.py")
    with pytest.raises(DeclarationError, match="two models named 'a'"):
        find_models(twice)
