"""An application in JSON, as borrower and staff read it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.orm import Session

from throughline.kernel.i18n import Text
from throughline.origination import service
from throughline.origination.models import Application
from throughline.origination.states import State
from throughline.risk import service as risk


class OfferOut(BaseModel):
    """The offer: `annual_rate_percent` nominal, `apr_percent` with all costs (docs/compliance.md)."""

    principal_minor: int
    installments: int
    annual_rate_percent: str
    apr_percent: str


class ReasonOut(BaseModel):
    """One reason of a decision."""

    code: str
    text: Text


class ApplicationOut(BaseModel):
    """An application and where it stands.

    `reason` is of its newest step: a person's decision says it here. `reasons` are the scorecard's, given
    when it was declined or referred.
    """

    id: UUID
    state: State
    product_code: str
    requested_minor: int
    currency: str
    installments: int
    payee_account_id: UUID
    offer: OfferOut | None
    contract_id: UUID | None
    loan_id: UUID | None
    order_id: UUID | None
    expires_at: datetime
    created_at: datetime
    reason: Text
    reasons: list[ReasonOut]


def application_out(session: Session, row: Application) -> ApplicationOut:
    """An application as JSON."""
    reasons: list[ReasonOut] = []
    if row.decision_id and row.state in {State.DECLINED, State.REFERRED}:
        found = risk.decision(session, row.borrower_id, row.decision_id).reasons
        reasons = [ReasonOut(code=reason.code, text=reason.text) for reason in found]
    return ApplicationOut(
        id=row.id,
        state=State(row.state),
        product_code=row.product_code,
        requested_minor=row.requested_minor,
        currency=row.currency,
        installments=row.installments,
        payee_account_id=row.payee_account_id,
        offer=OfferOut(**row.offer) if row.offer else None,
        contract_id=row.contract_id,
        loan_id=row.loan_id,
        order_id=row.order_id,
        expires_at=row.expires_at,
        created_at=row.created_at,
        reason=service.last_reason(session, row.id),
        reasons=reasons,
    )
