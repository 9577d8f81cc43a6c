"""A bundle written, read back, extended and verified."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loopwright.bundle.outputs import task_signature
from loopwright.bundle.read import bundle_digest, read_encoding, read_manifest, read_reference, verify_bundle
from loopwright.bundle.records import Encoding, FeatureColumn, Input, Manifest, Reference, ReferenceColumn
from loopwright.bundle.write import extend_bundle, write_bundle
from loopwright.errors import BundleError, StorageError

ENCODING = Encoding(columns=(FeatureColumn(name="x", kind="number"),), names=("x",))
REFERENCE = Reference(
    rows=3, columns=(ReferenceColumn(name="input.x", kind="number", counts=(1, 2), edges=(0.0,), missing=0),)
)


def draft() -> Manifest:
    return Manifest(
        model="demand",
        task="regression",
        runtime="lightgbm",
        signature=task_signature("regression", [Input(name="x", kind="number")]),
        files={},
        created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )


def written(folder: Path) -> Manifest:
    contents = {"model.txt": b"tree\n", "code/demand.py": b"x = 1\n"}
    return write_bundle(folder, draft(), encoding=ENCODING, reference=REFERENCE, contents=contents)


def test_a_bundle_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    manifest = written(tmp_path)
    assert read_manifest(tmp_path) == manifest
    assert read_encoding(tmp_path) == ENCODING
    assert read_reference(tmp_path) == REFERENCE
    assert set(manifest.files) == {
        "MLmodel",
        "code/demand.py",
        "encoding.json",
        "model.txt",
        "python_env.yaml",
        "reference.json",
        "requirements.txt",
    }
    verify_bundle(tmp_path)


def test_the_same_bundle_written_twice_has_one_digest(tmp_path: Path) -> None:
    written(tmp_path / "1")
    written(tmp_path / "2")
    assert bundle_digest(tmp_path / "1") == bundle_digest(tmp_path / "2")


def test_a_bundle_without_reference_has_none(tmp_path: Path) -> None:
    write_bundle(tmp_path, draft(), encoding=ENCODING)
    assert read_reference(tmp_path) is None


def test_requirements_name_what_the_runtime_needs_with_its_version(tmp_path: Path) -> None:
    import lightgbm

    write_bundle(tmp_path, draft(), encoding=ENCODING, requirements=["scikit-learn", "lightgbm"])
    lines = (tmp_path / "requirements.txt").read_text().splitlines()
    assert lines[0].startswith("loopwright==")
    assert lines[1] == f"lightgbm=={lightgbm.__version__}"
    assert [line.partition("==")[0] for line in lines] == ["loopwright", "lightgbm", "scikit-learn"]
    with pytest.raises(BundleError, match="needs no-such-thing, which is not installed"):
        write_bundle(tmp_path, draft(), encoding=ENCODING, requirements=["no-such-thing"])


def test_the_manifest_is_written_last(tmp_path: Path) -> None:
    (tmp_path / "model.txt").mkdir()
    with pytest.raises(StorageError, match=r"model\.txt cannot be written"):
        written(tmp_path)
    assert not (tmp_path / "bundle.json").exists()


def test_a_bundle_takes_more_files_and_is_sealed_anew(tmp_path: Path) -> None:
    before = written(tmp_path)
    after = extend_bundle(tmp_path, {"card.md": b"# demand\n"})
    assert set(after.files) - set(before.files) == {"card.md"}
    assert after.files["model.txt"] == before.files["model.txt"]
    verify_bundle(tmp_path)
    with pytest.raises(BundleError, match="lies outside the bundle"):
        extend_bundle(tmp_path, {"../card.md": b""})


def test_a_changed_file_is_found_and_both_digests_are_said(tmp_path: Path) -> None:
    manifest = written(tmp_path)
    (tmp_path / "model.txt").write_text("other\n")
    with pytest.raises(BundleError, match=r"model\.txt has SHA-256 [0-9a-f]{64}, but the manifest says") as caught:
        verify_bundle(tmp_path)
    assert manifest.files["model.txt"] in str(caught.value)


def test_a_missing_file_and_an_extra_one_are_found(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "code" / "extra.py").write_text("")
    with pytest.raises(BundleError, match=r"the file code/extra\.py is not in the manifest"):
        verify_bundle(tmp_path)
    (tmp_path / "model.txt").unlink()
    with pytest.raises(BundleError, match=r"the file model\.txt is missing"):
        verify_bundle(tmp_path)


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside"])
def test_a_manifest_cannot_vouch_for_files_outside(tmp_path: Path, path: str) -> None:
    written(tmp_path)
    spelled = json.loads((tmp_path / "bundle.json").read_text())
    spelled["files"][path] = "0" * 64
    (tmp_path / "bundle.json").write_text(json.dumps(spelled))
    with pytest.raises(BundleError, match="is missing"):
        verify_bundle(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be understood"),
        (b"{}", "missing required field"),
        (b'{"format": 2}', "Invalid enum value|invalid|Invalid"),
        (b"\xff\xfe", "cannot be understood"),
    ],
)
def test_a_manifest_that_is_none_is_a_corrupt_bundle(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "bundle.json").write_bytes(content)
    with pytest.raises(BundleError, match=said):
        read_manifest(tmp_path)


def test_a_folder_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        read_manifest(tmp_path)
    with pytest.raises(BundleError, match="is no bundle"):
        bundle_digest(tmp_path)


def test_writing_and_reading_load_no_heavy_library() -> None:
    import subprocess
    import sys

    heavy = ("polars", "mlflow", "sklearn", "lightgbm", "onnxruntime", "pandas", "yaml")
    rooms = "code, columns, encoding, frames, outputs, pipeline, read, write, card"
    program = f"from loopwright.bundle import {rooms}; import sys; print([n for n in {heavy} if n in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
