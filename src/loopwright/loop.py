"""The whole lifecycle on one page.

Each function is a stage: its name is what it makes, its parameters are what it needs, be it the result of an earlier
stage or something the platform brings (`model`, `run`, `context`, `project`, `storage`, `jobs`, `registry`, …). A run
works through `STAGES` in order, keeps each result in the journal, and after a crash goes on from the last one kept.
A result whose `passed` is false ends the run there: refused, with its reasons.

A run ends by requesting a rollout, which lives on by itself; drift, new data or the clock request the next run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from loopwright.core.clock import Clock
from loopwright.core.codec import from_plain
from loopwright.core.ids import derived_id
from loopwright.core.price import CoreHour
from loopwright.data.contract import DataContract, infer_contract
from loopwright.data.odcs import read_contract, write_contract
from loopwright.data.peek import check_columns
from loopwright.data.profile import profile_rows
from loopwright.data.records import DatasetVersion, Profile, ValidationReport
from loopwright.data.snapshot import snapshot
from loopwright.data.validate import validate
from loopwright.declare import Model
from loopwright.errors import ConflictError
from loopwright.evaluation.anchor import anchor_after
from loopwright.evaluation.gate import decide_gate
from loopwright.evaluation.records import Champion, EvaluateTask, EvaluationReport, GateDecision, JudgedRows
from loopwright.evaluation.replay import why_not
from loopwright.evaluation.replay_records import ReplayReport, ReplayTask
from loopwright.evaluation.replay_rules import judge_replay
from loopwright.ports.compute import JobKind
from loopwright.ports.hosting import Hosting
from loopwright.ports.storage import Storage
from loopwright.project import CodeVersion, Project, put_records
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.rollout.records import Rollout
from loopwright.rollout.service import Rollouts
from loopwright.rollout.staging import StagingReport, smoke_test
from loopwright.runs.jobs import Jobs, name_job
from loopwright.runs.records import Run
from loopwright.runs.stages import StageContext
from loopwright.training.records import Candidate, ImportedModel, ImportTask, RefitTask, TrainTask

T = TypeVar("T")


def code_version(project: Project, model: Model, storage: Storage) -> CodeVersion:
    """The project's code as it is now, archived: every job of the run works with this."""
    return project.archive(model, storage)


def dataset_version(
    project: Project, model: Model, storage: Storage, scratch: Path, context: StageContext
) -> DatasetVersion:
    """The source's rows as they are now, as an immutable snapshot."""
    declared = model.declaration
    taken = snapshot(
        name=model.name,
        source=declared.source,
        root=project.root,
        storage=storage,
        scratch=scratch,
        progress=context.progress,
    )
    check_columns(declared, taken.kinds)
    return taken


def profile(dataset_version: DatasetVersion, storage: Storage, scratch: Path, context: StageContext) -> Profile:
    """What each column of the snapshot looks like."""
    return profile_rows(dataset_version, storage, scratch, progress=context.progress)


def contract(project: Project, model: Model, profile: Profile, storage: Storage) -> DataContract:
    """The contract the project keeps for this data; the first run infers it and writes it down to be edited."""
    path = project.contract_path(model.name)
    if not path.exists():
        write_contract(infer_contract(model.name, profile, model.declaration), path)
    kept = read_contract(path)
    storage.upload(_contract_key(model, kept), path)
    return kept


def validation_report(
    model: Model, dataset_version: DatasetVersion, contract: DataContract, storage: Storage, scratch: Path, clock: Clock
) -> ValidationReport:
    """Which rows keep the contract; the others go to quarantine, and too many of them end the run."""
    return validate(
        dataset_version,
        contract,
        tolerate=model.declaration.tolerate,
        storage=storage,
        scratch=scratch,
        now=clock.now(),
        target=model.declaration.target,
    )


