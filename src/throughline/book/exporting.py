"""Taking the book out: the same columns as an import, a page of borrowers at a time.

Personal data are masked unless they are asked for in clear; a clear value is read with the person's
consent to its purpose and stands in their access log, whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.book.models import BookReference
from throughline.book.planning import BORROWER, LOAN
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.money import from_minor
from throughline.lending import service as lending
from throughline.lending.service import ExportedLoan, ExportedPayment
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from throughline.parties.purposes import Purpose
from throughline.parties.service import ConsentMissing

PAGE = 200
Cells = dict[str, str]


@dataclass(slots=True)
class Exported:
    """One borrower of the book. `masked`: asked for in clear, but the person has not agreed to that."""

    rows: list[Cells]
    loans: int
    payments: int
    masked: bool


def export_book(database: Database, *, clear: bool, reader: str) -> Iterator[Exported]:
    """Every registered person with the loans that were paid out, oldest first. `reader` goes into access logs."""
    after: UUID | None = None
    while True:
        start = after

        def page(session: Session, start: UUID | None = start) -> tuple[list[UUID], list[Exported]]:
            ids = parties.people(session, after=start, limit=PAGE)
            return ids, _page(session, ids, clear=clear, reader=reader, now=clock.now())

        ids, found = database.run(page)
        yield from found
        if len(ids) < PAGE:
            return
        after = ids[-1]


def _page(session: Session, ids: list[UUID], *, clear: bool, reader: str, now: datetime) -> list[Exported]:
    names = {
        (row.kind, row.id): row.external_id
        for row in session.scalars(
            select(BookReference)
            .where(BookReference.borrower_id.in_(ids))
            .order_by(BookReference.imported_at.desc(), BookReference.external_id.desc())
        )
    }
    loans = lending.export_loans(session, ids)
    done = []
    for borrower_id in ids:
        key = names.get((BORROWER, borrower_id), str(borrower_id))
        person, masked = _person(session, borrower_id, clear=clear, reader=reader, now=now)
        rows = [{"record": "borrower", "borrower_id": key} | person]
        own = loans.get(borrower_id, [])
        for loan in own:
            place = {"borrower_id": key, "loan_id": names.get((LOAN, loan.id), str(loan.id))}
            rows.append({"record": "loan"} | place | _loan(loan))
            rows += [{"record": "payment"} | place | _payment(one, loan.currency) for one in loan.payments]
        done.append(Exported(rows, len(own), sum(len(loan.payments) for loan in own), masked))
    return done


def _person(
    session: Session, borrower_id: UUID, *, clear: bool, reader: str, now: datetime
) -> tuple[Cells, bool]:
    shown = parties.profile(session, borrower_id)
    cells = {
        "name": shown.name,
        "id_number": shown.id_number,
        "phone": shown.phone or "",
        "email": shown.email or "",
        "locale": shown.locale,
        "zone": shown.zone,
        **_consents(session, borrower_id, shown.zone),
    }
    if not clear:
        return cells, False
    try:
        with session.begin_nested():
            return cells | _in_clear(session, borrower_id, reader, now), False
    except ConsentMissing:
        return cells, True


def _in_clear(session: Session, borrower_id: UUID, reader: str, now: datetime) -> Cells:
    facts = parties.person_facts(session, borrower_id, Purpose.IDENTITY, now=now, reader=reader)
    cells = {"name": facts.name, "id_number": facts.id_number, "phone": "", "email": ""}
    for point in parties.contact_points(session, borrower_id):
        if point.owner == "self" and point.kind in (ContactKind.PHONE, ContactKind.EMAIL):
            cells[point.kind.value] = parties.contact_value(
                session, point.id, Purpose.CONTACT, now=now, reader=reader
            )
    return cells


def _consents(session: Session, borrower_id: UUID, zone: str) -> Cells:
    given = [one for one in parties.consents(session, borrower_id) if one.withdrawn_at is None]
    if not given:
        return {}
    proof = sorted({one.reference or f"throughline:{one.text_version}" for one in given})
    dated = sorted(f"{one.purpose.value}@{clock.local_date(one.given_at, zone)}" for one in given)
    return {"consents": ";".join(dated), "consent_evidence": "; ".join(proof)}


def _loan(loan: ExportedLoan) -> Cells:
    return {
        "product": loan.product_code,
        "product_version": str(loan.product_version),
        "principal": from_minor(loan.principal_minor, loan.currency),
        "currency": loan.currency,
        "annual_rate_percent": f"{loan.annual_rate_percent.normalize():f}",
        "installments": str(loan.installments),
        "disbursed_on": loan.disbursed_on.isoformat(),
        "first_due_date": loan.first_due_date.isoformat() if loan.first_due_date else "",
        "agreed_charges": ";".join(loan.agreed_charges),
        "balance": from_minor(loan.outstanding_principal_minor, loan.currency),
        "status": loan.status,
        "left_out": ";".join(sorted(loan.left_out)),
    }


def _payment(one: ExportedPayment, currency: str) -> Cells:
    return {
        "payment_id": one.key,
        "paid_on": one.paid_on.isoformat(),
        "amount": from_minor(one.amount_minor, currency),
        "reversed_on": one.reversed_on.isoformat() if one.reversed_on else "",
    }
