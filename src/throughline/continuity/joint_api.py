"""HTTP of joint plans: a borrower's offers and grants; for staff offers, grants, cost and effect."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.continuity import joint, joint_report
from throughline.kernel import clock
from throughline.kernel.http import (
    BorrowerId,
    Paged,
    PageParams,
    Reading,
    Writing,
    paged,
    problems,
    require_scope,
)
from throughline.kernel.i18n import Text, bilingual
from throughline.kernel.settings import settings
from throughline.line.joint import orders, views
from throughline.line.joint.models import JointGrant
from throughline.line.joint.offers import Offer, offers
from throughline.parties.purposes import CONSENT_TEXT_VERSION, CONSENT_TEXTS, Purpose

router = APIRouter(prefix="/api/v1", tags=["joint plans"])
READER = [Depends(require_scope("continuity:read"))]
WRITER = [Depends(require_scope("continuity:write"))]

GrantState = Literal["requested", "granted", "refused", "ended", "unknown"]
EFFECT_DAYS = 14


class GivesOut(BaseModel):
    """What one grant gives: data and minutes, or an amount (of each month for a discount) and days."""

    megabytes: int | None
    minutes: int | None
    amount_minor: int | None
    days: int | None


class RefusalOut(BaseModel):
    """One thing that stands against a grant."""

    code: str
    text: Text


class MyOfferOut(BaseModel):
    """An offer for a line of mine. `available`: it can be accepted; `consent_needed`: with the consent in `consent`."""

    line_id: UUID
    offer_id: str
    kind: str
    carrier_name: Text
    name: Text
    terms: Text
    gives: GivesOut
    payer: str
    currency: str
    valid_until: date
    available: bool
    consent_needed: bool
    consent: Text
    refusals: list[RefusalOut]


class AcceptIn(BaseModel):
    """Accept an offer for a line. `consent`: the text of the offer's `consent` was shown and agreed to."""

    model_config = ConfigDict(extra="forbid")
    offer_id: Annotated[str, Field(min_length=1, max_length=40)]
    line_id: UUID
    consent: bool = False


class GrantOut(BaseModel):
    """A grant. `code` and `reason` say why it was refused or has ended."""

    id: UUID
    line_id: UUID
    offer_id: str
    kind: str
    name: Text
    terms: Text
    gives: GivesOut
    payer: str
    currency: str
    state: GrantState
    code: str | None
    reason: Text
    requested_at: datetime
    starts_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    ending: bool


class StaffGrantOut(GrantOut):
    """A grant with what it was decided on and what it costs."""

    borrower_id: UUID
    carrier: str
    plan: str
    cost_minor: int
    line_state: str
    data_state: str
    facts: dict[str, Any]
    checks: int
    next_step_at: datetime | None


class OfferOut(BaseModel):
    """An offer as it was agreed."""

    offer_id: str
    carrier: str
    kind: str
    agreement: str
    name: Text
    terms: Text
    gives: GivesOut
    payer: str
    cost_minor: int
    monthly_budget_minor: int
    currency: str
    valid_from: date
    valid_until: date
    limit_count: int
    limit_days: int
    line_states: list[str]
    data_states: list[str]
    min_probability_percent: int
    past_due_days_up_to: int | None
    due_within_days: int | None


class CostOut(BaseModel):
    """Cost of an offer's grants of a month."""

    offer_id: str
    month: date
    currency: str
    ran: int
    open: int
    refused: int
    ran_cost_minor: int
    open_cost_minor: int


class EffectOut(BaseModel):
    """What came in the days after the grants of an offer; `measured` and `stopped` are the denominators."""

    offer_id: str
    ran: int
    measured: int
    stopped: int
    came_back: int
    paid_after: int
    paid_before: int


class ReportOut(BaseModel):
    """Cost and effect of the grants of some months. After is not because of: there is no control group."""

    first_month: date
    last_month: date
    days: int
    cost: list[CostOut]
    effect: list[EffectOut]


