"""A loan's statement from a form: what a page sends, and the file that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session

from throughline.kernel.errors import Invalid
from throughline.kernel.http import locale_of
from throughline.kernel.i18n import N_
from throughline.lending import service as lending


class NotADate(Invalid):
    """A browser without a calendar for dates sends what was typed."""

    code = "not-a-date"
    title = N_("Please give dates as year, month and day, such as 2026-03-15")


@dataclass(frozen=True, slots=True)
class StatementForm:
    """What the form of a page asks for; an empty date is none."""

    from_text: str
    to_text: str
    format_text: str


def _form(
    from_text: Annotated[str, Query(alias="from", max_length=20)] = "",
    to_text: Annotated[str, Query(alias="to", max_length=20)] = "",
    format_text: Annotated[str, Query(alias="format", max_length=20)] = lending.StatementFormat.PDF.value,
) -> StatementForm:
    return StatementForm(from_text, to_text, format_text)


Asked = Annotated[StatementForm, Depends(_form)]


def statement_answer(
    request: Request, session: Session, loan_id: UUID, asked: StatementForm, borrower_id: UUID | None = None
) -> Response:
    """The statement as a file in the language of the page. Raises what `lending.loan_statement` raises, NotADate."""
    as_ = lending.read_format(asked.format_text)
    if as_ is lending.StatementFormat.JSON:
        as_ = lending.StatementFormat.PDF  # a page has files for people; programs ask the API
    statement = lending.loan_statement(
        session, loan_id, _day(asked.from_text), _day(asked.to_text), borrower_id=borrower_id
    )
    locale = locale_of(request)
    file = lending.statement_file(statement, as_, locale)
    return Response(
        file.content, media_type=file.media_type, headers=file.headers | {"Content-Language": locale}
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise NotADate from None
