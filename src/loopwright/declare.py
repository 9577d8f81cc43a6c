"""What a user declares: a `Model` and its policies. Plain values, checked as written; the rooms interpret them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from loopwright.core.clock import parse_duration
from loopwright.core.digest import digest_record
from loopwright.core.ids import NAME, STAGING
from loopwright.errors import DeclarationError
from loopwright.policies.alerts import Alerts
from loopwright.policies.checks import as_tuple, check_duration, check_fields, check_kind, check_share, one_of
from loopwright.policies.gate import Gate, Replay
from loopwright.policies.retraining import Decay, Drift, Governor, Trigger
from loopwright.policies.rollout import Canary, Capture, RolloutPolicy
from loopwright.policies.tasks import METRICS, TaskName
from loopwright.policies.training import Split, Threshold

F = TypeVar("F", bound=Callable[..., Any])
W = TypeVar("W", Drift, Decay)


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """Everything a `Model` says, as values: what the rooms read and the run remembers."""

    name: str
    source: str
    target: str
    task: TaskName | None = None
    time: str | None = None
    order: Literal["rows"] | None = None
    key: str | None = None
    drop: tuple[str, ...] = ()
    label_delay: str = "0d"
    positive: str | None = None
    slices: tuple[str, ...] = ()
    tolerate: float = 0.05
    gate: Gate = field(default_factory=Gate)
    replay: Replay = field(default_factory=Replay)
    rollout: RolloutPolicy = field(default_factory=Canary)
    retrain: tuple[Trigger, ...] = ()
    drift: Drift = field(default_factory=Drift)
    decay: Decay = field(default_factory=Decay)
    governor: Governor = field(default_factory=Governor)
    alerts: Alerts = field(default_factory=Alerts)
    split: Split = field(default_factory=Split)
    threshold: Threshold = field(default_factory=lambda: Threshold(0.5))
    refit: bool = True
    redact: tuple[str, ...] = ()
    capture_share: float = 1.0
    sticky_by: str | None = None
    trust: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not NAME.fullmatch(str(self.name)):
            raise DeclarationError(
                f"a model is named {self.name!r}",
                remedy="use lower-case letters, digits and inner hyphens, 63 at most, such as bike-demand",
            )
        if str(self.name).endswith(STAGING):
            raise DeclarationError(
                f"a model is named {self.name!r}, as the staging endpoint of {self.name.removesuffix(STAGING)!r} is",
                remedy=f"choose a name that does not end in {STAGING}",
            )
        check_fields(self, f"{self.name}:")
        columns = {"time": self.time, "key": self.key}
        if self.sticky_by == self.target:
            raise DeclarationError(
                f"{self.name}: sticky_by is the target {self.target!r}", remedy="name a column that requests have"
            )
        for role, column in columns.items():
            if column == self.target:
                raise DeclarationError(
                    f"{self.name}: {role} is the target {column!r}", remedy=f"name another column as {role}"
                )
            if column in self.drop:
                raise DeclarationError(
                    f"{self.name}: {role} {column!r} is also dropped", remedy=f"take {column!r} out of drop"
                )
        if self.target in self.drop:
            raise DeclarationError(f"{self.name}: the target {self.target!r} is dropped", remedy="take it out of drop")
        if self.target in self.slices:
            raise DeclarationError(
                f"{self.name}: the target {self.target!r} is a slice", remedy="slice by other columns"
            )
        if self.time and self.order:
            raise DeclarationError(
                f"{self.name}: both time and order are given",
                remedy='keep time=; order="rows" is for rows without a date',
            )
        if self.task is not None:
            check_task(self, self.task)
        check_duration(f"{self.name}: label_delay", self.label_delay)
        if not self.ordered and parse_duration(self.label_delay):
            raise DeclarationError(
                f"{self.name}: label_delay is {self.label_delay}, but the rows are in no order",
                remedy='name the column that says when a row happened (time=…), or say order="rows"',
            )
        check_share(f"{self.name}: tolerate", self.tolerate)

    @property
    def ordered(self) -> bool:
        """Whether rows come in an order that training must respect."""
        return self.time is not None or self.order == "rows"

    def digest(self) -> str:
        return digest_record(self)


@dataclass(frozen=True, slots=True)
class Tune:
    """A search: the user's function from an Optuna trial to parameters, and how long it may go on."""

    search: Callable[[Any], dict[str, Any]]
    trials: int
    budget: str


