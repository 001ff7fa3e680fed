"""The payout of a signed application: ordered with the signature, and again by a person after the bank refused it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.kernel.i18n import N_, bilingual
from throughline.lending import service as lending
from throughline.line import service as line
from throughline.notary import service as notary
from throughline.origination import gates
from throughline.origination.models import Application, Step
from throughline.origination.states import State
from throughline.origination.transitions import ApplicationUnknown, WrongState, move
from throughline.payments import service as payments


def order(session: Session, application: Application, loan_id: UUID, *, now: datetime) -> UUID:
    """Order the money of a locked application to the account that its contract names; returns the order.

    Each time that the bank may pay anew is another order, by the number of payouts ordered before: a repeat
    of the same time is the same order.
    """
    before = session.execute(
        select(func.count()).where(Step.application_id == application.id, Step.new == State.DISBURSING)
    ).scalar_one()
    offer = application.offer
    if offer is None:
        raise RuntimeError("an application that is paid out has an offer")
    return payments.order_payout(
        session,
        borrower_id=application.borrower_id,
        amount_minor=offer["principal_minor"],
        currency=application.currency,
        payee_account_id=application.payee_account_id,
        source=f"loan:{loan_id}",
        idempotency_key=f"payout:{application.id}" + (f":{before + 1}" if before else ""),
        line_state=_line_state(session, application.borrower_id),
        now=now,
    )


def order_again(
    session: Session, application_id: UUID, *, staff_id: UUID | None, now: datetime
) -> Application:
    """A person has the money paid once more, to the same account, after the bank refused it or sent it back.

    Raises ApplicationUnknown, WrongState unless the payout failed, WrongState too while the loan's books
    still hold the first payout, and Conflict when a rule of today forbids it.
    """
    application = session.scalars(
        select(Application).where(Application.id == application_id).with_for_update()
    ).one_or_none()
    if application is None:
        raise ApplicationUnknown
    if application.state != State.PAYOUT_FAILED or application.loan_id is None:
        raise WrongState(application.state)
    if lending.loan_view(session, application.loan_id).disbursed_on is not None:
        raise WrongState(application.state)  # what came back is not booked yet
    gates.require(gates.payout(session, application, now=now))
    application.order_id = order(session, application, application.loan_id, now=now)
    notary.commit(
        session,
        application.borrower_id,
        "payout_ordered_again",
        {
            "application": str(application.id),
            "order_id": application.order_id,
            "staff": str(staff_id) if staff_id else None,
        },
        now=now,
    )
    move(session, application, State.DISBURSING, bilingual(N_("The payout was ordered once more.")), now=now)
    return application


def _line_state(session: Session, borrower_id: UUID) -> str:
    lines = line.lines_of(session, borrower_id)
    return lines[0].state if lines else "unknown"
