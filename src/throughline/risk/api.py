"""HTTP of risk: decisions with reasons and points, and whether they come out the same again, for staff."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from throughline.kernel.http import Paged, PageParams, Reading, paged, problems, require_scope
from throughline.kernel.i18n import Text
from throughline.risk import reasons, service
from throughline.risk.models import RiskDecision

router = APIRouter(prefix="/api/v1/risk", tags=["risk"], dependencies=[Depends(require_scope("risk:read"))])


class ReasonOut(BaseModel):
    """A reason code with its sentence, the weightiest first."""

    code: str
    text: Text


class PointsOut(BaseModel):
    """What one characteristic of the card gave, and the most that it can give."""

    model_config = ConfigDict(from_attributes=True)
    characteristic: str
    group: str
    points: int
    best: int


class DecisionOut(BaseModel):
    """A decision. `pd`: probability of default; `annual_rate_percent`: nominal, given with an approval.

    `record_id`: its commitment in the notary's log.
    """

    id: UUID
    borrower_id: UUID
    outcome: Literal["approve", "refer", "decline"]
    grade: str | None
    score: int
    pd: Decimal
    limit_minor: int
    annual_rate_percent: Decimal | None
    reasons: list[ReasonOut]
    scorecard: str
    policy: str
    record_id: UUID | None
    decided_at: datetime


class DecisionStory(DecisionOut):
    """A decision with its points. `same_again`: made anew from its snapshot, it is the same in every bit."""

    points: list[PointsOut]
    same_again: bool


@router.get("/decisions", responses=problems(401, 403, 422))
def list_decisions(session: Reading, page: PageParams) -> Paged[DecisionOut]:
    """Decisions, newest first."""
    rows = service.decisions(session, after=page.after, limit=page.limit + 1)
    return paged([_out(row) for row in rows], page, lambda row: row.id)


@router.get("/decisions/{decision_id}", responses=problems(401, 403, 404, 422))
def read_decision(decision_id: UUID, session: Reading) -> DecisionStory:
    """One decision: why, from how many points, and made again. The facts themselves are not shown."""
    row = service.decision_row(session, decision_id)
    return DecisionStory(
        **_out(row).model_dump(),
        points=[PointsOut.model_validate(one) for one in service.points(session, row)],
        same_again=service.replay(session, row),
    )


def _out(row: RiskDecision) -> DecisionOut:
    made = service.record(row)
    return DecisionOut(
        id=row.id,
        borrower_id=row.borrower_id,
        outcome=made.outcome,
        grade=made.grade,
        score=made.score,
        pd=made.pd,
        limit_minor=made.limit_minor,
        annual_rate_percent=made.annual_rate_percent,
        reasons=[ReasonOut(code=str(code), text=reasons.text(code)) for code in row.reasons],
        scorecard=row.scorecard,
        policy=row.policy,
        record_id=row.record_id,
        decided_at=row.decided_at,
    )
