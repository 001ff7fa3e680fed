"""What the guard does when a day is closed, a delay begins, a loan's past changes, a line goes dark."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.events import StoredEvent, subscribe
from throughline.lending.account import read_loan
from throughline.lending.bureau import lines, notices, reporting
from throughline.lending.bureau.corrections import check_loan
from throughline.lending.bureau.figures import figures_of
from throughline.lending.bureau.settings import set_up


@subscribe("lending.business_day_closed.v1", name="lending.bureau_month")
def on_day_closed(session: Session, event: StoredEvent) -> None:
    """After the last day of a month: report it."""
    day = date.fromisoformat(event.payload["business_date"])
    if set_up() and (day + timedelta(days=1)).day == 1:
        reporting.start_run(session, day, now=clock.now())


@subscribe("lending.bucket_changed.v1", name="lending.bureau_ahead")
def on_delay(session: Session, event: StoredEvent) -> None:
    """A delay begins to count: tell the borrower what will be reported if it stays."""
    said = event.payload
    if not set_up() or said["new"] is None or said["paused"]:
        return
    file = read_loan(session, UUID(said["loan_id"]))
    now = clock.now()
    today = clock.local_date(now, file.row.zone)
    figures = figures_of(file.state(today), today, negative_from_days=1)
    notices.tell_ahead(session, file.row, figures.late_since, now=now)


@subscribe("lending.report_correction_needed.v1", name="lending.bureau_correct")
def on_correction_needed(session: Session, event: StoredEvent) -> None:
    """The past of a reported loan changed: say anew what is not true any more."""
    check_loan(session, UUID(event.payload["loan_id"]), now=clock.now())


@subscribe("line.state_changed.v1", name="lending.bureau_lines")
def on_line_state(session: Session, event: StoredEvent) -> None:
    """A line goes dark or is back, perhaps since a while: a text into the dark was no notice."""
    said = event.payload
    stand_on_it = lines.heard(
        session,
        UUID(said["borrower_id"]),
        UUID(said["contact_point_id"]),
        cannot_receive=Decimal(said["cannot_receive"]),
        since=datetime.fromisoformat(said["since"]),
    )
    for loan_id in sorted(stand_on_it):
        check_loan(session, loan_id, now=clock.now())
