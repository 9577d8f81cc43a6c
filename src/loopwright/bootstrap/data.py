"""A model's data looked at without training: what `loopwright data` answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from loopwright.bootstrap.platform import Platform
from loopwright.core.codec import from_json, from_plain
from loopwright.data.contract import DataContract, infer_contract, read_contract, write_contract
from loopwright.data.peek import check_columns, peek
from loopwright.data.profile import profile_rows
from loopwright.data.records import DatasetVersion, Profile, ValidationReport
from loopwright.data.snapshot import snapshot, version_key
from loopwright.data.validate import validate
from loopwright.declare import Model
from loopwright.errors import NotFoundError, StorageError

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class DataCheck:
    """A source held against its declaration and its contract.

    `contract` is the contract's path; None where none is written yet, and the rows were held against the one that the
    first run would infer.
    """

    model: str
    version: DatasetVersion
    contract: str | None
    report: ValidationReport


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownVersion:
    """A snapshot, with the runs that took it (newest first) and the numbers of the model versions learned from it."""

    version: DatasetVersion
    runs: tuple[str, ...]
    learned: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quarantine:
    """Rows that broke the contract in a run: how many by reason, commonest first; `key` is their Parquet object."""

    model: str
    run: str
    key: str
    rows: int
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ContractChange:
    """What asking for a contract did: `changed` names columns whose rules are new, gone or different."""

    path: str
    written: bool
    contract: DataContract
    changed: tuple[str, ...] = ()


def check_data(platform: Platform, model: Model, progress: Progress) -> DataCheck:
    """Everything that a run looks at before it trains. Raises `SourceError`, `DeclarationError`, `ContractError`."""
    declared, path = model.declaration, platform.project.contract_path(model.name)
    check_columns(declared, peek(declared.source, platform.root))  # before a large source is read whole
    version = take_snapshot(platform, model, progress)
    check_columns(declared, version.kinds)
    contract = read_contract(path) if path.exists() else _inferred(platform, model, version, progress)
    report = validate(
        version,
        contract,
        tolerate=declared.tolerate,
        storage=platform.storage,
        scratch=_scratch(platform),
        now=platform.clock.now(),
        target=declared.target,
    )
    return DataCheck(model=model.name, version=version, contract=str(path) if path.exists() else None, report=report)


def take_snapshot(platform: Platform, model: Model, progress: Progress) -> DatasetVersion:
    """The source's rows as they are now; nothing is copied where they have not changed. Raises `SourceError`."""
    return snapshot(
        name=model.name,
        source=model.declaration.source,
        root=platform.root,
        storage=platform.storage,
        scratch=_scratch(platform),
        progress=progress,
    )


def profile_data(platform: Platform, version: DatasetVersion, progress: Progress) -> Profile:
    """What each column looks like."""
    return profile_rows(version, platform.storage, _scratch(platform), progress=progress)


def known_versions(platform: Platform, model: str) -> list[KnownVersion]:
    """The snapshots there are: those that a run took first, newest first."""
    taken: dict[str, list[str]] = {}
    for run in platform.journal.runs(model=model, limit=1000):
        for stage in platform.journal.stages(run.id):
            if stage.name == "dataset_version" and stage.result:
                taken.setdefault(stage.result["digest"], []).append(run.id)
    learned: dict[str, list[int]] = {}
    for one in platform.registry.versions(model):
        learned.setdefault(one.dataset, []).append(one.number)
    keys = platform.storage.list(f"{version_key(model, '').rsplit('/', 1)[0]}/")
    versions = [from_json(platform.storage.get(key), DatasetVersion) for key in keys]
    order = {digest: place for place, digest in enumerate(taken)}
    return [
        KnownVersion(version=one, runs=tuple(taken.get(one.digest, ())), learned=tuple(learned.get(one.digest, ())))
        for one in sorted(versions, key=lambda one: order.get(one.digest, len(order)))
    ]


def read_quarantine(platform: Platform, model: str, run: str | None = None) -> Quarantine:
    """The rows that broke the contract in `run`, or in the newest run that set some aside. Raises `NotFoundError`."""
    runs = [platform.journal.get(run)] if run else platform.journal.runs(model=model, limit=1000)
    for one in runs:
        for stage in platform.journal.stages(one.id):
            if stage.name == "validation_report" and stage.result:
                report = from_plain(stage.result, ValidationReport)
                if report.quarantine is not None:
                    return _quarantine(platform, model, one.id, report.quarantine)
    where = f"in {run}" if run else f"in the runs of {model}"
    raise NotFoundError(
        f"no row was set aside {where}", remedy="`loopwright data check` looks at the rows there are now"
    )


def copy_quarantine(platform: Platform, quarantine: Quarantine, output: Path) -> None:
    """Write the rows, each with its `reason`, to a `.parquet` or `.csv` file. Raises `StorageError`."""
    rows = pl.scan_parquet(platform.storage.fetch(quarantine.key, _scratch(platform)), glob=False)
    try:
        if output.suffix.lower() == ".csv":
            rows.sink_csv(output)
        else:
            rows.sink_parquet(output)
    except OSError as error:
        raise StorageError(
            f"{output} cannot be written: {error.strerror or error}", remedy="free space, or write elsewhere"
        ) from None


def renew_contract(platform: Platform, model: Model, progress: Progress) -> ContractChange:
    """Infer the contract from the rows there are now and write it, over the one that is there."""
    path = platform.project.contract_path(model.name)
    before = read_contract(path) if path.exists() else None
    inferred = _inferred(platform, model, take_snapshot(platform, model, progress), progress)
    write_contract(inferred, path)
    names = dict.fromkeys([rule.name for one in (before, inferred) if one for rule in one.columns])
    changed = [name for name in names if before and before.rule(name) != inferred.rule(name)]
    return ContractChange(path=str(path), written=True, contract=inferred, changed=tuple(changed))


def _inferred(platform: Platform, model: Model, version: DatasetVersion, progress: Progress) -> DataContract:
    return infer_contract(model.name, profile_data(platform, version, progress), model.declaration)


def _quarantine(platform: Platform, model: str, run: str, key: str) -> Quarantine:
    reasons = pl.read_parquet(platform.storage.fetch(key, _scratch(platform)), columns=["reason"])["reason"]
    counts = reasons.value_counts(sort=True, name="rows")
    return Quarantine(model=model, run=run, key=key, rows=len(reasons), reasons=dict(counts.iter_rows()))


def _scratch(platform: Platform) -> Path:
    return platform.home / "cache"
