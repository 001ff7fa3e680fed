"""All pages of the console, in one router."""

from __future__ import annotations

from fastapi import APIRouter

from throughline.web.console import (
    applications,
    auth,
    borrowers,
    callbacks,
    credit_reports,
    dashboard,
    episodes,
    evidence,
    incidents,
    jobs,
    joint,
    ledger,
    lines,
    loans,
    message_routes,
    messages,
    payments,
    proposals,
    responses,
    reviews,
    what_if,
)

router = APIRouter(include_in_schema=False)
for part in (
    auth,
    dashboard,
    episodes,
    incidents,
    responses,
    reviews,
    evidence,
    callbacks,
    lines,
    joint,
    borrowers,
    applications,
    loans,
    what_if,
    credit_reports,
    proposals,
    payments,
    message_routes,
    messages,
    ledger,
    jobs,
):
    router.include_router(part.router)