@router.get("/me/joint-offers", responses=problems(401, 403))
def my_joint_offers(borrower_id: BorrowerId, session: Reading) -> list[MyOfferOut]:
    """What carriers and we offer for my lines, each with what stands against it."""
    consent = bilingual(CONSENT_TEXTS[Purpose.JOINT_PLAN])
    return [
        MyOfferOut(
            line_id=one.line_id,
            offer_id=one.offer.id,
            kind=one.offer.kind,
            carrier_name=one.offer.carrier_name,
            name=one.offer.name,
            terms=one.offer.terms,
            gives=GivesOut.model_validate(one.offer.gives, from_attributes=True),
            payer=one.offer.payer,
            currency=one.offer.currency,
            valid_until=one.offer.valid_until,
            available=one.verdict.offerable,
            consent_needed=any(refusal.code == "consent" for refusal in one.verdict.refusals),
            consent=consent,
            refusals=[
                RefusalOut(code=refusal.code, text=refusal.text)
                for refusal in one.verdict.refusals
                if refusal.code != "consent"
            ],
        )
        for one in joint.offers_for(session, borrower_id, now=clock.now())
    ]


@router.post("/me/joint-grants", status_code=201, responses=problems(401, 403, 404, 409, 422))
def accept_joint_offer(body: AcceptIn, borrower_id: BorrowerId, write: Writing) -> Response:
    """Accept an offer. The carrier is called afterwards: look at the grant's state."""

    def verb(session: Session) -> GrantOut:
        evidence = {"channel": "api", "text_version": CONSENT_TEXT_VERSION} if body.consent else None
        grant_id = joint.accept(session, borrower_id, body.line_id, body.offer_id, evidence, now=clock.now())
        return GrantOut(**_plain(views.grant(session, grant_id)))

    return write.once(verb, status=201)


@router.get("/me/joint-grants", responses=problems(401, 403, 422))
def my_joint_grants(borrower_id: BorrowerId, session: Reading, page: PageParams) -> Paged[GrantOut]:
    """My grants, newest first."""
    rows = views.grants(session, borrower_id=borrower_id, after=page.after, limit=page.limit + 1)
    return paged([GrantOut(**_plain(row)) for row in rows], page, lambda row: row.id)


@router.get("/me/joint-grants/{grant_id}", responses=problems(401, 403, 404, 422))
def my_joint_grant(grant_id: UUID, borrower_id: BorrowerId, session: Reading) -> GrantOut:
    """One of my grants."""
    return GrantOut(**_plain(views.grant(session, grant_id, borrower_id=borrower_id)))


@router.post("/me/joint-grants/{grant_id}/end", responses=problems(401, 403, 404, 409, 422))
def end_my_joint_grant(grant_id: UUID, borrower_id: BorrowerId, write: Writing) -> Response:
    """End a grant of mine; the carrier is told afterwards."""

    def verb(session: Session) -> GrantOut:
        orders.ask_revoke(session, borrower_id, grant_id, "borrower", now=clock.now())
        return GrantOut(**_plain(views.grant(session, grant_id)))

    return write.once(verb)


@router.get("/joint-offers", responses=problems(401, 403), dependencies=READER)
def list_joint_offers() -> list[OfferOut]:
    """The offers of this installation (at most 200), also those that are over or have not begun."""
    return [_offer_out(one) for one in offers()]


@router.get("/joint-grants", responses=problems(401, 403, 422), dependencies=READER)
def list_joint_grants(
    session: Reading,
    page: PageParams,
    state: Annotated[GrantState | None, Query(description="Only these")] = None,
    offer_id: Annotated[str | None, Query(max_length=40, description="Only of this offer")] = None,
    borrower_id: Annotated[UUID | None, Query(description="Only of this borrower")] = None,
) -> Paged[StaffGrantOut]:
    """Grants, newest first."""
    rows = views.grants(
        session,
        borrower_id=borrower_id,
        offer_id=offer_id,
        state=state,
        after=page.after,
        limit=page.limit + 1,
    )
    return paged([StaffGrantOut(**_whole(row)) for row in rows], page, lambda row: row.id)