def candidate(
    model: Model,
    code_version: CodeVersion,
    validation_report: ValidationReport,
    run: Run,
    jobs: Jobs,
    context: StageContext,
    registry: Registry,
) -> Candidate:
    """A model trained (and tuned) on the accepted rows that are neither validation nor test; or one brought in."""
    candidate_id = derived_id("candidate", run.id, run.attempt)
    if "imported" in run.data:
        brought = ImportTask(
            candidate_id=candidate_id,
            run_id=run.id,
            dataset=validation_report.accepted,
            folder=f"candidates/{candidate_id}",
            imported=from_plain(run.data["imported"], ImportedModel),
        )
        return _job(jobs, "import", brought, Candidate, model, code_version, context)
    previous = next(iter(registry.versions(model.name)), None)
    task = TrainTask(
        candidate_id=candidate_id,
        run_id=run.id,
        dataset=validation_report.accepted,
        folder=f"candidates/{candidate_id}",
        warm_start=previous.params or None if previous else None,
    )
    return _job(jobs, "train", task, Candidate, model, code_version, context)


def champion(model: Model, rollouts: Rollouts, registry: Registry) -> Champion | None:
    """The version that is live, for the candidate to be held against; none before the first."""
    live = rollouts.champion(model.name)
    if live is None:
        return None
    anchor = None if live.anchor is None else _rival(registry.get(model.name, live.anchor))
    return replace(_rival(live), anchor=anchor)


def evaluation_report(
    model: Model,
    code_version: CodeVersion,
    validation_report: ValidationReport,
    candidate: Candidate,
    champion: Champion | None,
    run: Run,
    jobs: Jobs,
    context: StageContext,
) -> EvaluationReport:
    """How candidate, champion and dummy do on the same test rows, which none of them was trained on."""
    task = EvaluateTask(
        candidate=candidate,
        dataset=validation_report.accepted,
        champion=champion,
        folder=f"evaluations/{candidate.id}",
        run_id=run.id,
        judged=_judged(run, context),
    )
    return _job(jobs, "evaluate", task, EvaluationReport, model, code_version, context)


def replay_report(
    model: Model,
    code_version: CodeVersion,
    candidate: Candidate,
    champion: Champion | None,
    run: Run,
    storage: Storage,
    jobs: Jobs,
    clock: Clock,
    context: StageContext,
) -> ReplayReport:
    """What the candidate answers to the champion's last captured requests, beside what the champion answered."""
    now = clock.now()
    skipped = why_not(model.declaration.replay, champion, storage, model.name, now)
    if champion is None or skipped:
        return ReplayReport(candidate=candidate.id, champion=champion.version if champion else None, skipped=skipped)
    task = ReplayTask(
        candidate=candidate,
        champion=champion,
        endpoint=model.name,
        until=now,
        folder=f"evaluations/{candidate.id}",
        run_id=run.id,
    )
    return _job(jobs, "replay", task, ReplayReport, model, code_version, context)


def gate_decision(
    model: Model, evaluation_report: EvaluationReport, replay_report: ReplayReport, core_hour: CoreHour | None
) -> GateDecision:
    """Whether the candidate may go on, and why."""
    declared = model.declaration
    replayed = judge_replay(declared.replay, declared.gate, replay_report, core_hour)
    return decide_gate(declared.gate, evaluation_report, replay=replayed, core_hour=core_hour)


def bundle(
    model: Model,
    code_version: CodeVersion,
    validation_report: ValidationReport,
    candidate: Candidate,
    evaluation_report: EvaluationReport,
    gate_decision: GateDecision,
    profile: Profile,
    contract: DataContract,
    run: Run,
    storage: Storage,
    jobs: Jobs,
    context: StageContext,
) -> Candidate:
    """The candidate's settings fitted again on all rows (one brought in: as it is), as the folder that is served."""
    papers = {"profile.json": profile, "evaluation.json": evaluation_report, "gate.json": gate_decision}
    extras = put_records(storage, f"evaluations/{candidate.id}", papers)
    task = RefitTask(
        candidate=candidate,
        dataset=validation_report.accepted,
        folder=f"bundles/{candidate.id}-{run.attempt}",
        reference_key=evaluation_report.reference,
        bundle_extras=extras | {"contract.odcs.yaml": _contract_key(model, contract)},
    )
    return _job(jobs, "refit", task, Candidate, model, code_version, context)


