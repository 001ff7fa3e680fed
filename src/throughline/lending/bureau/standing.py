"""Would a negative report of a loan leave today, and what keeps it? For other rooms and for pages; writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.i18n import Text
from throughline.lending.account import read_loan
from throughline.lending.bureau.evidence import evidence_of
from throughline.lending.bureau.figures import Said
from throughline.lending.bureau.saying import missing_documents, say


@dataclass(frozen=True, slots=True)
class ReportStanding:
    """How a loan stands for a report on a day.

    `negative`: its protected figures would be something negative. `leaves`: that would leave. `missing` names
    each piece that keeps it, with its letter (a to e), code and text; `said` is what the bureau would hear.
    """

    loan_id: UUID
    on: date
    negative: bool
    leaves: bool
    past_due_days: int
    delinquent_days: int
    said: Said
    missing: tuple[dict[str, Any], ...]
    noticed_on: date | None

    @property
    def reasons(self) -> list[Text]:
        """What keeps it, in both languages."""
        return [one["text"] for one in self.missing]


def report_standing(
    session: Session, loan_id: UUID, on: date, *, borrower_id: UUID | None = None, now: datetime | None = None
) -> ReportStanding:
    """How a loan stands for a report of a day, if it left on that day. Raises LoanUnknown."""
    file = read_loan(session, loan_id, borrower_id=borrower_id)
    evidence = evidence_of(session, [file.row])[loan_id]
    found = say(
        session,
        file.row,
        file.events,
        evidence,
        as_of=on,
        on=on,
        store=False,
        now=now or clock.now(),
    )
    notice = found.verdict.notice if found.verdict else None
    return ReportStanding(
        loan_id=loan_id,
        on=on,
        negative=found.figures.negative,
        leaves=found.said.negative,
        past_due_days=found.figures.past_due_days,
        delinquent_days=found.figures.delinquent_days,
        said=found.said,
        missing=tuple(missing_documents(found.verdict)),
        noticed_on=notice.reached_on if notice else None,
    )
