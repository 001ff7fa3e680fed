"""A statement of a stored loan: which periods there are, and the statement as a file to take away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.errors import Invalid
from throughline.kernel.i18n import LOCALES, N_, Text
from throughline.kernel.settings import settings
from throughline.lending.account import LoanFile, read_loan
from throughline.lending.history import VariationKind
from throughline.lending.models import VariationRow
from throughline.lending.products import product_version
from throughline.lending.protection import LoanNotPaidOut
from throughline.lending.statement import Heading, Statement, build_statement
from throughline.lending.statement_csv import statement_csv
from throughline.lending.statement_pdf import statement_pdf
from throughline.lending.statement_words import Lender
from throughline.lending.views import today_of
from throughline.parties import service as parties

MAX_YEARS = 10


class PeriodBackwards(Invalid):
    code = "period-backwards"
    title = N_("The period ends before it begins")


class PeriodTooLong(Invalid):
    code = "period-too-long"
    title = N_("A statement covers at most %(years)s years")


class PeriodInFuture(Invalid):
    code = "period-in-future"
    title = N_("A statement can't reach beyond today, %(today)s")


class NotAFormat(Invalid):
    code = "not-a-format"
    title = N_("There are statements as %(formats)s only")


class NotALanguage(Invalid):
    code = "not-a-language"
    title = N_("There are statements in %(languages)s only")


class StatementFormat(StrEnum):
    """As what a statement is given."""

    JSON = "json"
    PDF = "pdf"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class StatementFile:
    """A file to take away; its name says nothing about a person."""

    content: bytes
    media_type: str
    name: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of its answer: to be saved, and kept nowhere on the way."""
        return {
            "Content-Disposition": f'attachment; filename="{self.name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }


def read_format(text: str) -> StatementFormat:
    """A format by its name. Raises NotAFormat."""
    try:
        return StatementFormat(text)
    except ValueError:
        raise NotAFormat(NotAFormat.title, formats=", ".join(StatementFormat)) from None


def read_locale(text: str) -> str:
    """A language by its name. Raises NotALanguage."""
    if text not in LOCALES:
        raise NotALanguage(NotALanguage.title, languages=", ".join(LOCALES))
    return text


def loan_statement(
    session: Session,
    loan_id: UUID,
    from_date: date | None = None,
    to_date: date | None = None,
    *,
    borrower_id: UUID | None = None,
    now: datetime | None = None,
) -> Statement:
    """The statement from one day to another, both inside; without them from the payout to today.

    With `borrower_id` another borrower's loan is LoanUnknown. Raises LoanNotPaidOut, PeriodBackwards,
    PeriodTooLong, PeriodInFuture.
    """
    file = read_loan(session, loan_id, borrower_id=borrower_id)
    today = today_of(session, file.row, now=now or clock.now())
    to = to_date or today
    if to > today:
        raise PeriodInFuture(PeriodInFuture.title, today=today.isoformat())
    if from_date is not None and from_date > to:
        raise PeriodBackwards
    state = file.state(to)
    if state.disbursed_on is None:
        raise LoanNotPaidOut(N_("The loan was not paid out by %(date)s"), date=to.isoformat())
    first = _years_before(to)
    if from_date is not None and from_date < first:
        raise PeriodTooLong(PeriodTooLong.title, years=MAX_YEARS)
    start = from_date or max(min(state.disbursed_on, to), first)
    heading = _heading(session, file, state.disbursed_on, to)
    reasons = _reasons(session, file)
    return build_statement(heading, file.state, file.events, start, to, reasons=reasons)


def statement_file(statement: Statement, as_: StatementFormat, locale: str) -> StatementFile:
    """A statement as PDF or CSV. Raises typeset.FontMissing for a PDF."""
    name = f"statement-{statement.heading.short_id}-{statement.from_date}-{statement.to_date}"
    if as_ is StatementFormat.CSV:
        return StatementFile(statement_csv(statement, locale), "text/csv; charset=utf-8", f"{name}.csv")
    config = settings()
    lender = (
        Lender(config.lender_name, config.lender_contact)
        if locale == "zh-CN"
        else Lender(config.lender_name_en, config.lender_contact_en)
    )
    return StatementFile(statement_pdf(statement, locale, lender), "application/pdf", f"{name}.pdf")


def _years_before(day: date) -> date:
    """The first day of the longest period that ends on a day; never before the calendar begins."""
    year = max(day.year - MAX_YEARS, 2)
    return day.replace(year=year, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _heading(session: Session, file: LoanFile, disbursed_on: date, to: date) -> Heading:
    row, state = file.row, file.state(to)
    return Heading(
        loan_id=row.id,
        borrower=_masked_name(session, row.borrower_id),
        product=product_version(session, row.product_code, row.product_version).name,
        currency=row.currency,
        principal_minor=row.principal_minor,
        annual_rate_percent=row.annual_rate_percent,
        terms=file.terms,
        status=state.status,
        disbursed_on=disbursed_on,
        closed_on=state.closed_on,
    )


def _masked_name(session: Session, borrower_id: UUID) -> str:
    try:
        return parties.profile(session, borrower_id).name
    except parties.UnknownPerson:
        return "–"  # whose data were deleted, as the law asks; the loan stays


def _reasons(session: Session, file: LoanFile) -> dict[tuple[VariationKind, date], Text]:
    rows = session.scalars(
        select(VariationRow).where(
            VariationRow.borrower_id == file.row.borrower_id,
            VariationRow.loan_id == file.row.id,
            VariationRow.revoked_by.is_(None),
        )
    )
    return {(VariationKind(row.kind), row.from_date): row.reason for row in rows}
