"""Tables of the credit-record guard. Whom a report is about stands in the sealed bytes of its file only."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Id, Instant, Json
from throughline.kernel.i18n import Text
from throughline.kernel.ids import new_id


def _of_loan() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["borrower_id", "loan_id"], ["lending_loan.borrower_id", "lending_loan.id"])


class ReportRunRow(Base):
    """The reporting of one business month. `after_loan`: how far it has come. States: running, done."""

    __tablename__ = "lending_bureau_run"

    month: Mapped[date] = mapped_column(primary_key=True)  # its first day
    as_of: Mapped[date]
    state: Mapped[str]
    after_loan: Mapped[UUID | None]
    items: Mapped[int]
    negative: Mapped[int]
    held: Mapped[int]
    started_at: Mapped[Instant]
    moved_at: Mapped[Instant]
    finished_at: Mapped[Instant | None]


class ReportFileRow(Base):
    """One file. `content` is sealed for the lender and written before the first byte leaves (states.FileState).

    `next_step_at`: when the sweep looks at it again; None when nothing is left to do or nobody asks any more.
    """

    __tablename__ = "lending_bureau_file"
    __table_args__ = (
        UniqueConstraint("ref"),
        Index(
            "ix_lending_bureau_file_next", "next_step_at", postgresql_where=text("next_step_at IS NOT NULL")
        ),
    )

    id: Mapped[Id]
    ref: Mapped[str]
    content_kind: Mapped[str]  # monthly | corrections
    state: Mapped[str]
    items: Mapped[int]
    sha256: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary)  # place "lending_bureau_file|<id>|content"
    sends: Mapped[int]
    asks: Mapped[int]
    code: Mapped[str | None]
    record_id: Mapped[UUID]
    sent_at: Mapped[Instant]
    answered_at: Mapped[Instant | None]
    next_step_at: Mapped[Instant | None]


class ReportItemRow(Base):
    """What is said of a loan for a month; `n` 0 is the monthly report, 1 and more are its corrections.

    `said` are the words for the bureau (figures.Said), `past_due_days` the contractual delay, which stays here.
    Nothing negative is stored without its notice and the decision of the gate.
    """

    __tablename__ = "lending_bureau_item"
    __table_args__ = (
        _of_loan(),
        ForeignKeyConstraint(
            ["borrower_id", "decision_id"], ["compliance_decision.borrower_id", "compliance_decision.id"]
        ),
        ForeignKeyConstraint(
            ["borrower_id", "corrects"], ["lending_bureau_item.borrower_id", "lending_bureau_item.id"]
        ),
        ForeignKeyConstraint(["file_id"], ["lending_bureau_file.id"]),
        UniqueConstraint("borrower_id", "loan_id", "month", "n"),
        UniqueConstraint("id"),
        UniqueConstraint("ref"),
        CheckConstraint(
            "NOT negative OR (decision_id IS NOT NULL AND notice_ref IS NOT NULL AND noticed_at IS NOT NULL "
            "AND missing = '[]')",
            name="negative_is_proved",
        ),
        Index(
            "ix_lending_bureau_item_queued",
            "n",
            "id",
            postgresql_where=text("state = 'queued'"),
        ),
        Index("ix_lending_bureau_item_held", "id", postgresql_where=text("missing <> '[]'")),
        Index("ix_lending_bureau_item_file_id", "file_id"),
        Index("ix_lending_bureau_item_state", "state", "id"),
        Index(
            "ix_lending_bureau_item_notice",
            "notice_contact_point_id",
            postgresql_where=text("negative AND notice_contact_point_id IS NOT NULL"),
        ),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    loan_id: Mapped[UUID]
    month: Mapped[date]
    n: Mapped[int]
    as_of: Mapped[date]
    corrects: Mapped[UUID | None]
    why: Mapped[Text | None]  # of a correction
    state: Mapped[str]
    event_seq: Mapped[int]  # of the loan when this was made
    past_due_days: Mapped[int]
    delinquent_days: Mapped[int]
    negative: Mapped[bool]
    said: Mapped[Json]
    missing: Mapped[list[Any]]  # piece, code, text: why something negative is not said
    late_since: Mapped[date | None]
    notice_ref: Mapped[UUID | None]
    notice_way: Mapped[str | None]
    noticed_at: Mapped[Instant | None]
    notice_contact_point_id: Mapped[UUID | None]
    decision_id: Mapped[UUID | None]
    ref: Mapped[str | None]  # at the bureau; one for each try
    file_id: Mapped[UUID | None]
    tries: Mapped[int]
    not_before: Mapped[Instant | None]
    code: Mapped[str | None]  # of the bureau's refusal
    queued_at: Mapped[Instant]
    sent_at: Mapped[Instant | None]
    answered_at: Mapped[Instant | None]
    record_id: Mapped[UUID | None]  # of the sending
    confirmed_record_id: Mapped[UUID | None]  # of a correction that the bureau took


class LetterRow(Base):
    """A registered letter about a delay; it counts from the day on which the post handed it over."""

    __tablename__ = "lending_bureau_letter"
    __table_args__ = (
        _of_loan(),
        UniqueConstraint("borrower_id", "tracking_hash"),
        Index("ix_lending_bureau_letter_loan", "borrower_id", "loan_id"),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    loan_id: Mapped[UUID]
    carrier: Mapped[str]
    tracking_number: Mapped[bytes] = mapped_column(
        LargeBinary
    )  # "lending_bureau_letter|<id>|tracking_number"
    tracking_hash: Mapped[bytes] = mapped_column(LargeBinary)
    posted_on: Mapped[date]
    handed_over_on: Mapped[date]
    recorded_by: Mapped[str]
    recorded_at: Mapped[Instant]


class DarkSpanRow(Base):
    """From when to when a line could receive nothing, as `line` says it now: a text in it is no notice."""

    __tablename__ = "lending_bureau_dark_span"

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    contact_point_id: Mapped[UUID] = mapped_column(primary_key=True)
    from_at: Mapped[Instant] = mapped_column(primary_key=True)
    until_at: Mapped[Instant | None]


class DisputeRow(Base):
    """A borrower says that a report is wrong. States: open, upheld, refused.

    `said` and `answer` are sealed. `due_at` is the end of the rule's days, as an exclusive instant; `answer_state`
    of a dispute that came through the bureau: none, due, unknown, done.
    """

    __tablename__ = "lending_bureau_dispute"
    __table_args__ = (
        _of_loan(),
        ForeignKeyConstraint(
            ["borrower_id", "item_id"], ["lending_bureau_item.borrower_id", "lending_bureau_item.id"]
        ),
        UniqueConstraint("id"),
        UniqueConstraint("bureau_ref"),
        Index(
            "uq_lending_bureau_dispute_open",
            "borrower_id",
            "loan_id",
            "month",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
        Index("ix_lending_bureau_dispute_due", "state", "due_at", "id"),
        Index(
            "ix_lending_bureau_dispute_next",
            "next_step_at",
            postgresql_where=text("next_step_at IS NOT NULL"),
        ),
    )

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    loan_id: Mapped[UUID]
    item_id: Mapped[UUID]
    month: Mapped[date]
    state: Mapped[str]
    came_from: Mapped[str]  # borrower | bureau
    bureau_ref: Mapped[str | None]
    statement: Mapped[bytes] = mapped_column(LargeBinary)  # "lending_bureau_dispute|<id>|statement"
    opened_at: Mapped[Instant]
    rule_id: Mapped[str]
    due_on: Mapped[date]
    due_at: Mapped[Instant]
    look_by: Mapped[date | None]
    provisional: Mapped[bool]
    resolved_at: Mapped[Instant | None]
    resolved_by: Mapped[str | None]
    answer: Mapped[bytes | None] = mapped_column(LargeBinary)  # "lending_bureau_dispute|<id>|answer"
    answer_state: Mapped[str]
    asks: Mapped[int]
    next_step_at: Mapped[Instant | None]


class BureauCursorRow(Base):
    """How far the bureau's list of disputes was read."""

    __tablename__ = "lending_bureau_cursor"

    name: Mapped[str] = mapped_column(primary_key=True)
    after: Mapped[int] = mapped_column(BigInteger)