def model_version(
    code_version: CodeVersion,
    dataset_version: DatasetVersion,
    candidate: Candidate,
    bundle: Candidate,
    champion: Champion | None,
    evaluation_report: EvaluationReport,
    gate_decision: GateDecision,
    run: Run,
    registry: Registry,
    clock: Clock,
) -> ModelVersion:
    """The bundle under a number, with its lineage and the decision that let it pass."""
    version = ModelVersion(
        id=derived_id("version", run.id),
        model=run.model,
        number=0,
        run=run.id,
        task=candidate.task,
        folder=bundle.folder,
        digest=bundle.digest,
        evaluated=candidate.folder,
        dataset=dataset_version.digest,
        code=code_version.digest,
        created=clock.now(),
        gate=gate_decision.decision,
        anchor=anchor_after(gate_decision.decision, champion),
        origin=candidate.origin,
        trained_until=bundle.trained_until,
        evaluated_until=candidate.trained_until,
        trained_rows=bundle.rows,
        needs_approval=gate_decision.needs_approval,
        split=candidate.split,
        params=candidate.params,
        metrics={name: one.value for name, one in evaluation_report.metrics["candidate"].items()},
        lineage=code_version.lineage(),
    )
    return registry.register(version)


def staging_report(model_version: ModelVersion, storage: Storage, hosting: Hosting, clock: Clock) -> StagingReport:
    """The version on its staging endpoint, answering over HTTP what it answers offline."""
    return smoke_test(model_version, storage=storage, hosting=hosting, clock=clock)


def rollout(
    model: Model, model_version: ModelVersion, champion: Champion | None, rollouts: Rollouts, run: Run
) -> Rollout:
    """The request to make the version champion, step by step, in the place of the one it was compared with."""
    declared = model.declaration
    live, compared = rollouts.champion(model.name), champion.version if champion else None
    if live is not None and live.number not in (compared, model_version.number):
        raise ConflictError(
            f"version {live.number} of {model.name} became champion while version {model_version.number} was made, "
            f"which was compared with {f'version {compared}' if compared else 'no champion'}",
            remedy=f"start another run: `loopwright run {model.name}`",
        )
    rollout_id = derived_id("rollout", run.id)
    return rollouts.request(
        model_version,
        declared.rollout,
        rollout_id=rollout_id,
        redact=declared.redact,
        capture_share=declared.capture_share,
        sticky_by=declared.sticky_by,
    )


STAGES = (
    code_version,
    dataset_version,
    profile,
    contract,
    validation_report,
    candidate,
    champion,
    evaluation_report,
    replay_report,
    gate_decision,
    bundle,
    model_version,
    staging_report,
    rollout,
)


def _rival(version: ModelVersion) -> Champion:
    return Champion(
        version=version.number,
        folder=version.folder,
        evaluated_folder=version.evaluated,
        trained_until=version.trained_until,
        evaluated_trained_until=version.evaluated_until,
        split=version.split,
    )


def _contract_key(model: Model, contract: DataContract) -> str:
    return f"contracts/{model.name}/{contract.digest()}.odcs.yaml"


def _judged(run: Run, context: StageContext) -> tuple[JudgedRows, ...]:
    """On which rows the latest candidates of this model were held against a champion, this run's own left out."""
    made = context.journal.finished("evaluation_report", model=run.model, limit=200)
    reports = [from_plain(one.result, EvaluationReport) for one in made if one.run != run.id]
    return tuple(one.judged for one in reports if one.judged is not None)


def _job(
    jobs: Jobs,
    kind: JobKind,
    task: object,
    result: type[T],
    model: Model,
    code: CodeVersion,
    context: StageContext,
) -> T:
    return jobs.run(
        name_job(context.run.id, kind, context.run.attempt),
        kind,
        model.name,
        task,
        result,
        code=code.key,
        module=code.module,
        progress=context.progress,
    )
