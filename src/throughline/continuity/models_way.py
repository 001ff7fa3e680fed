"""Tables of what keeps the way open: codes to pay by, what was begun, people to call back."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant
from throughline.kernel.i18n import Text
from throughline.kernel.ids import new_id


class PayCode(Base):
    """A code by which anybody may pay for one loan, without a sign-in. Only its hash is kept."""

    __tablename__ = "continuity_pay_code"
    __table_args__ = (UniqueConstraint("code_hash"), Index("ix_continuity_pay_code_loan", "loan_id"))

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    loan_id: Mapped[UUID]
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    tail: Mapped[str]  # the last four characters, so that its owner can tell codes apart
    made_by: Mapped[str]  # borrower | staff
    made_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    revoked_at: Mapped[Instant | None]
    orders: Mapped[int]
    used_at: Mapped[Instant | None]


class Unfinished(Base):
    """Something that a borrower has begun: an application, a signature, a repayment. One row each.

    `held_at`: an outage began while it was unfinished; `offered_at`: it was offered again by a route that works.
    """

    __tablename__ = "continuity_unfinished"
    __table_args__ = (
        UniqueConstraint("kind", "subject_id"),
        Index("ix_continuity_unfinished_open", "borrower_id", postgresql_where=text("done_at IS NULL")),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]  # application | signature | repayment
    subject_id: Mapped[UUID]
    step: Mapped[str]
    changed_at: Mapped[Instant]
    held_at: Mapped[Instant | None]
    held_by: Mapped[UUID | None]  # the episode
    offered_at: Mapped[Instant | None]
    done_at: Mapped[Instant | None]
    outcome: Mapped[str | None]


class Callback(Base):
    """A borrower asks that somebody calls. The number and the words are sealed (place `continuity_callback|<id>|…`)."""

    __tablename__ = "continuity_callback"
    __table_args__ = (
        Index("ix_continuity_callback_open", "id", postgresql_where=text("state = 'open'")),
        Index("ix_continuity_callback_borrower", "borrower_id", "made_at"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    topic: Mapped[str]
    number: Mapped[bytes] = mapped_column(LargeBinary)
    words: Mapped[bytes] = mapped_column(LargeBinary)
    best_time: Mapped[str]  # morning | afternoon | evening | any
    state: Mapped[str]  # open | taken | reached | not_reached | withdrawn
    tries: Mapped[int]
    made_at: Mapped[Instant]
    due_at: Mapped[Instant]
    taken_by: Mapped[UUID | None]
    closed_at: Mapped[Instant | None]
    note: Mapped[Text | None]
