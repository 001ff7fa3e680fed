"""Tables of responses. The entries are only ever added to: a trigger of the database refuses anything else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id


class Response(Base):
    """What we do about one incident. `plan`: the playbook as it was when it started, so that a later one changes nothing.

    `aware_at` and `classes` ({regime: {"class", "at"}}) start the clocks of authorities; both are said by a person.
    """

    __tablename__ = "continuity_response"
    __table_args__ = (
        UniqueConstraint("incident_id"),
        Index("ix_continuity_response_state", "state", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("continuity_incident.id"))
    playbook: Mapped[str]
    plan: Mapped[Json]
    severity: Mapped[str]
    state: Mapped[str]  # open | closed
    started_by: Mapped[UUID | None]  # nobody: the incident started it
    opened_at: Mapped[Instant]
    aware_at: Mapped[Instant | None]
    classes: Mapped[Json]
    roles: Mapped[Json]
    closed_at: Mapped[Instant | None]


class ResponseEntry(Base):
    """What was done or decided, by whom and when; `by` nobody: it happened by itself."""

    __tablename__ = "continuity_response_entry"
    __table_args__ = (Index("ix_continuity_response_entry_response_id", "response_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    response_id: Mapped[UUID] = mapped_column(ForeignKey("continuity_response.id"))
    at: Mapped[Instant]
    kind: Mapped[str]
    by: Mapped[UUID | None]
    text: Mapped[Json]
    details: Mapped[dict[str, Any]]
