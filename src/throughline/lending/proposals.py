"""Proposals that wait for a second person: kept, listed, decided, and carried out once.

What is proposed and why is sealed under the borrower's key (a product's under the lender's), so that it goes
with the borrower. Deciding locks the proposal first and the loan behind it: of two approvers at once one waits
and then finds it decided.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from throughline.kernel.crypto import LENDER_ID, open_sealed, seal
from throughline.kernel.errors import NotFound, Problem
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.settings import load
from throughline.lending import second_person
from throughline.lending.account import read_loan
from throughline.lending.event_bodies import EventBody, new_event, read_event_body
from throughline.lending.models import ProposalRow
from throughline.lending.publishing import NewProduct, check_version, publish_product
from throughline.lending.recording import NewEvent, record_event
from throughline.lending.second_person import PRODUCT, ProposalState
from throughline.lending.settings import LendingSettings
from throughline.lending.what_if import WhatIf, what_if


class ProposalUnknown(NotFound):
    code = "proposal-unknown"
    title = N_("There is no such proposal")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal, opened. `kind` is a type of event or `product_publish`, `body` what would be recorded.

    `failure` says why an approved one could not be carried out; `event_id` or `product_version` what it made.
    """

    id: UUID
    kind: str
    state: ProposalState
    borrower_id: UUID | None
    loan_id: UUID | None
    product_code: str | None
    body: dict[str, Any]
    reason: str
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None
    failure: Text | None
    event_id: UUID | None
    product_version: int | None


def needs_second(new: NewEvent) -> bool:
    """Whether this event is proposed instead of recorded, by the rules and this lender's settings."""
    if not second_person.alone_forbidden(new.type, fraud=new.fraud):
        return False
    return products_need_second()


def products_need_second() -> bool:
    """Whether versions of products are proposed instead of published."""
    config: LendingSettings = load(LendingSettings)
    return config.second_person


def proposal_days() -> int:
    """How many days a proposal waits for the second person."""
    config: LendingSettings = load(LendingSettings)
    return config.proposal_days


def propose_event(
    session: Session, loan_id: UUID, body: EventBody, reason: str | None, *, by: str, now: datetime
) -> Proposal:
    """Propose an event that fits the loan as it is now.

    Raises ReasonMissing, and what recording it would: LoanUnknown, ChargeNotAgreed, EventRefused.
    """
    _check_reason(reason)
    what_if(session, loan_id, [new_event(body, key="proposal", actor=by)], now=now)
    loan = read_loan(session, loan_id).row
    document = body.model_dump(mode="json", exclude={"reason"})
    row = _row(loan.borrower_id, body.type, by=by, now=now)
    row.loan_id = loan_id
    return _add(session, row, document, reason or "", now=now)


def propose_product(
    session: Session, new: NewProduct, reason: str | None, *, by: str, now: datetime
) -> Proposal:
    """Propose a version of a product that could be published now.

    Raises ReasonMissing, ProductRefused, ProductDate, RuleForbidsProduct.
    """
    _check_reason(reason)
    check_version(session, new, now=now)
    document = {"code": new.code, "valid_from": new.valid_from.isoformat(), "document": new.document}
    row = _row(LENDER_ID, PRODUCT, by=by, now=now)
    row.product_code = new.code
    return _add(session, row, document, reason or "", now=now)


def _check_reason(reason: str | None) -> None:
    if not reason or len(reason) > second_person.MAX_REASON:
        raise second_person.ReasonMissing(second_person.ReasonMissing.title, field="reason")


def _row(owner_id: UUID, kind: str, *, by: str, now: datetime) -> ProposalRow:
    return ProposalRow(
        borrower_id=owner_id,
        id=new_id(),
        kind=kind,
        state=ProposalState.WAITING.value,
        proposed_by=by,
        proposed_at=now,
        expires_at=now + timedelta(days=proposal_days()),
    )


def _add(
    session: Session, row: ProposalRow, document: dict[str, Any], reason: str, *, now: datetime
) -> Proposal:
    row.body = seal(session, row.borrower_id, _place(row, "body"), json.dumps(document))
    row.reason = seal(session, row.borrower_id, _place(row, "reason"), reason)
    session.add(row)
    session.flush()
    return _opened(session, row, now=now)


def approve(
    session: Session,
    proposal_id: UUID,
    *,
    by: str,
    scopes: Collection[str],
    reason: str | None = None,
    now: datetime,
) -> Proposal:
    """Approve a proposal and carry it out; if it does not fit any more it has failed, with the cause.

    Raises ProposalUnknown, and what `second_person.check_decider` raises.
    """
    row = _locked(session, proposal_id)
    second_person.check_decider(row.kind, _standing(row, now), row.proposed_by, by=by, scopes=scopes)
    _decided(session, row, ProposalState.APPROVED, by, reason, now=now)
    try:
        with session.begin_nested():
            _carry_out(session, row, now=now)
    except Problem as problem:
        if problem.status >= 500:
            raise
        # Only what was carried out is rolled back: that it was tried, by whom and why not, stays.
        row.state = ProposalState.FAILED.value
        row.failure = bilingual(problem.detail or problem.title, **problem.params)
    session.flush()
    return _opened(session, row, now=now)


