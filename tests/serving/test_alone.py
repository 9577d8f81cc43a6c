"""One bundle served by itself: as any store's endpoint, with its writing kept or forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loopwright.bootstrap.predictor import load_predictor
from loopwright.errors import BundleError, NotFoundError, SettingsError
from loopwright.serving.alone import BundleStorage, ServedAs, served_as
from loopwright.serving.endpoints import Endpoints, LiveEndpoint
from loopwright.serving.models import Shelf
from loopwright.testing.storage import MemoryStorage


@pytest.fixture
def bundle(project: Any) -> Path:
    project.bundle()
    return Path(project.folder / "bundle-1")


def live(storage: BundleStorage, folder: Path) -> dict[str, LiveEndpoint]:
    endpoints = Endpoints(storage, Shelf(storage, folder / "copies", load_predictor), None)
    endpoints.discover()
    endpoints.look()
    assert endpoints.faults == {}
    assert endpoints.ready
    return endpoints.live


def test_it_is_served_under_its_models_name(bundle: Path, tmp_path: Path) -> None:
    (endpoint,) = live(BundleStorage(bundle), tmp_path).values()
    (variant,) = endpoint.variants
    assert (endpoint.revision.endpoint, variant.variant.name, variant.variant.version) == ("demand", "champion", 0)
    assert not any((tmp_path / "copies").iterdir())  # it is read where it lies


def test_whoever_routes_says_what_it_is_recorded_as(bundle: Path, tmp_path: Path) -> None:
    storage = BundleStorage(bundle, served_as("delivery/7/challenger/3"))
    (endpoint,) = live(storage, tmp_path).values()
    (variant,) = endpoint.variants
    assert (endpoint.revision.endpoint, endpoint.revision.number) == ("delivery", 7)
    assert (variant.variant.name, variant.variant.version) == ("challenger", 3)


@pytest.mark.parametrize(
    "text", ["delivery", "delivery/7/challenger", "Delivery/7/c/3", "d/0/c/3", "d/7/c/3/", "../7/c/1"]
)
def test_what_is_no_identity_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="cannot be served as"):
        served_as(text)


def test_identities_are_read_as_they_are_written() -> None:
    assert served_as("d-1/12/blue.2/0") == ServedAs(endpoint="d-1", revision=12, variant="blue.2", version=0)


def test_what_is_written_is_kept_where_a_store_is_named_and_forgotten_elsewhere(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "segment"
    file.write_bytes(b"rows")
    kept = MemoryStorage()
    for store, share in ((None, 0.0), (kept, 1.0)):
        storage = BundleStorage(bundle, kept=store)
        storage.put("status/a", b"1")
        assert storage.create("status/b", b"2")
        storage.upload("predictions/c", file)
        moved = tmp_path / "moved"
        moved.write_bytes(b"more rows")
        storage.move("predictions/d", moved)
        assert not moved.exists()
        storage.delete("status/a")
        (endpoint,) = live(storage, tmp_path).values()
        assert endpoint.revision.capture.share == share
    assert sorted(kept.list("")) == ["predictions/c", "predictions/d", "status/b"]
    with pytest.raises(NotFoundError):
        BundleStorage(bundle, kept=kept).get("status/b")


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        BundleStorage(tmp_path)
