"""Tables of risk."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Instant
from throughline.kernel.ids import new_id


class RiskDecision(Base):
    """One decision with all that is needed to make it again. The snapshot of facts is sealed."""

    __tablename__ = "risk_decision"

    borrower_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    snapshot: Mapped[bytes] = mapped_column(LargeBinary)
    snapshot_hash: Mapped[str]
    scorecard: Mapped[str]
    policy: Mapped[str]
    outcome: Mapped[str]
    grade: Mapped[str | None]
    score: Mapped[int]
    pd: Mapped[str]
    limit_minor: Mapped[int] = mapped_column(BigInteger)
    annual_rate_percent: Mapped[str | None]
    reasons: Mapped[list[Any]]
    record_id: Mapped[UUID | None]
    decided_at: Mapped[Instant]
