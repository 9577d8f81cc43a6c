"""Monitoring's tables, and the look at findings that other rooms take."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, String, Table, Text, false, select
from sqlalchemy.engine import RowMapping

from loopwright.core.codec import from_plain
from loopwright.core.decision import Decision
from loopwright.monitoring.records import Alert, ColumnDrift, Delivery, Finding, FindingKind, Silence, ToldNotice
from loopwright.state.engine import METADATA, Moment, State

FINDINGS = Table(
    "findings",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("model", String(63), nullable=False),
    Column("endpoint", String(63), nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("window_start", Moment, nullable=False),
    Column("window_end", Moment, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("judged", Boolean, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("decision", JSON, nullable=False),
    Column("columns", JSON, nullable=False),
    Column("at", Moment, nullable=False),
    Column("settled", Boolean, nullable=False, default=False, server_default=false()),
    Index("ix_findings_model", "model", "kind", "window_end"),
    Index("ix_findings_settled", "settled", "model"),
)

ALERTS = Table(
    "alerts",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("model", String(63), nullable=False),
    Column("rule", String(12), nullable=False),
    Column("severity", String(12), nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("evidence", String(120), nullable=False),
    Column("opened", Moment, nullable=False),
    Column("version", Integer),
    Column("closed", Moment),
    Column("recovery", Text, nullable=False, default=""),
    Column("notified", Moment),
    Column("notify", JSON, nullable=False, default=list, server_default="[]"),
    Column("recovery_told", Moment),
    Column("remind_seconds", Float),
    Column("reminded", Moment),
    Column("acknowledged", Moment),
    Column("acknowledged_by", String(120), nullable=False, default="", server_default=""),
    Column("acknowledged_because", Text, nullable=False, default="", server_default=""),
    Index("ix_alerts_model", "model", "rule", "opened"),
)

STREAKS = Table(
    "streaks",
    METADATA,
    Column("model", String(63), primary_key=True),
    Column("rule", String(12), primary_key=True),
    Column("failing", Integer, nullable=False),
    Column("passing", Integer, nullable=False),
    Column("version", Integer),
    Column("last", String(120), nullable=False),
)

SILENCES = Table(
    "silences",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("model", String(63), nullable=False),
    Column("rule", String(12)),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("reason", Text, nullable=False),
    Column("lifted", Moment),
    Column("lifted_by", String(120), nullable=False, default=""),
    Index("ix_silences_until", "until"),
)

NOTICES = Table(
    "notices",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("severity", String(12), nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("made", Moment, nullable=False),
    Column("alerts", JSON, nullable=False),
    Column("destinations", JSON, nullable=False),
    Index("ix_notices_made", "made"),
)
"""Every notice as it was written: what is tried again later is the same."""

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("notice", String(80), primary_key=True),
    Column("destination", String(63), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("tried", Moment),
    Column("sent", Moment),
    Column("trouble", Text, nullable=False, default=""),
)

WATCHES = Table(
    "watches",
    METADATA,
    Column("model", String(63), primary_key=True),
    Column("watch", String(12), primary_key=True),
    Column("until", Moment, nullable=False),
    Column("data", JSON, nullable=False, default=dict),
)
"""How far each watch has looked: windows that ended by `until` are done with. `data` is what it remembers."""


def findings(
    state: State,
    *,
    model: str | None = None,
    version: int | None = None,
    kind: FindingKind | None = None,
    failed_only: bool = False,
    judged_only: bool = False,
    limit: int = 50,
) -> list[Finding]:
    """Findings, newest window first."""
    query = select(FINDINGS).order_by(FINDINGS.c.window_end.desc(), FINDINGS.c.id.desc()).limit(limit)
    wanted = {FINDINGS.c.model: model, FINDINGS.c.version: version, FINDINGS.c.kind: kind}
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    if failed_only:
        query = query.where(FINDINGS.c.passed.is_(False))
    if judged_only:
        query = query.where(FINDINGS.c.judged.is_(True))
    with state.read() as connection:
        return [finding_of(row) for row in connection.execute(query).mappings()]


def finding_of(row: RowMapping) -> Finding:
    values = dict(row)
    for name in ("passed", "settled"):
        values.pop(name)
    values["decision"] = from_plain(values["decision"], Decision)
    values["columns"] = from_plain(values["columns"], tuple[ColumnDrift, ...])
    return Finding(**values)


def alert_of(row: RowMapping) -> Alert:
    return Alert(**(dict(row) | {"notify": tuple(row["notify"])}))


def silence_of(row: RowMapping) -> Silence:
    return Silence(**dict(row))


def notice_of(row: RowMapping, deliveries: tuple[Delivery, ...] = ()) -> ToldNotice:
    lists = {name: tuple(row[name]) for name in ("alerts", "destinations")}
    return ToldNotice(**(dict(row) | lists), deliveries=deliveries)
