"""Tables of compliance: what every gated act was measured against."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant, Json
from throughline.kernel.ids import new_id


class RuleDecision(Base):
    """One question at a gate: the facts, the rows with their hashes, the verdicts, the outcome."""

    __tablename__ = "compliance_decision"
    __table_args__ = (Index("ix_compliance_decision_subject", "subject", "id"),)

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    gate: Mapped[str]
    subject: Mapped[str]
    jurisdiction: Mapped[str]
    on_date: Mapped[date]
    facts: Mapped[Json]
    facts_hash: Mapped[str]
    rule_set: Mapped[str]
    outcome: Mapped[str]
    verdicts: Mapped[list[Any]]
    decided_at: Mapped[Instant]
