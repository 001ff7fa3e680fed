"""A loan: its schedule, what is due, what protects it; and paying it by a QR code that anybody may scan."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import paycodes
from throughline.continuity import service as continuity
from throughline.kernel import clock, money
from throughline.kernel.db import database
from throughline.kernel.errors import Invalid, NotFound, Problem
from throughline.kernel.http import AnyCaller, Reading
from throughline.kernel.i18n import N_
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.lending.state import LoanStatus
from throughline.payments import service as payments
from throughline.payments.states import FINAL, OPEN
from throughline.payments.states import State as OrderState
from throughline.web import forms, statements
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.borrower.qr import qr_image
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)
MAX_AMOUNT_CHARS = 12

STATUSES = {
    LoanStatus.APPROVED: N_("signed, money on its way"),
    LoanStatus.ACTIVE: N_("running"),
    LoanStatus.OVERPAID: N_("paid back, with money left over"),
    LoanStatus.CLOSED: N_("paid back"),
}


class NotAnAmount(Invalid):
    """The amount of a repayment can't be read, or is not above zero or not owed."""

    code = "not-an-amount"
    title = N_("Please type an amount from 0.01 up to what is still open")


@router.get("/loans/{loan_id}")
def loan_page(request: Request, loan_id: UUID, borrower_id: Borrower, session: Reading) -> HTMLResponse:
    """The loan as it stands today."""
    return _page(request, session, borrower_id, loan_id)


@router.get("/loans/{loan_id}/statement")
def statement(
    request: Request, loan_id: UUID, borrower_id: Borrower, session: Reading, asked: statements.Asked
) -> Response:
    """The statement of the loan as a file."""
    return statements.statement_answer(request, session, loan_id, asked, borrower_id)


@router.post("/loans/{loan_id}/repay")
def repay(request: Request, loan_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form) -> Response:
    """Order a QR code for an amount of this loan."""

    def verb(session: Session) -> str:
        loan = lending.loan_view(session, loan_id, borrower_id=borrower_id)
        amount_minor = _amount_minor(form.get("amount", ""), loan)
        order_id = payments.order_collection(
            session,
            borrower_id,
            amount_minor,
            loan.currency,
            lending.source_of(loan_id),
            rail="wechat_native",
            idempotency_key=f"web-repay:{borrower_id}:{form.get('idempotency_key', forms.fresh_key())}",
            now=clock.now(),
        )
        return f"/pay/{order_id}"

    try:
        return forms.once(request, caller, form, verb)
    except NotFound:
        raise
    except Problem as problem:
        with database().transaction() as session:
            return _page(request, session, borrower_id, loan_id, problem, form.get("amount", ""))


@router.get("/pay/{order_id}")
def pay_page(request: Request, order_id: UUID, borrower_id: Borrower, session: Reading) -> HTMLResponse:
    """The QR code, until the money is there."""
    order = payments.order_view(session, order_id)
    if order.borrower_id != borrower_id or order.direction != "in":
        raise payments.UnknownOrder
    state = OrderState(order.state)
    return show(
        request,
        "pay.html",
        order=order,
        received=state is OrderState.SUCCEEDED,
        waiting=state in OPEN,
        ended=state in FINAL,
        qr=qr_image(order.code_url) if order.code_url and state in OPEN else "",
        link=offered_link(order.code_url, demo=settings().demo),
        loan_id=order.source.removeprefix("loan:"),
    )


def offered_link(code_url: str | None, *, demo: bool) -> str:
    """A link that the page may offer: the provider's own scheme or a web address, nothing that runs.

    The simulator of the demo lives on this machine, without TLS.
    """
    simulator = ("http://localhost:", "http://127.0.0.1:") if demo else ()
    allowed = ("weixin://", "https://", *simulator)
    return code_url if code_url and code_url.startswith(allowed) else ""


def _amount_minor(text: str, loan: lending.LoanView) -> int:
    try:
        if len(text) > MAX_AMOUNT_CHARS:
            raise ValueError
        amount_minor = money.to_minor(text.replace(",", ""), loan.currency)
    except ValueError:
        raise NotAnAmount(NotAnAmount.title, field="amount") from None
    if not 0 < amount_minor <= loan.outstanding_minor:
        raise NotAnAmount(NotAnAmount.title, field="amount")
    return amount_minor


def _page(
    request: Request,
    session: Session,
    borrower_id: UUID,
    loan_id: UUID,
    problem: Problem | None = None,
    typed: str | None = None,
) -> HTMLResponse:
    loan = lending.loan_view(session, loan_id, borrower_id=borrower_id)
    due_minor = loan.next_due.outstanding_minor if loan.next_due else 0
    cases = continuity.protections_of_loan(session, loan_id)
    appeals = {case.id: continuity.appeals_of(session, case.id) for case in cases}
    return show(
        request,
        "loan.html",
        problem=problem,
        loan=loan,
        standing=STATUSES[loan.status],
        amount=typed if typed is not None else money.from_minor(due_minor, loan.currency),
        may_repay=loan.status is LoanStatus.ACTIVE and loan.outstanding_minor > 0,
        cases=cases,
        pay_codes=paycodes.codes_of(session, borrower_id, loan_id, now=clock.now()),
        appeals=appeals,
        may_appeal={case.id for case in cases if continuity.may_appeal(case, appeals[case.id])},
    )
