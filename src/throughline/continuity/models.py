"""Tables of continuity. Every key of a borrower's row begins with the borrower."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from throughline.continuity.evidence.models import EvidenceFile
from throughline.continuity.models_way import Callback, PayCode, Unfinished
from throughline.continuity.response import models as _response_models
from throughline.continuity.status import models as _status_models
from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id

__all__ = [
    "Appeal",
    "Callback",
    "Episode",
    "EvidenceFile",
    "OutageIncident",
    "PayCode",
    "ProtectionCase",
    "TimelineEntry",
    "Unfinished",
]
del _response_models, _status_models  # their tables belong to the metadata; that is all


class Episode(Base):
    """One outage as it touches one borrower, from the first dark instant to the end.

    `cause` and `kind` are those of the outage policy (`contracts.outage.KINDS`); for a line `kind` is its state.
    `stretch_since`: where the newest stretch of a re-opened episode began. `line_id` is empty where the cause is
    not a line; `incident_id` names the incident that it is part of, `claim_id` the borrower's own report.
    `merged_into`: the episode on evidence that took over a report.
    """

    __tablename__ = "continuity_episode"
    __table_args__ = (
        # At most one open episode of each kind of source: what makes opening safe to repeat.
        Index("uq_continuity_episode_open", "line_id", unique=True, postgresql_where=text("state = 'open'")),
        Index("uq_continuity_episode_incident", "incident_id", "borrower_id", unique=True),
        Index("uq_continuity_episode_claim", "claim_id", unique=True),
        Index("ix_continuity_episode_state", "state", "opened_at"),
        Index("ix_continuity_episode_dark_since", "borrower_id", "dark_since"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cause: Mapped[str]
    kind: Mapped[str]
    source: Mapped[str]  # line | incident | claim | staff
    line_id: Mapped[UUID | None]
    contact_point_id: Mapped[UUID | None]
    incident_id: Mapped[UUID | None]
    claim_id: Mapped[UUID | None]
    merged_into: Mapped[UUID | None]
    state: Mapped[str]  # open | closed | merged
    requested: Mapped[bool]
    contradicted_at: Mapped[Instant | None]
    probability: Mapped[str]  # of the kind
    cannot_receive: Mapped[str]  # that nothing arrives, whichever outage it is: what protection goes by
    dark_since: Mapped[Instant]
    stretch_since: Mapped[Instant]
    back_at: Mapped[Instant | None]
    opened_at: Mapped[Instant]
    closed_at: Mapped[Instant | None]
    evidence: Mapped[list[Any]]
    reason: Mapped[Json]


class ProtectionCase(Base):
    """The protection of one loan in one stretch of an episode. `record_id` is its commitment in the notary's log.

    `round`: 1 for the first stretch, one more for each re-opening in which something fell due. A case in review
    holds `measures` provisionally. `decided_by`: a person's decision, by which subject.
    """

    __tablename__ = "continuity_case"
    __table_args__ = (
        ForeignKeyConstraint(
            ["borrower_id", "episode_id"], ["continuity_episode.borrower_id", "continuity_episode.id"]
        ),
        UniqueConstraint("episode_id", "loan_id", "round"),
        Index("ix_continuity_case_review", "id", postgresql_where=text("state = 'review'")),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    episode_id: Mapped[UUID]
    loan_id: Mapped[UUID]
    round: Mapped[int]
    stretch_since: Mapped[Instant]  # the stretch of the episode that it belongs to
    installment_nr: Mapped[int]
    due_date: Mapped[date]
    state: Mapped[str]  # granted | refused | review | ended | revoked
    batch_id: Mapped[
        UUID | None
    ]  # the name under which its measures stand on the loan; none are there without it
    policy_version: Mapped[str | None]
    rule_id: Mapped[str | None]
    first_day: Mapped[date | None]
    last_day: Mapped[date | None]
    measures: Mapped[list[Any]]
    difference: Mapped[Json]
    reason: Mapped[Json]
    end_reason: Mapped[dict[str, Any] | None]
    record_id: Mapped[UUID | None]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[Instant]
    ended_at: Mapped[Instant | None]


class Appeal(Base):
    """A borrower's objection to a decision; what they wrote is sealed (place `continuity_appeal|<id>|words`)."""

    __tablename__ = "continuity_appeal"
    __table_args__ = (
        ForeignKeyConstraint(
            ["borrower_id", "case_id"], ["continuity_case.borrower_id", "continuity_case.id"]
        ),
        Index("uq_continuity_appeal_open", "case_id", unique=True, postgresql_where=text("state = 'open'")),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID]
    state: Mapped[str]  # open | upheld | dismissed
    words: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[Instant]
    decided_at: Mapped[Instant | None]
    decided_by: Mapped[UUID | None]
    answer: Mapped[dict[str, Any] | None]


class OutageIncident(Base):
    """An outage of many at once: of a carrier or region, or of our own. It names whom it touches, not one by one.

    `scope`: {"carrier", "region"} for a carrier; {"route"}, {"rail"} or {"task"} where only that failed; empty: everybody.
    `source_ref` makes opening safe to repeat, such as "line:<incident id>", "staff:<key>", "probe:<task>:<time>".
    `covered_after`: the borrower after whom covering goes on; empty once everybody was looked at.
    """

    __tablename__ = "continuity_incident"
    __table_args__ = (
        UniqueConstraint("source_ref"),
        Index("ix_continuity_incident_open", "id", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    source_ref: Mapped[str]
    cause: Mapped[str]
    kind: Mapped[str]
    scope: Mapped[Json]
    state: Mapped[str]  # open | closed
    began_at: Mapped[Instant]
    noticed_at: Mapped[Instant]
    ended_at: Mapped[Instant | None]
    opened_by: Mapped[UUID | None]
    covered_after: Mapped[UUID | None]
    covered_at: Mapped[Instant | None]
    reason: Mapped[Json]
    record_id: Mapped[UUID | None]


class TimelineEntry(Base):
    """What happened in an episode, in both languages; only ever added to."""

    __tablename__ = "continuity_timeline"
    __table_args__ = (
        ForeignKeyConstraint(
            ["borrower_id", "episode_id"], ["continuity_episode.borrower_id", "continuity_episode.id"]
        ),
        Index("ix_continuity_timeline_episode_id", "episode_id", "id"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    episode_id: Mapped[UUID]
    at: Mapped[Instant]
    kind: Mapped[str]
    text: Mapped[Json]
    details: Mapped[Json]
