"""All borrower pages, put together."""

from __future__ import annotations

from fastapi import APIRouter

from throughline.web.borrower import (
    account,
    applications,
    apply,
    callback,
    credit_reports,
    enrol,
    entry,
    evidence,
    home,
    inbox,
    line_permission,
    loans,
    number_network,
    numbers,
    outages,
    pay_for,
    plans,
    receipts,
    sign_in,
)

router = APIRouter(include_in_schema=False)
for part in (
    entry,
    sign_in,
    enrol,
    home,
    apply,
    applications,
    loans,
    outages,
    evidence,
    pay_for,
    callback,
    credit_reports,
    plans,
    inbox,
    receipts,
    account,
    numbers,
    number_network,
    line_permission,
):
    router.include_router(part.router)