@router.get("/joint-grants/{grant_id}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_joint_grant(grant_id: UUID, session: Reading) -> StaffGrantOut:
    """One grant."""
    return StaffGrantOut(**_whole(views.grant(session, grant_id)))


@router.post("/joint-grants/{grant_id}/ask", responses=problems(401, 403, 404, 409, 422), dependencies=WRITER)
def ask_about_joint_grant(grant_id: UUID, write: Writing) -> Response:
    """Ask the carrier again about an open grant, also after the usual questions are used up."""

    def verb(session: Session) -> StaffGrantOut:
        orders.ask_again(session, grant_id)
        return StaffGrantOut(**_whole(views.grant(session, grant_id)))

    return write.once(verb)


@router.get("/joint-report", responses=problems(401, 403, 422), dependencies=READER)
def read_joint_report(
    session: Reading,
    months: Annotated[int, Query(ge=1, le=36, description="This month and those before it")] = 12,
    days: Annotated[int, Query(ge=1, le=180, description="How long after a grant is looked")] = EFFECT_DAYS,
) -> ReportOut:
    """Cost by offer and month, and what came in the days after."""
    now = clock.now()
    first, last = joint_report.months_back(clock.local_date(now, settings().zone), months)
    return ReportOut(
        first_month=first,
        last_month=last,
        days=days,
        cost=[
            CostOut.model_validate(one, from_attributes=True)
            for one in joint_report.cost(session, first=first, last=last)
        ],
        effect=[
            EffectOut.model_validate(one, from_attributes=True)
            for one in joint_report.effect(
                session, first=first, last=last, days=days, zone=settings().zone, now=now
            )
        ],
    )


def _plain(row: JointGrant) -> dict[str, Any]:
    terms = row.terms
    return {
        "id": row.id,
        "line_id": row.line_id,
        "offer_id": row.offer_id,
        "kind": row.kind,
        "name": terms["name"],
        "terms": terms["terms"],
        "gives": terms["gives"],
        "payer": terms["payer"],
        "currency": row.currency,
        "state": row.state,
        "code": row.code,
        "reason": row.reason or {},
        "requested_at": row.requested_at,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "ended_at": row.ended_at,
        "ending": row.revoke_asked_at is not None and row.ended_at is None,
    }


def _whole(row: JointGrant) -> dict[str, Any]:
    return {
        **_plain(row),
        "borrower_id": row.borrower_id,
        "carrier": row.carrier,
        "plan": row.plan,
        "cost_minor": row.cost_minor,
        "line_state": row.line_state,
        "data_state": row.data_state,
        "facts": row.facts,
        "checks": row.checks,
        "next_step_at": row.next_step_at,
    }


def _offer_out(offer: Offer) -> OfferOut:
    return OfferOut(
        offer_id=offer.id,
        carrier=offer.carrier,
        kind=offer.kind,
        agreement=offer.agreement,
        name=offer.name,
        terms=offer.terms,
        gives=GivesOut.model_validate(offer.gives, from_attributes=True),
        payer=offer.payer,
        cost_minor=offer.cost_minor,
        monthly_budget_minor=offer.monthly_budget_minor,
        currency=offer.currency,
        valid_from=offer.valid_from,
        valid_until=offer.valid_until,
        limit_count=offer.limit_count,
        limit_days=offer.limit_days,
        line_states=sorted(offer.line_states),
        data_states=sorted(offer.data_states),
        min_probability_percent=offer.min_probability_percent,
        past_due_days_up_to=offer.past_due_days_up_to,
        due_within_days=offer.due_within_days,
    )
