"""Tables of the status page: what probes saw, its sums by day, and what was published of incidents."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id


class Probe(Base):
    """What one prober saw of one component once. `reason` is a code of ours: timeout, refused, http-503, part:…"""

    __tablename__ = "continuity_probe"

    component: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[Instant] = mapped_column(primary_key=True)
    state: Mapped[str]  # working | slow | partly | down | maintenance
    reason: Mapped[str]
    took_ms: Mapped[int]
    interval_s: Mapped[int]


class ProbeDay(Base):
    """Seconds in each state by component, prober and day of the lender: the sums that 90 days are drawn from."""

    __tablename__ = "continuity_probe_day"

    component: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    working_s: Mapped[int]
    slow_s: Mapped[int]
    partly_s: Mapped[int]
    down_s: Mapped[int]
    maintenance_s: Mapped[int]


class StatusNote(Base):
    """What was published of an incident; only ever added to. A correction names the note that it corrects."""

    __tablename__ = "continuity_status_note"
    __table_args__ = (Index("ix_continuity_status_note_incident_id", "incident_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    incident_id: Mapped[UUID]
    at: Mapped[Instant]
    stage: Mapped[str]  # noticed | identified | fixed | closed | update
    text: Mapped[Json]
    next_update_by: Mapped[Instant | None]
    corrects: Mapped[UUID | None]
    published_by: Mapped[UUID | None]  # nobody: it was published by itself
