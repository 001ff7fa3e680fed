"""Receipts: every fact that we committed about a borrower, and its proof to take away."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse

from throughline.kernel.http import Reading
from throughline.kernel.i18n import N_
from throughline.notary import service as notary
from throughline.notary.bundle import receipt_zip
from throughline.web.borrower.common import Borrower, PageRoute, WellKnownBorrower, show

router = APIRouter(route_class=PageRoute)
PAGE = 20

KINDS = {
    "decision": N_("Decision on an application"),
    "disclosure": N_("Cost table shown and read"),
    "contract": N_("Contract signed"),
    "payment.ordered": N_("Payment ordered"),
    "payment.result": N_("Payment result"),
    "repayment": N_("Repayment booked"),
    "disbursement": N_("Money paid out"),
    "protection": N_("Protection booked on the loan"),
    "outage_opened": N_("Outage of your line noted"),
    "outage_closed": N_("End of the outage noted"),
    "protection_granted": N_("Protection granted"),
    "protection_refused": N_("Protection refused"),
    "protection_ended": N_("Protection ended"),
    "evidence_handed_in": N_("Evidence of an outage handed in"),
    "evidence_accepted": N_("Evidence of an outage accepted"),
    "evidence_refused": N_("Evidence of an outage not accepted"),
    "number.proved": N_("Phone number proved"),
    "number.given_up": N_("Phone number given up"),
}


@router.get("/receipts")
def receipts_page(
    request: Request,
    borrower_id: Borrower,
    session: Reading,
    after: Annotated[UUID | None, Query()] = None,
) -> HTMLResponse:
    """The borrower's records, newest first."""
    rows = notary.records_of(session, borrower_id, limit=PAGE + 1, after=after)
    return show(
        request,
        "receipts.html",
        records=rows[:PAGE],
        kinds=KINDS,
        after_id=rows[PAGE - 1].id if len(rows) > PAGE else None,
    )


@router.get("/receipts/{record_id}.zip")
def receipt_file(record_id: UUID, borrower_id: WellKnownBorrower, session: Reading) -> Response:
    """The receipt with the program that checks it offline."""
    if notary.record_view(session, record_id).borrower_id != borrower_id:
        raise notary.RecordUnknown
    receipt = notary.receipt(session, record_id)
    if receipt is None:
        raise notary.ReceiptPending
    return Response(
        receipt_zip(receipt),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="receipt-{record_id}.zip"'},
    )
