"""Registered letters: proof of a notice for whoever no other way reaches, recorded by staff."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel import clock, crypto
from throughline.kernel.errors import Conflict, Invalid
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.lending.account import locked_loan
from throughline.lending.bureau.models import LetterRow

_NUMBER = re.compile(r"^[A-Z0-9]{8,30}$")
MAX_CARRIER = 60


class LetterRefused(Invalid):
    code = "letter-refused"
    title = N_(
        "A letter has a carrier, a tracking number of 8 to 30 letters and digits, and days that have been"
    )


class LetterKnown(Conflict):
    code = "letter-known"
    title = N_("This tracking number is recorded for another letter")


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter that the post handed over. Its number is personal: never printed."""

    carrier: str
    tracking_number: str = field(repr=False)
    posted_on: date
    handed_over_on: date


def record_letter(session: Session, loan_id: UUID, letter: Letter, *, by: str, now: datetime) -> UUID:
    """Record a letter; the same one again is the same. Raises LoanUnknown, LetterRefused, LetterKnown."""
    loan = locked_loan(session, loan_id).row
    number = re.sub(r"[\s-]", "", letter.tracking_number).upper()
    today = clock.local_date(now, loan.zone)
    if (
        not _NUMBER.fullmatch(number)
        or not 0 < len(letter.carrier.strip()) <= MAX_CARRIER
        or not letter.posted_on <= letter.handed_over_on <= today
    ):
        raise LetterRefused
    index = crypto.blind_index("tracking_number", number)
    known = session.scalars(
        select(LetterRow).where(LetterRow.borrower_id == loan.borrower_id, LetterRow.tracking_hash == index)
    ).one_or_none()
    if known is not None:
        if (known.loan_id, known.posted_on, known.handed_over_on) != (
            loan_id,
            letter.posted_on,
            letter.handed_over_on,
        ):
            raise LetterKnown
        return known.id
    letter_id = new_id()
    session.add(
        LetterRow(
            borrower_id=loan.borrower_id,
            id=letter_id,
            loan_id=loan_id,
            carrier=letter.carrier.strip(),
            tracking_number=crypto.seal(
                session, loan.borrower_id, f"lending_bureau_letter|{letter_id}|tracking_number", number
            ),
            tracking_hash=index,
            posted_on=letter.posted_on,
            handed_over_on=letter.handed_over_on,
            recorded_by=by,
            recorded_at=now,
        )
    )
    session.flush()
    return letter_id
