"""Paying for somebody by a code: no sign-in, and nothing is said about whose loan it is."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.orm import Session

from throughline.continuity import paycodes
from throughline.kernel import clock, money
from throughline.kernel.db import database
from throughline.kernel.errors import Problem
from throughline.kernel.http import AnyCaller, Reading
from throughline.kernel.settings import settings
from throughline.payments.states import FINAL, OPEN
from throughline.payments.states import State as OrderState
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, show
from throughline.web.borrower.loans import MAX_AMOUNT_CHARS, offered_link
from throughline.web.borrower.qr import qr_image
from throughline.web.forms import Form

router = APIRouter(route_class=PageRoute)


@router.get("/p")
def code_page(request: Request) -> HTMLResponse:
    """A field for the code."""
    return show(request, "pay_code.html", typed="")


@router.post("/p")
def look(request: Request, session: Reading, form: Form) -> Response:
    """What the code asks for, with the amount to choose. The code stays in the form, never in an address."""
    code = form.get("code", "")
    try:
        found = paycodes.asked(session, code, now=clock.now())
    except Problem as problem:
        return show(request, "pay_code.html", problem=problem, typed=code)
    return _asked(request, code, found, None, money.from_minor(found.due_minor, found.currency))


@router.post("/p/pay")
def pay(request: Request, caller: AnyCaller, form: Form) -> Response:
    """Order the payment and show its QR code."""
    code = form.get("code", "")

    def verb(session: Session) -> str:
        found = paycodes.asked(session, code, now=clock.now())
        key = form.get("idempotency_key", forms.fresh_key())
        amount_minor = _amount_minor(form.get("amount", ""), found.currency)
        return str(paycodes.order(session, code, amount_minor, key=key, now=clock.now()))

    try:
        order_id = UUID(forms.run_once(request, caller, form, verb))
    except Problem as problem:
        with database().transaction() as session:
            try:
                found = paycodes.asked(session, code, now=clock.now())
            except Problem:
                return show(request, "pay_code.html", problem=problem, typed=code)
        return _asked(request, code, found, problem, form.get("amount", ""))
    return _order(request, code, order_id)


@router.post("/p/order")
def order(request: Request, form: Form) -> Response:
    """How the payment stands; asked again by a button, because the code must not stand in an address."""
    try:
        order_id = UUID(form.get("order_id", ""))
    except ValueError:
        return RedirectResponse("/p", status_code=303)
    return _order(request, form.get("code", ""), order_id)


@router.post("/loans/{loan_id}/pay-codes")
def make_code(
    request: Request, loan_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """Make a code for a loan of mine; the page that answers is the only one that shows it."""

    def verb(session: Session) -> dict[str, str]:
        row, text = paycodes.make(session, borrower_id, loan_id, now=clock.now())
        return {"code": text, "ends_at": row.ends_at.isoformat()}

    made = forms.run_once(request, caller, form, verb)
    address = f"{str(settings().base_url).rstrip('/')}/p"
    return show(
        request,
        "pay_code_made.html",
        code=made["code"],
        address=address,
        loan_id=loan_id,
        qr=qr_image(address),
    )


@router.post("/loans/{loan_id}/pay-codes/{code_id}/end")
def end_code(
    request: Request, loan_id: UUID, code_id: UUID, borrower_id: Borrower, caller: AnyCaller, form: Form
) -> Response:
    """End a code of mine."""

    def verb(session: Session) -> str:
        paycodes.revoke(session, borrower_id, code_id, now=clock.now())
        return f"/loans/{loan_id}"

    return forms.once(request, caller, form, verb)


def _asked(
    request: Request, code: str, found: paycodes.Asked, problem: Problem | None, amount: str
) -> HTMLResponse:
    return show(request, "pay_for.html", problem=problem, code=code, found=found, amount=amount)


def _order(request: Request, code: str, order_id: UUID) -> HTMLResponse:
    with database().transaction() as session:
        try:
            found = paycodes.ordered(session, code, order_id, now=clock.now())
        except Problem as problem:
            return show(request, "pay_code.html", problem=problem, typed=code)
    state = OrderState(found.state)
    return show(
        request,
        "pay_for_order.html",
        code=code,
        order=found,
        received=state is OrderState.SUCCEEDED,
        waiting=state in OPEN,
        ended=state in FINAL,
        qr=qr_image(found.code_url) if found.code_url and state in OPEN else "",
        link=offered_link(found.code_url, demo=settings().demo),
    )


def _amount_minor(text: str, currency: str) -> int:
    try:
        if len(text) > MAX_AMOUNT_CHARS:
            raise ValueError
        return money.to_minor(text.replace(",", ""), currency)
    except ValueError:
        raise paycodes.AmountOutside(paycodes.AmountOutside.title, field="amount") from None