def _carry_out(session: Session, row: ProposalRow, *, now: datetime) -> None:
    document = _body(session, row)
    if row.loan_id is None:
        row.product_version = publish_product(session, _new_product(document), now=now).version
    else:
        new = new_event(read_event_body(document), key=f"proposal:{row.id}", actor=row.proposed_by)
        row.event_id = record_event(session, row.loan_id, new, now=now).event_id


def refuse(
    session: Session,
    proposal_id: UUID,
    *,
    by: str,
    scopes: Collection[str],
    reason: str | None,
    now: datetime,
) -> Proposal:
    """Refuse a proposal. Raises ProposalUnknown, ReasonMissing, and what `second_person.check_decider` raises."""
    row = _locked(session, proposal_id)
    second_person.check_decider(row.kind, _standing(row, now), row.proposed_by, by=by, scopes=scopes)
    _check_reason(reason)
    _decided(session, row, ProposalState.REFUSED, by, reason, now=now)
    session.flush()
    return _opened(session, row, now=now)


def withdraw(
    session: Session, proposal_id: UUID, *, by: str, scopes: Collection[str], now: datetime
) -> Proposal:
    """Take one's own proposal back. Raises ProposalUnknown, and what `second_person.check_withdrawer` raises."""
    row = _locked(session, proposal_id)
    second_person.check_withdrawer(row.kind, _standing(row, now), row.proposed_by, by=by, scopes=scopes)
    _decided(session, row, ProposalState.WITHDRAWN, by, None, now=now)
    session.flush()
    return _opened(session, row, now=now)


def _locked(session: Session, proposal_id: UUID) -> ProposalRow:
    row = session.scalars(
        select(ProposalRow)
        .where(ProposalRow.id == proposal_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise ProposalUnknown
    return row


def _decided(
    session: Session, row: ProposalRow, state: ProposalState, by: str, reason: str | None, *, now: datetime
) -> None:
    row.state, row.decided_by, row.decided_at = state.value, by, now
    if reason:
        row.decision_reason = seal(session, row.borrower_id, _place(row, "decision_reason"), reason)


def proposal(session: Session, proposal_id: UUID, *, now: datetime) -> Proposal:
    """One proposal. Raises ProposalUnknown."""
    row = session.scalars(select(ProposalRow).where(ProposalRow.id == proposal_id)).one_or_none()
    if row is None:
        raise ProposalUnknown
    return _opened(session, row, now=now)


def proposals(
    session: Session,
    *,
    state: ProposalState | None = None,
    loan_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
    now: datetime,
) -> list[Proposal]:
    """A page of proposals, newest first; of one state or loan, or of all."""
    query = select(ProposalRow)
    if state is not None:
        query = query.where(*_in_state(state, now))
    if loan_id is not None:
        query = query.where(ProposalRow.loan_id == loan_id)
    if after is not None:
        query = query.where(ProposalRow.id < after)
    rows = session.scalars(query.order_by(ProposalRow.id.desc()).limit(limit))
    return [_opened(session, row, now=now) for row in rows]


def _in_state(state: ProposalState, now: datetime) -> list[ColumnElement[bool]]:
    waiting = ProposalRow.state == ProposalState.WAITING.value
    if state is ProposalState.WAITING:
        return [waiting, ProposalRow.expires_at > now]
    if state is ProposalState.EXPIRED:
        return [waiting, ProposalRow.expires_at <= now]
    return [ProposalRow.state == state.value]


def approvers(session: Session, event_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Who approved these events, as far as they needed a second person, by the event's id."""
    rows = session.execute(
        select(ProposalRow.event_id, ProposalRow.decided_by).where(ProposalRow.event_id.in_(event_ids))
    )
    return {event_id: by for event_id, by in rows if event_id is not None and by is not None}


def proposal_what_if(session: Session, one: Proposal, *, now: datetime) -> WhatIf | None:
    """What the proposed event would do to the loan as it is now; None for a product.

    Raises EventRefused, ChargeNotAgreed when it would be refused now.
    """
    if one.loan_id is None:
        return None
    new = new_event(read_event_body(one.body), key="proposal", actor=one.proposed_by)
    return what_if(session, one.loan_id, [new], now=now)


def _new_product(document: dict[str, Any]) -> NewProduct:
    return NewProduct(document["code"], date.fromisoformat(document["valid_from"]), document["document"])


def _standing(row: ProposalRow, now: datetime) -> ProposalState:
    return second_person.standing(row.state, row.expires_at, now)


def _place(row: ProposalRow, column: str) -> str:
    return f"lending_proposal|{row.id}|{column}"


def _body(session: Session, row: ProposalRow) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        open_sealed(session, row.borrower_id, _place(row, "body"), row.body)
    )
    return document


def _opened(session: Session, row: ProposalRow, *, now: datetime) -> Proposal:
    sealed = row.decision_reason
    return Proposal(
        id=row.id,
        kind=row.kind,
        state=_standing(row, now),
        borrower_id=None if row.borrower_id == LENDER_ID else row.borrower_id,
        loan_id=row.loan_id,
        product_code=row.product_code,
        body=_body(session, row),
        reason=open_sealed(session, row.borrower_id, _place(row, "reason"), row.reason),
        proposed_by=row.proposed_by,
        proposed_at=row.proposed_at,
        expires_at=row.expires_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        decision_reason=open_sealed(session, row.borrower_id, _place(row, "decision_reason"), sealed)
        if sealed
        else None,
        failure=row.failure,
        event_id=row.event_id,
        product_version=row.product_version,
    )
