"""Tables of continuity. Every key of a borrower's row begins with the borrower."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id


class Episode(Base):
    """One outage of one borrower's line, from the first dark instant to the return."""

    __tablename__ = "continuity_episode"
    __table_args__ = (
        # At most one open episode for a line: what makes opening safe to repeat.
        Index("uq_continuity_episode_open", "line_id", unique=True, postgresql_where=text("state = 'open'")),
        Index("ix_continuity_episode_state", "state", "opened_at"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[UUID]
    contact_point_id: Mapped[UUID]
    state: Mapped[str]  # open | closed
    line_state: Mapped[str]
    probability: Mapped[str]  # of line_state
    cannot_receive: Mapped[str]  # that nothing arrives, whichever outage it is: what protection goes by
    dark_since: Mapped[Instant]
    back_at: Mapped[Instant | None]
    opened_at: Mapped[Instant]
    closed_at: Mapped[Instant | None]
    evidence: Mapped[list[Any]]
    reason: Mapped[Json]


class ProtectionCase(Base):
    """The protection of one loan in one episode. `record_id` is its commitment in the notary's log."""

    __tablename__ = "continuity_case"
    __table_args__ = (
        ForeignKeyConstraint(
            ["borrower_id", "episode_id"], ["continuity_episode.borrower_id", "continuity_episode.id"]
        ),
        UniqueConstraint("episode_id", "loan_id"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    episode_id: Mapped[UUID]
    loan_id: Mapped[UUID]
    installment_nr: Mapped[int]
    due_date: Mapped[date]
    state: Mapped[str]  # granted | refused | ended
    rule_id: Mapped[str | None]
    first_day: Mapped[date | None]
    last_day: Mapped[date | None]
    measures: Mapped[list[Any]]
    difference: Mapped[Json]
    reason: Mapped[Json]
    end_reason: Mapped[dict[str, Any] | None]
    record_id: Mapped[UUID | None]
    decided_at: Mapped[Instant]
    ended_at: Mapped[Instant | None]


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
