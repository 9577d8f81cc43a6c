"""Revisions are followed as they come; one that cannot be served leaves the one in force alone."""

from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loopwright.adapters.obstore.storage import open_storage
from loopwright.bootstrap.predictor import load_predictor
from loopwright.errors import NotFoundError, StorageError
from loopwright.ports.predictor import Predictor
from loopwright.serving.endpoints import Endpoints
from loopwright.serving.models import Shelf
from loopwright.testing.storage import MemoryStorage
from loopwright.traffic.records import decode_revision, revision_key


class Loads:
    """`load_predictor`, counted."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, folder: Path) -> Predictor:
        self.count += 1
        return load_predictor(folder)


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.fixture
def follow(project: Any, tmp_path: Path, loads: Loads) -> Callable[..., Endpoints]:
    def make(names: list[str] | None = None, storage: Any = None) -> Endpoints:
        store = storage or project.storage
        endpoints = Endpoints(store, Shelf(store, tmp_path / "cache", loads), names)
        endpoints.discover()
        endpoints.look()
        return endpoints

    return make


def numbers(endpoints: Endpoints) -> dict[str, int]:
    return {name: live.revision.number for name, live in endpoints.live.items()}


def test_the_newest_revision_is_served_and_then_the_next_ones(project: Any, follow: Any, loads: Loads) -> None:
    variant = project.bundle()
    project.release(replace(variant, version=1))
    project.release(variant)
    endpoints = follow()
    assert (numbers(endpoints), endpoints.ready) == ({"demand": 2}, True)
    assert not endpoints.look()
    project.release(variant)
    project.release(variant)
    assert endpoints.look()
    assert (numbers(endpoints), loads.count) == ({"demand": 4}, 1)


def test_endpoints_made_later_are_found_unless_names_are_given(project: Any, follow: Any) -> None:
    every, one = follow(), follow(["demand"])
    assert not every.ready
    assert not one.ready
    variant = project.bundle()
    for name in ("demand", "other"):
        project.release(variant, endpoint=name)
    for endpoints in (every, one):
        endpoints.discover()
        endpoints.look()
    assert numbers(every) == {"demand": 1, "other": 1}
    assert numbers(one) == {"demand": 1}


def test_a_corrupt_bundle_leaves_the_old_one_in_force(project: Any, follow: Any) -> None:
    good, bad = project.bundle(), project.bundle()
    project.release(good)
    endpoints = follow()
    project.storage.put(f"{bad.bundle}/model.pkl", b"garbage")
    project.release(bad)
    assert endpoints.look()
    assert numbers(endpoints) == {"demand": 1}
    assert "revision 2 cannot be served" in endpoints.faults["demand"]
    assert "model.pkl has SHA-256" in endpoints.faults["demand"]
    project.release(good)
    assert endpoints.look()
    assert (numbers(endpoints), endpoints.faults) == ({"demand": 3}, {})


def test_a_starting_server_goes_back_to_the_newest_revision_it_can_serve(project: Any, follow: Any) -> None:
    project.release(project.bundle())
    bad = project.bundle()
    project.release(replace(bad, bundle_digest="0" * 64))
    project.release(replace(bad, bundle="bundles/nowhere"))
    endpoints = follow()
    assert numbers(endpoints) == {"demand": 1}
    assert "revision 3 cannot be served" in endpoints.faults["demand"]
    project.release(bad)
    endpoints.look()
    assert (numbers(endpoints), endpoints.faults) == ({"demand": 4}, {})


@pytest.mark.parametrize("data", [b"not json", b"{}", b'{"endpoint": 3}'])
def test_a_revision_that_is_none_is_a_fault(project: Any, follow: Any, data: bytes) -> None:
    project.release(project.bundle())
    endpoints = follow()
    project.storage.put(revision_key("demand", 2), data)
    endpoints.look()
    assert numbers(endpoints) == {"demand": 1}
    assert "revision 2 cannot be served" in endpoints.faults["demand"]


def test_a_bundle_whose_code_fails_is_a_fault_of_its_revision(project: Any, tmp_path: Path) -> None:
    def load(folder: Path) -> Predictor:
        raise RuntimeError("no such module")

    project.release(project.bundle())
    endpoints = Endpoints(project.storage, Shelf(project.storage, tmp_path / "cache", load), ["demand"])
    endpoints.look()
    assert not endpoints.ready
    assert "RuntimeError: no such module" in endpoints.faults["demand"]


def test_a_rollback_loads_nothing(project: Any, follow: Any, loads: Loads) -> None:
    old, new, newest = project.bundle(), project.bundle(), project.bundle()
    project.release(old)
    endpoints = follow()
    project.release(replace(old, weight=50), replace(new, name="challenger", weight=50))
    endpoints.look()
    project.release(new)
    endpoints.look()
    assert loads.count == 2
    project.release(old)
    endpoints.look()
    assert (numbers(endpoints), loads.count) == ({"demand": 4}, 2)
    for variant in (newest, newest, new):  # forgotten by now: it must be loaded again
        project.release(variant)
        endpoints.look()
    assert loads.count == 4


def test_a_rollback_loads_nothing_though_a_challenger_and_a_shadow_came_between(
    project: Any, follow: Any, loads: Loads
) -> None:
    old, new, refused = project.bundle(), project.bundle(), project.bundle()
    for variants in ((old,), (new,)):
        project.release(*variants)
    endpoints = follow()
    assert loads.count == 1
    project.release(old)
    endpoints.look()
    for variants in (
        (new,),
        (replace(new, weight=90), replace(refused, name="challenger", weight=10)),
        (new,),
        (new, replace(refused, name="shadow", shadow=True)),
        (new,),
    ):
        project.release(*variants)
        endpoints.look()
    assert loads.count == 3
    project.release(old)
    endpoints.look()
    assert (endpoints.live["demand"].variants[0].variant, loads.count) == (old, 3)


def test_no_more_is_kept_than_a_rollback_needs(project: Any, tmp_path: Path, loads: Loads) -> None:
    shelf = Shelf(project.storage, tmp_path / "cache", loads)
    endpoints = Endpoints(project.storage, shelf, ["demand"])
    models: list[weakref.ref[Any]] = []
    for _ in range(6):
        project.release(project.bundle())
        endpoints.look()
        models.append(weakref.ref(endpoints.live["demand"].variants[0].model))
    gc.collect()
    assert [one() is not None for one in models] == [False, False, False, False, True, True]


class Away(MemoryStorage):
    """A store that refuses reads below `refused`."""

    refused = ""

    def get(self, key: str) -> bytes:
        self._refuse(key)
        return super().get(key)

    def fetch(self, key: str, folder: Path) -> Path:
        self._refuse(key)
        return super().fetch(key, folder)

    def list(self, prefix: str) -> Iterator[str]:
        self._refuse(prefix)
        return super().list(prefix)

    def _refuse(self, key: str) -> None:
        if self.refused and key.startswith(self.refused):
            raise StorageError(f"{key} cannot be read")


@pytest.fixture
def away(project: Any) -> Away:
    """The project's store, in memory."""
    store = Away()
    project.release(project.bundle())
    for key in project.storage.list(""):
        store.put(key, project.storage.get(key))
    return store


