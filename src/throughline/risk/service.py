"""The verbs of risk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel import crypto
from throughline.kernel.errors import NotFound
from throughline.kernel.i18n import N_, Text
from throughline.kernel.ids import new_id
from throughline.notary import service as notary
from throughline.risk import policy, reasons, scorecard
from throughline.risk.facts import ApplicationFacts, FactsInvalid, derived
from throughline.risk.models import RiskDecision

__all__ = [
    "ApplicationFacts",
    "DecisionRecord",
    "FactsInvalid",
    "Points",
    "Reason",
    "decide",
    "decision",
    "decision_row",
    "decisions",
    "points",
    "replay",
]

CHAMPION = "scorecard-2026-1"
POLICY = "policy-2026-1"


class DecisionUnknown(NotFound):
    """No such decision."""

    code = "decision-not-found"
    title = N_("There is no such decision")


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason code and its sentence."""

    code: str
    text: Text


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A decision. `annual_rate_percent` is nominal, given when approved; `pd` a fraction."""

    id: UUID
    outcome: Literal["approve", "refer", "decline"]
    grade: str | None
    score: int
    pd: Decimal
    limit_minor: int
    annual_rate_percent: Decimal | None
    reasons: tuple[Reason, ...]
    versions: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Points:
    """What one characteristic of the card gave, and the most that it can give."""

    characteristic: str
    group: str
    points: int
    best: int


def decide(
    session: Session,
    borrower_id: UUID,
    facts: ApplicationFacts,
    *,
    principal_minor: int,
    installment_minor: int,
    age_years: int,
    now: datetime,
) -> DecisionRecord:
    """Decide on an application and store the decision with its snapshot.

    `installment_minor` is what the asked loan would cost a month at the highest rate of the table, so that
    affordability is judged before the price is known. Raises FactsInvalid.
    """
    facts.check()
    snapshot: dict[str, Any] = {
        "facts": asdict(facts),
        "principal_minor": principal_minor,
        "installment_minor": installment_minor,
        "age_years": age_years,
    }
    judged, scored = _judge(snapshot, CHAMPION, POLICY)
    decision_id = new_id()
    text = json.dumps(snapshot, sort_keys=True)
    codes = list(judged.reasons)
    promise = notary.commit(
        session,
        borrower_id,
        "decision",
        {
            "decision": str(decision_id),
            "snapshot_hash": hashlib.sha256(rfc8785.dumps(snapshot)).hexdigest(),
            "scorecard": CHAMPION,
            "policy": POLICY,
            "outcome": judged.outcome,
            "reasons": codes,
        },
        now=now,
    )
    row = RiskDecision(
        borrower_id=borrower_id,
        id=decision_id,
        snapshot=crypto.seal(session, borrower_id, _place(decision_id), text),
        snapshot_hash=hashlib.sha256(rfc8785.dumps(snapshot)).hexdigest(),
        scorecard=CHAMPION,
        policy=POLICY,
        outcome=judged.outcome,
        grade=judged.grade,
        score=scored.points,
        pd=str(scored.pd),
        limit_minor=judged.limit_minor,
        annual_rate_percent=str(judged.annual_rate_percent)
        if judged.annual_rate_percent is not None
        else None,
        reasons=codes,
        record_id=promise.record_id,
        decided_at=now,
    )
    session.add(row)
    session.flush()
    return record(row)


def highest_rate_percent() -> Decimal:
    """The highest nominal annual rate of the price table: what affordability is judged at."""
    return max(grade.annual_rate_percent for grade in policy.shipped(POLICY).grades)


def replay(session: Session, row: RiskDecision) -> bool:
    """Make a stored decision again from its snapshot and versions; True if it is the same in every bit."""
    snapshot = _snapshot(session, row)
    judged, scored = _judge(snapshot, row.scorecard, row.policy)
    return (
        hashlib.sha256(rfc8785.dumps(snapshot)).hexdigest() == row.snapshot_hash
        and judged.outcome == row.outcome
        and judged.grade == row.grade
        and judged.limit_minor == row.limit_minor
        and (str(judged.annual_rate_percent) if judged.annual_rate_percent is not None else None)
        == row.annual_rate_percent
        and list(judged.reasons) == row.reasons
        and (scored.points, str(scored.pd)) == (row.score, row.pd)
    )


def decision(session: Session, borrower_id: UUID, decision_id: UUID) -> DecisionRecord:
    """A stored decision. Raises DecisionUnknown."""
    row = session.get(RiskDecision, (borrower_id, decision_id))
    if row is None:
        raise DecisionUnknown
    return record(row)


def decision_row(session: Session, decision_id: UUID) -> RiskDecision:
    """A stored decision about anybody, for staff. Raises DecisionUnknown."""
    row = session.scalars(select(RiskDecision).where(RiskDecision.id == decision_id)).one_or_none()
    if row is None:
        raise DecisionUnknown
    return row


def points(session: Session, row: RiskDecision) -> list[Points]:
    """The points of a stored decision by characteristic, in the order of its card."""
    card = scorecard.shipped(row.scorecard)
    return [
        Points(one.name, one.group, given, one.best)
        for one, given in scorecard.points_of(card, _derived(_snapshot(session, row)))
    ]


def decisions(session: Session, *, after: UUID | None, limit: int) -> list[RiskDecision]:
    """A page of decisions, newest first."""
    query = select(RiskDecision)
    if after is not None:
        query = query.where(RiskDecision.id < after)
    return list(session.scalars(query.order_by(RiskDecision.id.desc()).limit(limit)))


def record(row: RiskDecision) -> DecisionRecord:
    """The decision of a row, with its reasons as sentences."""
    outcome: Any = row.outcome
    return DecisionRecord(
        row.id,
        outcome,
        row.grade,
        row.score,
        Decimal(row.pd),
        row.limit_minor,
        Decimal(row.annual_rate_percent) if row.annual_rate_percent is not None else None,
        tuple(Reason(code, reasons.text(code)) for code in row.reasons),
        (row.scorecard, row.policy),
    )


def age_on(birth_date: date, on: date) -> int:
    """Full years of age on a day."""
    return on.year - birth_date.year - ((on.month, on.day) < (birth_date.month, birth_date.day))


def _judge(snapshot: dict[str, Any], card: str, tables: str) -> tuple[policy.Judgement, scorecard.Score]:
    numbers = _derived(snapshot)
    scored = scorecard.score(scorecard.shipped(card), numbers)
    return policy.judge(policy.shipped(tables), numbers, scored), scored


def _derived(snapshot: dict[str, Any]) -> dict[str, Decimal]:
    return derived(
        ApplicationFacts(**snapshot["facts"]),
        age_years=snapshot["age_years"],
        principal_minor=snapshot["principal_minor"],
        installment_minor=snapshot["installment_minor"],
    )


def _snapshot(session: Session, row: RiskDecision) -> dict[str, Any]:
    text = crypto.open_sealed(session, row.borrower_id, _place(row.id), row.snapshot)
    found: dict[str, Any] = json.loads(text)
    return found


def _place(decision_id: UUID) -> str:
    return f"risk_decision|{decision_id}|snapshot"
