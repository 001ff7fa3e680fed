"""Payments: orders with every attempt and every step; what is not known is said to be unknown."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from throughline.kernel.http import Caller, PageParams, Reading, paged
from throughline.payments import service as payments
from throughline.payments.states import OPEN, State
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("payments:read", "parties:read"))]


@router.get("/console/payments")
def order_list(
    request: Request,
    session: Reading,
    page: PageParams,
    caller: Reader,
    state: Annotated[State | None, Query()] = None,
    source: Annotated[str | None, Query(max_length=100)] = None,
) -> HTMLResponse:
    """Orders, oldest first; of a state or of a source such as "loan:<id>"."""
    del caller
    wanted = state.value if state else None
    rows = payments.orders(session, state=wanted, source=source, after=page.after, limit=page.limit + 1)
    found = paged(rows, page, lambda row: row.id)
    return show(
        request,
        "payments.html",
        rows=found.items,
        names=masked_names(session, {row.borrower_id for row in found.items}),
        state=wanted,
        states=[one.value for one in State],
        source=source,
        next_cursor=found.next_cursor,
    )


@router.get("/console/payments/{order_id}")
def order_page(request: Request, order_id: UUID, session: Reading, caller: Reader) -> HTMLResponse:
    """One order with its attempts."""
    del caller
    order = payments.order_view(session, order_id)
    return show(
        request,
        "payment.html",
        order=order,
        names=masked_names(session, {order.borrower_id}),
        attempts=payments.attempts_of(session, order_id),
        open_states=frozenset(one.value for one in OPEN),
    )