@pytest.mark.parametrize("refused", ["endpoints/", "bundles/"])
def test_a_store_that_is_away_is_asked_again(away: Away, follow: Any, refused: str) -> None:
    away.refused = refused if refused == "bundles/" else "endpoints/demand"
    endpoints = follow(["demand"], away)
    assert not endpoints.ready
    assert "the store cannot be read" in endpoints.faults["demand"]
    away.refused = ""
    assert endpoints.look()
    assert (numbers(endpoints), endpoints.faults) == ({"demand": 1}, {})


def test_a_store_that_goes_away_stops_nothing(away: Away, follow: Any) -> None:
    endpoints = follow(["demand"], away)
    away.refused = "endpoints/"
    endpoints.look()
    assert numbers(endpoints) == {"demand": 1}
    assert endpoints.faults
    away.refused = ""
    endpoints.look()
    assert endpoints.faults == {}


def test_a_broken_copy_of_a_bundle_is_fetched_again(away: Away, follow: Any, tmp_path: Path) -> None:
    follow(["demand"], away)
    (copy,) = (tmp_path / "cache").rglob("model.pkl")
    copy.write_bytes(b"half of")
    assert follow(["demand"], away).ready


def test_copies_of_bundles_stay_on_disk_while_a_rollback_may_need_them(
    project: Any, away: Away, follow: Any, tmp_path: Path
) -> None:
    digests = [first_digest(project)]
    one, other = follow(["demand"], away), follow(["demand"], away)  # two workers
    for _ in range(4):
        variant = project.bundle()
        digests.append(variant.bundle_digest[:16])
        release(project, away, variant)
        one.look()
        assert set(copies(tmp_path)) >= set(digests[-2:])
    assert copies(tmp_path) == sorted({digests[0], *digests[-2:]}), "the other has not let go of the first"
    for worker in (other, one, other):  # each keeps what it served before, and what the revision before served
        release(project, away, project.bundle())
        worker.look()
    one.look()
    assert len(copies(tmp_path)) == 3
    assert not {*copies(tmp_path)} & {*digests}


