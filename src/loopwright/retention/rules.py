"""Which objects may go: a pure rule from all that is held. Whatever it does not know, it keeps.

Kept are: what any endpoint's newest revisions name, and champions enough to go back to; what rollouts under way are
about; the newest versions of each model, and the anchors of all that are kept; what these were made of; everything of
runs that have not ended, or ended within the days kept, and of each model's newest run; all data of a model of which a
run is under way. Captures, summaries and windows go by their day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta

from loopwright.core.ids import derived_id
from loopwright.registry.records import ModelVersion
from loopwright.retention.records import Holdings, RunUse, Verdict
from loopwright.traffic.records import EndpointRevision

REVISIONS = 20
"""The newest revisions of an endpoint, whose bundles are all kept."""

CHAMPIONS = 3
"""The latest champions of an endpoint, whose bundles are kept for ever: it can be rolled back twice."""

GRACE = timedelta(days=1)
"""How long an object that no record knows is kept: what made it may still be at work, and about to write the record."""

DATED = ("predictions", "summaries", "windows")
BY_FOLDER = ("bundles", "candidates", "evaluations", "imports")


def judge(held: Holdings) -> Verdict:
    """What may go now, and what is to be looked at again."""
    needed, known = _needed(held), _known(held)
    busy = tuple(f"datasets/{run.model}/" for run in held.runs if run.ended is None)
    remove: list[str] = []
    waiting: dict[str, datetime] = {}
    for key in held.keys:
        unit = unit_of(key)
        if unit is None or unit in needed or key.startswith(busy):
            continue
        since = held.unneeded_since.get(unit, held.now)
        if _is_over(key, held) if key.split("/")[0] in DATED else unit in known or held.now - since >= GRACE:
            remove.append(key)
        elif key.split("/")[0] not in DATED:
            waiting[unit] = since
    return Verdict(remove=tuple(sorted(remove, key=_order)), unneeded_since=waiting)


def unit_of(key: str) -> str | None:
    """What a key stands and falls with: a bundle's folder, a run's jobs, a part with its facts. None: never removed."""
    kind, _, rest = key.partition("/")
    names = rest.split("/")
    if kind in BY_FOLDER:
        return f"{kind}/{names[0]}"
    if kind == "jobs":
        return f"jobs/{names[0].rsplit('-', 2)[0]}"
    if kind == "datasets" and len(names) == 3 and names[1] == "parts":
        return key.rsplit(".", 1)[0]
    if kind in ("code", "quarantine", *DATED) or (kind == "datasets" and len(names) == 3 and names[1] == "versions"):
        return key
    return None


def _is_over(key: str, held: Holdings) -> bool:
    """Whether the key's day is past; a key without one stays."""
    try:
        day = date.fromisoformat(key.split("/")[2])
    except (ValueError, IndexError):
        return False
    return day < (held.now - timedelta(days=held.keep_days)).date()


def _needed(held: Holdings) -> set[str]:
    runs = {run.id: run for run in held.runs}
    needed: set[str] = set()
    for revision in _lasting(held.chains):
        needed.update(variant.bundle for variant in revision.variants)
    for version in _kept_versions(held, needed):
        needed.update(_of_version(version))
        if version.run in runs:
            needed.update(one for one in runs[version.run].used if not one.startswith("imports/"))
    for run in _kept_runs(held):
        needed.update(_of_run(run))
    return needed | set(_parts(held, needed))


def _known(held: Holdings) -> set[str]:
    """What some record names, so that its time can be told."""
    known = {unit for run in held.runs for unit in _of_run(run)}
    known.update(unit for version in held.versions for unit in _of_version(version))
    return known | set(_parts(held, known))


def _lasting(chains: Iterable[tuple[EndpointRevision, ...]]) -> Iterator[EndpointRevision]:
    """The revisions whose bundles must stay."""
    for chain in chains:
        yield from chain[-REVISIONS:]
        champions: dict[str, EndpointRevision] = {}
        for revision in reversed(chain):
            champion = revision.variant("champion")
            if champion is not None and len(champions) < CHAMPIONS:
                champions.setdefault(champion.bundle, revision)
        yield from champions.values()


def _kept_versions(held: Holdings, live: set[str]) -> Iterator[ModelVersion]:
    newest: dict[str, list[int]] = {}
    for version in held.versions:
        newest.setdefault(version.model, []).append(version.number)
    kept = set()
    for version in held.versions:
        among = version.number in sorted(newest[version.model])[-held.keep_versions :]
        if among or version.folder in live or (version.model, version.number) in held.rolling:
            kept |= {(version.model, version.number), (version.model, version.anchor)}
    yield from (version for version in held.versions if (version.model, version.number) in kept)


def _kept_runs(held: Holdings) -> Iterator[RunUse]:
    since = held.now - timedelta(days=held.keep_days)
    newest = {run.model: run.id for run in sorted(held.runs, key=lambda run: run.ended or held.now)}
    for run in held.runs:
        if run.ended is None or run.ended >= since or newest[run.model] == run.id:
            yield run


def _of_version(version: ModelVersion) -> Iterator[str]:
    yield version.folder
    if version.evaluated is not None:
        yield version.evaluated
    yield f"evaluations/{derived_id('candidate', version.run)}"
    yield f"code/{version.code}.zip"
    yield f"datasets/{version.model}/versions/{version.dataset}.json"


def _of_run(run: RunUse) -> Iterator[str]:
    candidate = derived_id("candidate", run.id)
    yield from (f"{kind}/{candidate}" for kind in ("bundles", "candidates", "evaluations"))
    yield f"jobs/{run.id}"
    yield from run.used


def _parts(held: Holdings, versions: Iterable[str]) -> Iterator[str]:
    for key in versions:
        yield from (part.rsplit(".", 1)[0] for part in held.parts.get(key, ()))


def _order(key: str) -> tuple[bool, str]:
    """What vouches for other objects goes before them: half a bundle must not look like one."""
    vouches = key.endswith("/bundle.json") or "/versions/" in key or ("/parts/" in key and key.endswith(".json"))
    return not vouches, key
