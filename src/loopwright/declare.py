"""What a user declares: a `Model` and its policies. Plain values, checked as written; the rooms interpret them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from datetime import timedelta
from itertools import pairwise
from math import inf
from typing import Any, ClassVar, Literal, TypeVar, get_args

from loopwright.core.calendar import never_ends, parse_freeze, parse_zone
from loopwright.core.clock import parse_duration
from loopwright.core.digest import digest_record
from loopwright.core.ids import NAME
from loopwright.errors import DeclarationError

TaskName = Literal["binary", "multiclass", "regression"]
ABMetric = Literal["quality", "errors"]
F = TypeVar("F", bound=Callable[..., Any])

_CLASSES: tuple[TaskName, ...] = ("binary", "multiclass")
METRICS: dict[str, tuple[tuple[TaskName, ...], bool]] = {
    "accuracy": (_CLASSES, True),
    "precision": (("binary",), True),
    "recall": (("binary",), True),
    "f1": (("binary",), True),
    "roc_auc": (_CLASSES, True),
    "pr_auc": (("binary",), True),
    "brier": (("binary",), False),
    "log_loss": (_CLASSES, False),
    "calibration_error": (("binary",), False),
    "precision_macro": (("multiclass",), True),
    "recall_macro": (("multiclass",), True),
    "f1_macro": (("multiclass",), True),
    "precision_weighted": (("multiclass",), True),
    "recall_weighted": (("multiclass",), True),
    "f1_weighted": (("multiclass",), True),
    "rmse": (("regression",), False),
    "mae": (("regression",), False),
    "r2": (("regression",), True),
    "wape": (("regression",), False),
    "smape": (("regression",), False),
    "mape": (("regression",), False),
}
"""Every metric a gate can name: the tasks that have it, and whether more is better."""

SEASONS = {"day": timedelta(days=1), "week": timedelta(weeks=1)}
"""After how long traffic may look the same again."""

STAGING = "-staging"
"""What a model's name becomes its staging endpoint's with."""

DEFAULT_METRIC: dict[TaskName, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}


@dataclass(frozen=True, slots=True)
class Fairness:
    """How far a rate may differ between the groups that `column` names: by `max_gap`, or down to `min_ratio` of it.

    `rate` is of a group's rows: called positive (`selection_rate`), of its positives (`tpr`) or negatives (`fpr`)
    called positive, or called wrongly (`error`).
    """

    column: str
    rate: Literal["selection_rate", "tpr", "fpr", "error"] = "selection_rate"
    max_gap: float | None = field(default=None, kw_only=True)
    min_ratio: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.rate not in ("selection_rate", "tpr", "fpr", "error"):
            raise DeclarationError(
                f"Fairness names the rate {self.rate!r}", remedy="write selection_rate, tpr, fpr or error"
            )
        if self.max_gap is None and self.min_ratio is None:
            raise DeclarationError(
                f"Fairness of {self.column} has no limit", remedy="write max_gap=0.1, or min_ratio=0.8"
            )
        for what, limit in (("max_gap", self.max_gap), ("min_ratio", self.min_ratio)):
            if limit is not None:
                _share(f"Fairness {what}", limit)


@dataclass(frozen=True, slots=True)
class Gate:
    """What a candidate must show. `metric` defaults to the task's own (ROC-AUC, log loss, RMSE).

    `at_least` / `at_most` bind the first version and warn afterwards. A later candidate must not be worse than the
    champion by more than `margin` (a share of the champion's figure), or with `rule="superior"` be better than it,
    shown at `confidence` (one-sided) on `min_rows` at least; in the metrics `also` it must not be worse either. With
    `slices` it is refused where it is surely worse than that on one of the model's slices. `max_training_cost` is in
    the currency of the setting `core_hour_price`.
    """

    metric: str | None = None
    rule: Literal["not_inferior", "superior"] = field(default="not_inferior", kw_only=True)
    also: tuple[str, ...] = field(default=(), kw_only=True)
    slices: bool = field(default=True, kw_only=True)
    fairness: tuple[Fairness, ...] = field(default=(), kw_only=True)
    min_rows: int = field(default=30, kw_only=True)
    at_least: float | None = field(default=None, kw_only=True)
    at_most: float | None = field(default=None, kw_only=True)
    margin: float = field(default=0.05, kw_only=True)
    confidence: float = field(default=0.95, kw_only=True)
    max_latency_ms: float | None = field(default=None, kw_only=True)
    max_size_mb: float | None = field(default=None, kw_only=True)
    max_training_cost: float | None = field(default=None, kw_only=True)
    approval: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "also", _names("Gate", "also", self.also))
        object.__setattr__(self, "fairness", tuple(self.fairness))
        if self.rule not in ("not_inferior", "superior"):
            raise DeclarationError(f"Gate rule is {self.rule!r}", remedy="write not_inferior or superior")
        for metric in (self.metric, *self.also):
            if metric is not None and metric not in METRICS:
                raise DeclarationError(
                    f"Gate names the metric {metric!r}, which does not exist", remedy=_one_of(METRICS)
                )
        if self.metric is None and (self.at_least is not None or self.at_most is not None):
            raise DeclarationError("Gate has a threshold but names no metric", remedy='write Gate("rmse", at_most=70)')
        if self.metric is not None:
            _, more_is_better = METRICS[self.metric]
            wrong = self.at_most if more_is_better else self.at_least
            if wrong is not None:
                better, written, meant = ("more", "most", "least") if more_is_better else ("less", "least", "most")
                raise DeclarationError(
                    f"Gate asks {self.metric} to be at_{written} {wrong}, but {better} is better",
                    remedy=f"write at_{meant}={wrong}",
                )
        _share("Gate margin", self.margin)
        if self.min_rows < 1:
            raise DeclarationError(f"Gate min_rows is {self.min_rows}", remedy="write 1 or more")
        for what in ("max_latency_ms", "max_size_mb", "max_training_cost"):
            bound = getattr(self, what)
            if bound is not None and not bound > 0:
                raise DeclarationError(f"Gate {what} is {bound}", remedy="write a bound above 0, or leave it out")
        if not 0.5 <= self.confidence < 1:
            raise DeclarationError(f"Gate confidence is {self.confidence}", remedy="write a share from 0.5 to below 1")


@dataclass(frozen=True, slots=True)
class Canary:
    """Shift traffic to the challenger by `steps` (percent), guarding errors, latency and quality at each.

    A step lasts at least `interval` and until the challenger has answered `min_requests`. The rollout aborts when the
    challenger surely fails more often, is surely more than `max_latency_ratio` times slower, or, as outcomes come,
    surely predicts worse; with `max_shift` also when its predictions are surely distributed differently, by at least so
    great a population stability index. An equal challenger is aborted with chance `alpha` at most, all steps together.
    """

    steps: tuple[int, ...] = (10, 50, 100)
    interval: str = field(default="1m", kw_only=True)
    min_requests: int = field(default=50, kw_only=True)
    max_latency_ratio: float = field(default=2.0, kw_only=True)
    max_shift: float | None = field(default=None, kw_only=True)
    patience: str = field(default="1d", kw_only=True)
    alpha: float = field(default=0.01, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        rising = all(a < b for a, b in pairwise(self.steps))
        if not self.steps or not rising or self.steps[-1] != 100 or self.steps[0] < 1:
            raise DeclarationError(
                f"Canary steps are {self.steps}", remedy="write rising weights that end at 100, such as (10, 50, 100)"
            )
        _check_pace("Canary", self)


@dataclass(frozen=True, slots=True)
class BlueGreen:
    """All traffic at once, after the staging check; the version before stays warm for a rollback."""

    interval: str = field(default="1m", kw_only=True)
    min_requests: int = field(default=50, kw_only=True)
    max_latency_ratio: float = field(default=2.0, kw_only=True)
    max_shift: float | None = field(default=None, kw_only=True)
    patience: str = field(default="1d", kw_only=True)
    alpha: float = field(default=0.01, kw_only=True)

    @property
    def steps(self) -> tuple[int, ...]:
        return (100,)

    def __post_init__(self) -> None:
        _check_pace("BlueGreen", self)


@dataclass(frozen=True, slots=True)
class Rolling:
    """Weights that rise evenly, in `parts`, with a pause of `interval` at each; guarded as a `Canary` is."""

    parts: int = 5
    interval: str = field(default="1m", kw_only=True)
    min_requests: int = field(default=50, kw_only=True)
    max_latency_ratio: float = field(default=2.0, kw_only=True)
    max_shift: float | None = field(default=None, kw_only=True)
    patience: str = field(default="1d", kw_only=True)
    alpha: float = field(default=0.01, kw_only=True)

    @property
    def steps(self) -> tuple[int, ...]:
        return tuple(round(100 * part / self.parts) for part in range(1, self.parts + 1))

    def __post_init__(self) -> None:
        if not 1 <= self.parts <= 100:
            raise DeclarationError(f"Rolling has {self.parts} parts", remedy="write a number from 1 to 100")
        _check_pace("Rolling", self)


@dataclass(frozen=True, slots=True)
class ABTest:
    """The challenger gets `share` percent until it has surely won or lost, for `horizon` at most.

    It is compared by `metric`: `quality`, the loss of its predictions once outcomes are known, or `errors`, its share
    of failed requests. Where it surely does better it is promoted; a challenger that is no better wins with chance
    `alpha` at most, however often one looks. At the horizon, undecided, `otherwise` has it. It is guarded as a `Canary`
    is, and aborted too where the traffic is surely not split as it should be. `interval` is the shortest it may last.
    """

    share: int = 50
    horizon: str = field(default="14d", kw_only=True)
    metric: ABMetric = field(default="quality", kw_only=True)
    otherwise: Literal["champion", "challenger"] = field(default="champion", kw_only=True)
    interval: str = field(default="1h", kw_only=True)
    min_requests: int = field(default=50, kw_only=True)
    max_latency_ratio: float = field(default=2.0, kw_only=True)
    max_shift: float | None = field(default=None, kw_only=True)
    alpha: float = field(default=0.01, kw_only=True)

    @property
    def steps(self) -> tuple[int, ...]:
        return (self.share,)

    @property
    def patience(self) -> str:
        return self.horizon

    def __post_init__(self) -> None:
        if not 1 <= self.share <= 99:
            raise DeclarationError(f"ABTest gives the challenger {self.share} %", remedy="write 1 to 99")
        if self.metric not in get_args(ABMetric):
            raise DeclarationError(f"ABTest compares by {self.metric!r}", remedy=_one_of(get_args(ABMetric)))
        if self.otherwise not in ("champion", "challenger"):
            raise DeclarationError(f"ABTest otherwise is {self.otherwise!r}", remedy="write champion or challenger")
        _some_time("ABTest horizon", self.horizon)
        _check_pace("ABTest", self)


@dataclass(frozen=True, slots=True)
class Shadow:
    """The challenger predicts a copy of `share` percent of the answered requests, and nobody gets its answers.

    After `interval` and `min_requests`, unless it fails surely more often than the champion, a person is asked
    (`then="approval"`) or it is promoted (`then="promote"`). `loopwright rollout compare` shows how its answers differ.
    """

    share: int = 100
    interval: str = field(default="1h", kw_only=True)
    min_requests: int = field(default=50, kw_only=True)
    then: Literal["approval", "promote"] = field(default="approval", kw_only=True)
    patience: str = field(default="7d", kw_only=True)
    alpha: float = field(default=0.01, kw_only=True)
    max_latency_ratio: ClassVar[float] = 2.0
    max_shift: ClassVar[float | None] = None

    @property
    def steps(self) -> tuple[int, ...]:
        return (self.share,)

    def __post_init__(self) -> None:
        if not 1 <= self.share <= 100:
            raise DeclarationError(f"Shadow gets a copy of {self.share} %", remedy="write 1 to 100")
        if self.then not in ("approval", "promote"):
            raise DeclarationError(f"after Shadow comes {self.then!r}", remedy=_one_of(("approval", "promote")))
        _check_pace("Shadow", self)


RolloutPolicy = Canary | BlueGreen | Rolling | ABTest | Shadow


@dataclass(frozen=True, slots=True)
class Capture:
    """Which `share` of the predictions servers keep, and the columns that they `redact` from what they keep.

    Less than all makes drift reports, replays and quality less sure; outcomes are known of captured predictions only.
    """

    share: float = 1.0
    redact: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "redact", _names("Capture", "redact", self.redact))
        if not 0 <= self.share <= 1:
            raise DeclarationError(f"Capture keeps a share of {self.share}", remedy="write a share from 0 to 1")


@dataclass(frozen=True, slots=True)
class NewData:
    """Retrain when the source has at least `min_rows` rows that the champion has not seen."""

    min_rows: int = 1

    def __post_init__(self) -> None:
        if self.min_rows < 1:
            raise DeclarationError(f"NewData min_rows is {self.min_rows}", remedy="write 1 or more")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Retrain by the clock: `cron` has five fields, in UTC."""

    cron: str

    def __post_init__(self) -> None:
        fields = self.cron.split()
        if len(fields) != 5 or not all(map(_is_cron_field, fields, _CRON_RANGES)):
            raise DeclarationError(
                f"Schedule is {self.cron!r}", remedy='write five fields, such as "0 3 * * 1" for Mondays at 03:00 UTC'
            )


@dataclass(frozen=True, slots=True)
class Drift:
    """How inputs and predictions are watched, and in `retrain=` that drift asks for a retrain.

    A column has drifted when its PSI reaches `psi` and its test against the reference is significant at `alpha`, the
    chance of any false alarm in a window. A window has drifted when a prediction has, or when the inputs that have
    carry `weight` of the model's importance together; one with fewer than `min_rows` rows is not judged. `season`
    compares with the same time of earlier days or weeks, once there are three of them. `joint` also asks a classifier
    whether captured rows look unlike the reference's, which takes the worker seconds a window.
    """

    psi: float = 0.2
    alpha: float = field(default=0.01, kw_only=True)
    window: str = field(default="1d", kw_only=True)
    min_rows: int = field(default=200, kw_only=True)
    weight: float = field(default=0.05, kw_only=True)
    season: Literal["day", "week"] | None = field(default=None, kw_only=True)
    joint: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        _some_time("Drift window", self.window)
        _share("Drift alpha", self.alpha)
        _share("Drift weight", self.weight)
        if not self.psi >= 0:
            raise DeclarationError(f"Drift psi is {self.psi}", remedy="write an index from 0 on, such as 0.2")
        if not self.alpha:
            raise DeclarationError("Drift alpha is 0: nothing would be drift", remedy="write a chance such as 0.01")
        if self.min_rows < 1:
            raise DeclarationError(f"Drift min_rows is {self.min_rows}", remedy="write 1 or more")
        if self.season not in (None, *SEASONS):
            raise DeclarationError(f"Drift season is {self.season!r}", remedy='write "day" or "week", or leave it out')
        if self.season is not None and SEASONS[self.season] % parse_duration(self.window):
            raise DeclarationError(
                f"Drift season is a {self.season}, which is no whole number of windows of {self.window}",
                remedy="write a window that divides it, such as 1h or 1d",
            )


@dataclass(frozen=True, slots=True)
class Decay:
    """How live quality is watched, and in `retrain=` that a loss of it asks for a retrain.

    A window is judged once the outcomes of a share of `coverage` of its predictions have come, and of `min_rows`. It
    has decayed where `metric` (the gate's, if not given) is surely, at `confidence`, worse than on the test rows by
    more than `margin`, a share of the figure there; or where losses have surely risen by as much over several windows.
    """

    metric: str | None = None
    margin: float = field(default=0.1, kw_only=True)
    confidence: float = field(default=0.99, kw_only=True)
    window: str = field(default="1d", kw_only=True)
    coverage: float = field(default=0.8, kw_only=True)
    min_rows: int = field(default=100, kw_only=True)

    def __post_init__(self) -> None:
        if self.metric is not None and self.metric not in METRICS:
            raise DeclarationError(
                f"Decay names the metric {self.metric!r}, which does not exist", remedy=_one_of(METRICS)
            )
        _share("Decay margin", self.margin)
        _some_time("Decay window", self.window)
        if not 0.5 <= self.confidence < 1:
            raise DeclarationError(f"Decay confidence is {self.confidence}", remedy="write a share from 0.5 to below 1")
        if not 0 < self.coverage <= 1:
            raise DeclarationError(f"Decay coverage is {self.coverage}", remedy="write a share above 0, up to 1")
        if self.min_rows < 1:
            raise DeclarationError(f"Decay min_rows is {self.min_rows}", remedy="write 1 or more")


Trigger = NewData | Schedule | Drift | Decay


@dataclass(frozen=True, slots=True)
class Governor:
    """When a retrain request is accepted: not within `cooldown` of the last run, at most `per_week` runs a week.

    `freeze` are times in which none is: weekly hours ("fri 16:00-mon 08:00") or days, both included
    ("2026-12-20/2027-01-02"), by the clocks of `zone`. `approval` says which requests wait for a person: those whose
    new labels look "suspect", those that no person made ("always"), or none ("never"). `backtest` says which are first
    tried out on recent rows, so that one that would surely gain less than the share `worth` of the champion's figure is
    refused: those for which neither a person nor enough new data asks ("unasked"), all but a person's ("always"), or
    none. After `breaker` runs in a row that failed or were refused, requests wait for twice `cooldown`, then four
    times, and so on up to a week, until a run succeeds.
    """

    cooldown: str = "10m"
    per_week: int = 50
    freeze: tuple[str, ...] = field(default=(), kw_only=True)
    zone: str = field(default="UTC", kw_only=True)
    approval: Literal["suspect", "always", "never"] = field(default="suspect", kw_only=True)
    backtest: Literal["unasked", "always", "never"] = field(default="unasked", kw_only=True)
    worth: float = field(default=0.01, kw_only=True)
    breaker: int = field(default=3, kw_only=True)

    def __post_init__(self) -> None:
        _duration("Governor cooldown", self.cooldown)
        for what, value in (("per_week", self.per_week), ("breaker", self.breaker)):
            if value < 1:
                raise DeclarationError(f"Governor {what} is {value}", remedy="write 1 or more")
        _share("Governor worth", self.worth)
        if self.approval not in ("suspect", "always", "never"):
            raise DeclarationError(
                f"Governor approval is {self.approval!r}", remedy="choose one of suspect, always, never"
            )
        if self.backtest not in ("unasked", "always", "never"):
            raise DeclarationError(
                f"Governor backtest is {self.backtest!r}", remedy="choose one of unasked, always, never"
            )
        object.__setattr__(self, "freeze", _names("Governor", "freeze", self.freeze))
        _check_freeze(self)


@dataclass(frozen=True, slots=True)
class Replay:
    """What a candidate must show on the last `rows` captured rows that the champion answered; 0 turns replay off.

    It is refused where surely more than `max_errors` of them get no answer any more, where its latency is surely more
    than `max_latency_ratio` times the champion's, or where surely more than `max_changed` of the answers differ by more
    than `tolerance`; without the last two it is only told. `tolerance` is in probability, and for numbers in standard
    deviations of the champion's answers. `sent` names columns that callers send though no version has asked for them
    yet.
    """

    rows: int = 1000
    max_errors: float = field(default=0.0, kw_only=True)
    tolerance: float = field(default=0.1, kw_only=True)
    max_changed: float | None = field(default=None, kw_only=True)
    max_latency_ratio: float | None = field(default=None, kw_only=True)
    sent: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sent", _names("Replay", "sent", self.sent))
        _share("Replay max_errors", self.max_errors)
        if self.max_changed is not None:
            _share("Replay max_changed", self.max_changed)
        for name, value in (("rows", self.rows), ("tolerance", self.tolerance)):
            if not value >= 0:
                raise DeclarationError(f"Replay {name} is {value}", remedy="write 0 or more")
        if self.max_latency_ratio is not None and not self.max_latency_ratio > 0:
            raise DeclarationError(
                f"Replay max_latency_ratio is {self.max_latency_ratio}", remedy="write a ratio above 0, such as 2.0"
            )


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One rule of `Alerts`: how loudly it is told (None: as loudly as what was found asks; "off": not at all).

    An alert opens after `after` bad windows in a row and is over after `recover` good ones. Windows with too little in
    them to be judged count as neither.
    """

    severity: Literal["info", "warning", "critical", "off"] | None = None
    after: int = field(default=1, kw_only=True)
    recover: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        if self.severity not in (None, "info", "warning", "critical", "off"):
            raise DeclarationError(
                f"AlertRule severity is {self.severity!r}", remedy="write info, warning, critical or off"
            )
        for name, windows in {"after": self.after, "recover": self.recover}.items():
            if windows < 1:
                raise DeclarationError(f"AlertRule {name} is {windows}", remedy="write 1 window or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Alerts:
    """Which incidents are told, and to whom. `quality` is of data, `performance` of predictions.

    `info`, `warning` and `critical` name the destinations of each severity, as the setting `notify` does; none means
    all of them. `remind` tells of an open alert again after that time, until somebody acknowledges it.
    """

    drift: AlertRule = AlertRule()
    joint: AlertRule = AlertRule()
    performance: AlertRule = AlertRule()
    quality: AlertRule = AlertRule()
    volume: AlertRule = AlertRule()
    freshness: AlertRule = AlertRule()
    errors: AlertRule = AlertRule(recover=2)
    latency: AlertRule = AlertRule(after=2, recover=2)
    capture: AlertRule = AlertRule(recover=2)
    run: AlertRule = AlertRule()
    rollout: AlertRule = AlertRule()
    approval: AlertRule = AlertRule()
    info: tuple[str, ...] = ()
    warning: tuple[str, ...] = ()
    critical: tuple[str, ...] = ()
    remind: str | None = None

    def __post_init__(self) -> None:
        for severity in ("info", "warning", "critical"):
            object.__setattr__(self, severity, _names("Alerts", severity, getattr(self, severity)))
        for one in fields(self):
            found = getattr(self, one.name)
            if isinstance(one.default, AlertRule) and not isinstance(found, AlertRule):
                raise DeclarationError(
                    f"Alerts {one.name} is {found!r}", remedy=f"write {one.name}=AlertRule({found!r})"
                )
        if self.remind is not None:
            _duration("Alerts remind", self.remind)
            if not parse_duration(self.remind):
                raise DeclarationError(f"Alerts remind is {self.remind}", remedy="leave it out, and nobody is reminded")


@dataclass(frozen=True, slots=True)
class Split:
    """Shares of the rows kept for validation (early stopping, tuning, threshold) and for the test."""

    validation: float = 0.15
    test: float = 0.2

    def __post_init__(self) -> None:
        _share("Split validation", self.validation)
        _share("Split test", self.test)
        if not self.validation or not self.test:
            raise DeclarationError(
                f"Split keeps {self.validation:.0%} of the rows for validation and {self.test:.0%} for the test",
                remedy="leave some for each: models are stopped and tuned by the one and judged by the other",
            )
        if self.validation + self.test >= 0.9:
            raise DeclarationError(
                f"Split keeps {self.validation + self.test:.0%} of the rows from training",
                remedy="leave at least a tenth of the rows to train on",
            )


@dataclass(frozen=True, slots=True)
class Threshold:
    """The probability from which a row is called positive, chosen on validation rows to maximise `objective`.

    `objective`: `f1`, `accuracy`, `youden` (recall + specificity), or a number, which is the threshold itself.
    """

    objective: Literal["f1", "accuracy", "youden"] | float = "f1"

    def __post_init__(self) -> None:
        if isinstance(self.objective, str):
            if self.objective not in ("f1", "accuracy", "youden"):
                raise DeclarationError(
                    f"Threshold objective is {self.objective!r}", remedy="write f1, accuracy, youden, or a probability"
                )
        else:
            _share("Threshold", self.objective)


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
        if not NAME.fullmatch(self.name):
            raise DeclarationError(
                f"a model is named {self.name!r}",
                remedy="use lower-case letters, digits and inner hyphens, 63 at most, such as bike-demand",
            )
        if self.name.endswith(STAGING):
            raise DeclarationError(
                f"a model is named {self.name!r}, as the staging endpoint of {self.name.removesuffix(STAGING)!r} is",
                remedy=f"choose a name that does not end in {STAGING}",
            )
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
        if self.task is not None and self.task not in DEFAULT_METRIC:
            raise DeclarationError(f"{self.name}: the task is {self.task!r}", remedy=_one_of(DEFAULT_METRIC))
        if self.order not in (None, "rows"):
            raise DeclarationError(
                f"{self.name}: order is {self.order!r}", remedy='write order="rows", or time= and a column'
            )
        if self.task is not None:
            check_task(self, self.task)
        _duration(f"{self.name}: label_delay", self.label_delay)
        if not self.ordered and parse_duration(self.label_delay):
            raise DeclarationError(
                f"{self.name}: label_delay is {self.label_delay}, but the rows are in no order",
                remedy='name the column that says when a row happened (time=…), or say order="rows"',
            )
        _share(f"{self.name}: tolerate", self.tolerate)

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
        triggers = tuple(retrain)
        self.declaration = Declaration(
            name=name,
            source=source,
            target=target,
            task=task,
            time=time,
            order=order,
            key=key,
            drop=_names(name, "drop", drop),
            label_delay=label_delay,
            positive=None if positive is None else _class_name(positive),
            slices=_names(name, "slices", slices),
            tolerate=tolerate,
            gate=gate or Gate(),
            replay=replay or Replay(),
            rollout=rollout or Canary(),
            retrain=triggers,
            drift=drift or next((one for one in triggers if isinstance(one, Drift)), Drift()),
            decay=decay or next((one for one in triggers if isinstance(one, Decay)), Decay()),
            governor=governor or Governor(),
            alerts=alerts or Alerts(),
            split=split or Split(),
            threshold=threshold or Threshold(0.5),
            refit=refit,
            redact=tuple(dict.fromkeys((*_names(name, "redact", redact), *(capture.redact if capture else ())))),
            capture_share=capture.share if capture else 1.0,
            sticky_by=sticky_by,
            trust=_names(name, "trust", trust),
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
        if trials < 1:
            raise DeclarationError(f"{self.name}: tune has {trials} trials", remedy="write at least 1")
        _duration(f"{self.name}: tune budget", budget)

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
            raise DeclarationError(f"{name}: the gate is on {metric}, but the task is {task}", remedy=_one_of(fitting))
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
            remedy=_one_of(one for one, (tasks, _) in METRICS.items() if task in tasks),
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


def _check_pace(policy: str, declared: RolloutPolicy) -> None:
    if not 0 < declared.alpha <= 0.5:
        raise DeclarationError(f"{policy} alpha is {declared.alpha}", remedy="write a chance such as 0.01")
    if declared.max_shift is not None and declared.max_shift <= 0:
        raise DeclarationError(
            f"{policy} max_shift is {declared.max_shift}", remedy="write an index above 0, such as 0.25, or None"
        )
    _duration(f"{policy} interval", declared.interval)
    _duration(f"{policy} patience", declared.patience)
    if declared.min_requests < 0:
        raise DeclarationError(f"{policy} min_requests is {declared.min_requests}", remedy="write 0 or more")
    if not 0 < declared.max_latency_ratio < inf:
        raise DeclarationError(
            f"{policy} max_latency_ratio is {declared.max_latency_ratio}", remedy="write a ratio above 0, such as 2.0"
        )


def _check_freeze(governor: Governor) -> None:
    try:
        parse_zone(governor.zone)
        freezes = [parse_freeze(text) for text in governor.freeze]
    except ValueError as error:
        remedy = 'for example freeze=("fri 16:00-mon 08:00", "2026-12-20/2027-01-02"), zone="Europe/Berlin"'
        raise DeclarationError(f"Governor: {error}", remedy=remedy) from None
    if never_ends(freezes):
        raise DeclarationError("Governor freeze leaves no minute of the week free", remedy="retrain=() never retrains")


_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def _is_cron_field(field: str, allowed: tuple[int, int]) -> bool:
    """Whether every number of a cron field, but for steps after a slash, is one that the field has."""
    numbers = [int(number) for number in re.findall(r"(?<!/)\b\d+", field)]
    return all(allowed[0] <= number <= allowed[1] for number in numbers)


def _names(model: str, role: str, columns: Iterable[str]) -> tuple[str, ...]:
    if isinstance(columns, str):
        raise DeclarationError(
            f"{model}: {role} is the string {columns!r}", remedy=f'write a list: {role}=["{columns}"]'
        )
    return tuple(columns)


def _class_name(value: object) -> str:
    """A class as text: 1.0 is the class 1."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _one_of(names: Iterable[str]) -> str:
    return f"choose one of {', '.join(names)}"


def _share(what: str, value: float) -> None:
    if not 0 <= value < 1:
        raise DeclarationError(f"{what} is {value}", remedy="write a share from 0 to below 1")


def _some_time(what: str, text: str) -> None:
    _duration(what, text)
    if not parse_duration(text):
        raise DeclarationError(f"{what} has no length", remedy="for example 1d")


def _duration(what: str, text: str) -> None:
    try:
        parse_duration(text)
    except ValueError as error:
        raise DeclarationError(f"{what}: {error}", remedy="for example 1d") from None