def test_a_local_store_is_read_where_it_lies_by_many_workers_at_once(project: Any, follow: Any, tmp_path: Path) -> None:
    project.release(project.bundle())
    with ThreadPoolExecutor(4) as threads:
        workers = list(threads.map(lambda _: follow(["demand"]), range(40)))
    assert [numbers(worker) for worker in workers] == [{"demand": 1}] * 40
    assert copies(tmp_path) == []


@pytest.mark.parametrize("left", [False, True], ids=["nothing there", "a copy cut short"])
def test_workers_that_start_at_once_far_from_the_store_all_serve_the_newest(
    project: Any, follow: Any, tmp_path: Path, left: bool
) -> None:
    project.release(project.bundle())
    far = open_storage("memory://")
    for key in project.storage.list(""):
        far.put(key, project.storage.get(key))
    for _ in range(8):
        half = tmp_path / "cache" / first_digest(project) / "bundles" / "demand" / "1"
        if left:
            half.mkdir(parents=True)
            (half / ".fetching-killed").write_bytes(b"half")
        with ThreadPoolExecutor(4) as threads:
            workers = list(threads.map(lambda _: follow(["demand"], far), range(4)))
        assert [(numbers(worker), worker.faults) for worker in workers] == [({"demand": 1}, {})] * 4
        assert not list(half.glob(".*"))
        shutil.rmtree(tmp_path / "cache")


def test_a_server_that_starts_again_finds_the_copies_of_the_revision_before(
    project: Any, away: Away, follow: Any, tmp_path: Path
) -> None:
    left = tmp_path / "cache" / ("0" * 16)
    left.mkdir(parents=True)
    endpoints = follow(["demand"], away)
    assert not left.exists()
    release(project, away, project.bundle())
    endpoints.look()
    before = copies(tmp_path)
    assert len(before) == 2
    away.refused = "bundles/"
    follow(["demand"], away)
    away.refused = ""
    follow(["demand"], away)
    assert copies(tmp_path) == before


def test_no_copy_goes_before_all_endpoints_are_known(project: Any, away: Away, follow: Any, tmp_path: Path) -> None:
    release(project, away, project.bundle(), endpoint="second")
    follow(None, away)
    before = copies(tmp_path)
    assert len(before) == 2
    away.refused = "endpoints/second"
    assert numbers(follow(["demand", "second"], away)) == {"demand": 1}
    assert copies(tmp_path) == before


def test_who_names_no_endpoint_means_the_only_one_whose_staging_does_not_count(project: Any, follow: Any) -> None:
    project.release(project.bundle(), endpoint="demand-staging")
    assert follow().only.revision.endpoint == "demand-staging"
    project.release(project.bundle())
    assert follow().only.revision.endpoint == "demand"
    project.release(project.bundle(), endpoint="other")
    assert follow().only is None


def first_digest(project: Any) -> str:
    revision = decode_revision(project.storage.get(revision_key("demand", 1)))
    return revision.variants[0].bundle_digest[:16]


def release(project: Any, store: MemoryStorage, variant: Any, **fields: Any) -> None:
    project.release(variant, **fields)
    for key in project.storage.list(""):
        store.put(key, project.storage.get(key))


def copies(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "cache").iterdir())


def test_variants_are_found_by_name_and_version(project: Any, follow: Any) -> None:
    variant = project.bundle(version=7)
    project.release(replace(variant, weight=0), replace(variant, name="challenger", version=8, weight=100))
    live = follow().live["demand"]
    assert live.named("champion").variant.version == 7
    assert live.version("8").variant.name == "challenger"
    assert {live.route(str(key)).variant.name for key in range(20)} == {"challenger"}
    with pytest.raises(NotFoundError, match="no variant 'nobody'"):
        live.named("nobody")
    with pytest.raises(NotFoundError, match="does not serve version '9'"):
        live.version("9")