class Model:
    """A model, as its user declares it: a source, a target, and as many of the three functions as are needed.

    `Model("churn", source="churn.csv", target="Churn")` alone is a whole model. `trust` names features that may all but
    equal the target, because they are known when predicting. During a rollout the same version answers all requests
    that have the same value in the column `sticky_by`. Raises `DeclarationError`.
    """

    def __init__(
        self,
        name: str,
        *,
        source: str,
        target: str,
        task: TaskName | None = None,
        time: str | None = None,
        order: Literal["rows"] | None = None,
        key: str | None = None,
        drop: Iterable[str] = (),
        label_delay: str = "0d",
        positive: object = None,
        slices: Iterable[str] = (),
        tolerate: float = 0.05,
        gate: Gate | None = None,
        replay: Replay | None = None,
        rollout: RolloutPolicy | None = None,
        retrain: Iterable[Trigger] = (),
        drift: Drift | None = None,
        decay: Decay | None = None,
        governor: Governor | None = None,
        alerts: Alerts | None = None,
        split: Split | None = None,
        threshold: Threshold | None = None,
        refit: bool = True,
        redact: Iterable[str] = (),
        capture: Capture | None = None,
        sticky_by: str | None = None,
        trust: Iterable[str] = (),
        seed: int = 0,
    ) -> None:
        triggers = as_tuple(f"{name}: retrain", retrain)
        check_kind(f"{name}: capture", capture, Capture | None)
        capture = capture or Capture()
        self.declaration = Declaration(
            name=name,
            source=source,
            target=target,
            task=task,
            time=time,
            order=order,
            key=key,
            drop=as_tuple(f"{name}: drop", drop),
            label_delay=label_delay,
            positive=None if positive is None else _class_name(positive),
            slices=as_tuple(f"{name}: slices", slices),
            tolerate=tolerate,
            gate=Gate() if gate is None else gate,
            replay=Replay() if replay is None else replay,
            rollout=Canary() if rollout is None else rollout,
            retrain=triggers,
            drift=_watched(drift, triggers, Drift()),
            decay=_watched(decay, triggers, Decay()),
            governor=Governor() if governor is None else governor,
            alerts=Alerts() if alerts is None else alerts,
            split=Split() if split is None else split,
            threshold=Threshold(0.5) if threshold is None else threshold,
            refit=refit,
            redact=tuple(dict.fromkeys((*as_tuple(f"{name}: redact", redact), *capture.redact))),
            capture_share=capture.share,
            sticky_by=sticky_by,
            trust=as_tuple(f"{name}: trust", trust),
            seed=seed,
        )
        self.features_function: Callable[[Any], Any] | None = None
        self.train_function: Callable[[Any, dict[str, Any]], Any] | None = None
        self.tuning: Tune | None = None

    @property
    def name(self) -> str:
        return self.declaration.name

    def features(self, function: F) -> F:
        """Declare the feature function: raw rows (a Polars LazyFrame) to features, each row from itself alone."""
        if self.features_function is not None:
            raise DeclarationError(f"{self.name}: features is declared twice", remedy="keep one feature function")
        self.features_function = function
        return function

    def train(self, function: F) -> F:
        """Declare the train function: `(data, params)` to a fitted object with `predict` (and `predict_proba`)."""
        if self.train_function is not None:
            raise DeclarationError(f"{self.name}: train is declared twice", remedy="keep one train function")
        self.train_function = function
        return function

    def tune(self, *, trials: int = 20, budget: str = "10m") -> Callable[[F], F]:
        """Declare the search: an Optuna trial to parameters; at most `trials`, started within `budget`."""
        check_kind(f"{self.name}: tune trials", trials, int)
        check_kind(f"{self.name}: tune budget", budget, str)
        if trials < 1:
            raise DeclarationError(f"{self.name}: tune has {trials} trials", remedy="write at least 1")
        check_duration(f"{self.name}: tune budget", budget)

        def declare(function: F) -> F:
            self.tuning = Tune(function, trials, budget)
            return function

        return declare

    def __repr__(self) -> str:
        return f"Model({self.name!r}, source={self.declaration.source!r}, target={self.declaration.target!r})"


def check_task(declaration: Declaration, task: TaskName) -> None:
    """Raise `DeclarationError` where something is declared that `task` does not have."""
    name, gate = declaration.name, declaration.gate
    for metric in (gate.metric, *gate.also):
        if metric is not None and task not in METRICS[metric][0]:
            fitting = [one for one, (tasks, _) in METRICS.items() if task in tasks]
            raise DeclarationError(f"{name}: the gate is on {metric}, but the task is {task}", remedy=one_of(fitting))
    for fairness in gate.fairness:
        if task == "regression" or (task == "multiclass" and fairness.rate != "error"):
            raise DeclarationError(
                f"{name}: the gate limits the {fairness.rate} of groups, but the task is {task}",
                remedy="limit the error" if task == "multiclass" else "leave fairness out: numbers have no such rates",
            )
    decay = declaration.decay.metric
    if decay is not None and task not in METRICS[decay][0]:
        raise DeclarationError(
            f"{name}: decay is watched in {decay}, but the task is {task}",
            remedy=one_of(one for one, (tasks, _) in METRICS.items() if task in tasks),
        )
    if task != "binary" and declaration.positive is not None:
        raise DeclarationError(
            f"{name}: positive is {declaration.positive!r}, but the task is {task}",
            remedy="leave positive= out: only one of two classes can be the positive one",
        )
    if task != "binary" and declaration.threshold != Threshold(0.5):
        raise DeclarationError(
            f"{name}: a threshold is declared, but the task is {task}",
            remedy="leave threshold= out: only a choice between two classes has one",
        )


def _watched(given: W | None, triggers: Iterable[Trigger], otherwise: W) -> W:
    """What is `given`; else the trigger of that kind."""
    if given is not None:
        return given
    return next((one for one in triggers if isinstance(one, type(otherwise))), otherwise)


def _class_name(value: object) -> str:
    """A class as text: 1.0 is the class 1."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
