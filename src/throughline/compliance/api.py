"""JSON API of compliance, for staff: rules in force, and what past acts were measured against."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from throughline.compliance import service
from throughline.kernel.http import Caller, Paged, PageParams, Reading, paged, problems, require_scope

router = APIRouter(prefix="/api/v1/compliance", tags=["compliance"])
Reader = Annotated[Caller, Depends(require_scope("compliance:read"))]


class RuleOut(BaseModel):
    """A dated rule."""

    id: str
    key: str
    jurisdiction: str
    valid_from: date
    valid_to: date | None
    applies: str
    demand: str
    predicate: str | None
    confidence: str
    cite: str
    row_hash: str


class DecisionOut(BaseModel):
    """A gate's answer with the facts and the verdict of every row."""

    id: UUID
    gate: str
    subject: str
    jurisdiction: str
    on_date: date
    facts: dict[str, Any]
    facts_hash: str
    rule_set: str
    outcome: str
    verdicts: list[dict[str, Any]]
    decided_at: datetime


@router.get("/rules", responses=problems(401, 403))
def list_rules(
    caller: Reader,
    on: Annotated[date, Query(description="In force on this day")],
    jurisdiction: Annotated[str | None, Query(max_length=8)] = None,
) -> list[RuleOut]:
    """The rules in force on a day (the shipped set has 51 rows, so this is one page)."""
    del caller
    return [
        RuleOut(
            id=rule.id,
            key=rule.key,
            jurisdiction=rule.jurisdiction,
            valid_from=rule.valid_from,
            valid_to=rule.valid_to,
            applies=rule.applies.source,
            demand=rule.demand,
            predicate=rule.predicate.source if rule.predicate else None,
            confidence=rule.confidence,
            cite=rule.cite,
            row_hash=rule.row_hash,
        )
        for rule in service.rules_on(on, jurisdiction=jurisdiction)
    ]


@router.get("/decisions", responses=problems(401, 403))
def list_decisions(
    caller: Reader,
    session: Reading,
    page: PageParams,
    subject: Annotated[str | None, Query(max_length=100, description='Such as "application:<id>"')] = None,
) -> Paged[DecisionOut]:
    """What gated acts were measured against, newest first."""
    del caller
    rows = service.decisions_of(session, subject=subject, after=page.after, limit=page.limit + 1)
    return paged(
        [DecisionOut.model_validate(row, from_attributes=True) for row in rows], page, lambda row: row.id
    )
