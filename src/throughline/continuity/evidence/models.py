"""The table of what borrowers handed in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant
from throughline.kernel.ids import new_id


class EvidenceFile(Base):
    """A file that a borrower handed in for a report, or for an objection (`appeal_id`), and what was decided.

    Content and words are sealed for their borrower (places `continuity_evidence|<id>|content` and `…|words`) and
    emptied after `expires_at`, which a decision sets; the row stays as the record of the decision. `digest` is a
    keyed hash of the file as it was sent, for this borrower alone. `seen_by`: who of the staff has opened it.
    `outage_id`: the episode that was recorded on it.
    """

    __tablename__ = "continuity_evidence"
    __table_args__ = (
        ForeignKeyConstraint(
            ["borrower_id", "episode_id"], ["continuity_episode.borrower_id", "continuity_episode.id"]
        ),
        ForeignKeyConstraint(
            ["borrower_id", "appeal_id"], ["continuity_appeal.borrower_id", "continuity_appeal.id"]
        ),
        # The same file twice is one.
        Index(
            "uq_continuity_evidence_report",
            "episode_id",
            "digest",
            unique=True,
            postgresql_where=text("appeal_id IS NULL"),
        ),
        Index(
            "uq_continuity_evidence_appeal",
            "appeal_id",
            "digest",
            unique=True,
            postgresql_where=text("appeal_id IS NOT NULL"),
        ),
        Index("ix_continuity_evidence_waiting", "id", postgresql_where=text("state = 'waiting'")),
        Index("ix_continuity_evidence_expires_at", "expires_at", postgresql_where=text("purged_at IS NULL")),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    episode_id: Mapped[UUID]
    appeal_id: Mapped[UUID | None]
    kind: Mapped[str]
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    words: Mapped[bytes | None] = mapped_column(LargeBinary)
    content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    state: Mapped[str]  # waiting | accepted | refused
    handed_in_at: Mapped[Instant]
    answer_by: Mapped[Instant]
    seen_by: Mapped[list[Any]]
    decided_at: Mapped[Instant | None]
    decided_by: Mapped[UUID | None]
    answer: Mapped[dict[str, Any] | None]
    outage_id: Mapped[UUID | None]
    expires_at: Mapped[Instant | None]
    purged_at: Mapped[Instant | None]
    record_id: Mapped[UUID | None]
