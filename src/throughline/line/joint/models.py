"""Tables of joint service plans."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id

OPEN_STATES = "state IN ('requested', 'granted', 'unknown')"


class JointGrant(Base):
    """One order of a joint plan, written before the carrier is called.

    `terms` is the offer as the borrower was shown it, `facts` what it was decided on. `sent_at`, `answered_at`,
    `starts_at`, `ends_at` and `next_step_at` are of the wall clock, as the carrier's clock is; `requested_at`,
    `changed_at` and `ended_at` are business time. `reason` says why it was refused or ended.
    """

    __tablename__ = "line_joint_grant"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("idem_key"),
        # Two acceptances at once make one grant.
        Index(
            "uq_line_joint_grant_open",
            "line_id",
            "offer_id",
            unique=True,
            postgresql_where=text(OPEN_STATES),
        ),
        Index("ix_line_joint_grant_line", "line_id", "offer_id", "requested_at"),
        Index("uq_line_joint_grant_token", "token_hash", unique=True),
        Index("ix_line_joint_grant_next_step_at", "next_step_at"),
        Index("ix_line_joint_grant_requested_at", "requested_at"),
        CheckConstraint("cost_minor >= 0", name="cost_not_negative"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    line_id: Mapped[UUID]
    contact_point_id: Mapped[UUID]
    carrier: Mapped[str]
    offer_id: Mapped[str]
    kind: Mapped[str]
    plan: Mapped[str]
    idem_key: Mapped[str]
    state: Mapped[str]
    code: Mapped[str | None]
    reason: Mapped[dict[str, str] | None]
    line_state: Mapped[str]
    data_state: Mapped[str]
    terms: Mapped[Json]
    facts: Mapped[Json]
    cost_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    budget_month: Mapped[date]
    requested_at: Mapped[Instant]
    changed_at: Mapped[Instant]
    sent_at: Mapped[Instant | None]
    answered_at: Mapped[Instant | None]
    remote_id: Mapped[str | None]
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    starts_at: Mapped[Instant | None]
    ends_at: Mapped[Instant | None]
    ended_at: Mapped[Instant | None]
    revoke_asked_at: Mapped[Instant | None]
    revoke_code: Mapped[str | None]
    checks: Mapped[int]
    next_step_at: Mapped[Instant | None]


class JointMonth(Base):
    """What the grants of an offer that began in a month cost together: all but the refused ones."""

    __tablename__ = "line_joint_month"
    __table_args__ = (CheckConstraint("grants >= 0 AND cost_minor >= 0", name="not_negative"),)

    offer_id: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    grants: Mapped[int]
    cost_minor: Mapped[int] = mapped_column(BigInteger)
