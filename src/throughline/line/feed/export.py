"""All that line knows of a borrower, for the person it is about (PIPL art. 45, GDPR art. 15)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from throughline.line.feed import raw
from throughline.line.models import (
    Authorization,
    CarrierVisit,
    CreditAnswer,
    FeedSubscription,
    Line,
    LineQuery,
    LineSignal,
    LineSwap,
    LineTransition,
    RawAnswer,
)
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind

# What is ours and no fact about the person: hashes of tokens, blind indexes, sealed values in their sealed form.
LEFT_OUT = frozenset({"sink_token_hash", "number_index", "payload", "refresh_token", "borrower_id"})
PAGE = 1_000


def export(session: Session, borrower_id: UUID, line_id: UUID | None = None) -> dict[str, Any]:
    """Every row about a borrower's lines, or about one of them. Numbers are masked; the person knows them."""
    consents = list(_consents(session, borrower_id))
    document: dict[str, Any] = {"borrower_id": str(borrower_id), "consents": consents}
    document["contact_points"] = [
        {"id": str(point.id), "number": point.masked}
        for point in parties.contact_points(session, borrower_id)
        if point.kind == ContactKind.PHONE
    ]
    document["lines"] = list(_rows(session, Line, borrower_id, Line.id == line_id if line_id else None))
    for name, table in (
        ("signals", LineSignal),
        ("transitions", LineTransition),
        ("queries", LineQuery),
        ("subscriptions", FeedSubscription),
        ("swaps", LineSwap),
        ("authorizations", Authorization),
        ("answers_as_they_came", RawAnswer),
    ):
        chosen = table.line_id == line_id if line_id else None
        document[name] = list(_rows(session, table, borrower_id, chosen))
    if line_id is None:
        document["credit_answers"] = list(_rows(session, CreditAnswer, borrower_id, None))
        document["carrier_visits"] = list(_rows(session, CarrierVisit, borrower_id, None))
    return document


def _consents(session: Session, borrower_id: UUID) -> Iterator[dict[str, Any]]:
    after: UUID | None = None
    while True:
        page = parties.consents(session, borrower_id, limit=PAGE, after=after)
        for one in page:
            yield {
                "id": str(one.id),
                "purpose": one.purpose,
                "given_at": one.given_at.isoformat(),
                "withdrawn_at": one.withdrawn_at.isoformat() if one.withdrawn_at else None,
            }
        if len(page) < PAGE:
            return
        after = page[-1].id


def _rows(session: Session, table: Any, borrower_id: UUID, chosen: Any) -> Iterator[dict[str, Any]]:
    wanted: Select[Any] = select(table).where(table.borrower_id == borrower_id)
    if chosen is not None:
        wanted = wanted.where(chosen)
    for row in session.scalars(wanted.execution_options(yield_per=PAGE)):
        document = {
            column.key: _plain(getattr(row, column.key))
            for column in table.__mapper__.column_attrs
            if column.key not in LEFT_OUT
        }
        if isinstance(row, RawAnswer):
            document["answer"] = raw.opened(session, row)
        yield document


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
