"""Codes to pay by: whoever holds one may pay for a loan without signing in, and learns nothing about the borrower.

A code is 16 characters that can be read out and typed; it shows the amount and our name. It can't be guessed
(80 bits), so that nobody has to be stopped from trying. Only its hash is stored.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.continuity.models_way import PayCode
from throughline.kernel.errors import Conflict, Invalid, NotFound
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.lending import service as lending
from throughline.lending.state import LoanStatus
from throughline.notary import service as notary
from throughline.payments import service as payments
from throughline.payments.states import OPEN
from throughline.payments.states import State as OrderState

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U, which are misread
LENGTH = 16
LIFE = timedelta(days=60)
MOST_ALIVE = 5  # of a loan
MOST_ORDERS = 40  # by one code
_MISREAD = str.maketrans("OIL", "011")


class PayCodeUnknown(NotFound):
    """No such code, or it is over."""

    code = "pay-code-unknown"
    title = N_("This code is not known or not in use any more; please ask for a new one")


class TooManyPayCodes(Conflict):
    """A loan has enough of them."""

    code = "pay-codes-too-many"
    title = N_("This loan has five codes in use; end one of them first")


class NothingToPay(Conflict):
    """The loan owes nothing."""

    code = "nothing-to-pay"
    title = N_("Nothing is owed on this loan")


class AmountOutside(Invalid):
    """The amount is not above zero or more than is owed."""

    code = "amount-outside"
    title = N_("Please pay an amount from 0.01 up to what is still open")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a payer sees: the amount due and what may be paid at most, in minor units. No name, no loan."""

    code_id: UUID
    due_minor: int
    most_minor: int
    currency: str


def make(
    session: Session, borrower_id: UUID, loan_id: UUID, *, now: datetime, made_by: str = "borrower"
) -> tuple[PayCode, str]:
    """Make a code for a loan; the text is shown this once. Raises LoanUnknown, NothingToPay, TooManyPayCodes."""
    loan = lending.loan_view(session, loan_id, borrower_id=borrower_id)
    if loan.status is not LoanStatus.ACTIVE or not loan.outstanding_minor:
        raise NothingToPay
    if len(codes_of(session, borrower_id, loan_id, now=now)) >= MOST_ALIVE:
        raise TooManyPayCodes
    text = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    row = PayCode(
        borrower_id=borrower_id,
        id=new_id(),
        loan_id=loan_id,
        code_hash=_hash(text),
        tail=text[-4:],
        made_by=made_by,
        made_at=now,
        ends_at=now + LIFE,
        revoked_at=None,
        orders=0,
        used_at=None,
    )
    session.add(row)
    session.flush()
    notary.commit(session, borrower_id, "pay_code_made", {"code": str(row.id), "loan": str(loan_id)}, now=now)
    return row, printed(text)


def printed(text: str) -> str:
    """A code as it is read out: four groups of four."""
    return "-".join(text[start : start + 4] for start in range(0, LENGTH, 4))


def asked(session: Session, text: str, *, now: datetime) -> Asked:
    """What a code asks to be paid today. Raises PayCodeUnknown, NothingToPay."""
    row = _living(session, text, now=now)
    loan = lending.loan_view(session, row.loan_id)
    if loan.status is not LoanStatus.ACTIVE or not loan.outstanding_minor:
        raise NothingToPay
    due = loan.next_due.outstanding_minor if loan.next_due is not None else 0
    return Asked(row.id, due or loan.outstanding_minor, loan.outstanding_minor, loan.currency)


def order(session: Session, text: str, amount_minor: int, *, key: str, now: datetime) -> UUID:
    """Order a payment by a code; returns the payment order. Raises PayCodeUnknown, NothingToPay, AmountOutside."""
    row = _living(session, text, now=now, lock=True)
    owed = asked(session, text, now=now)
    if not 0 < amount_minor <= owed.most_minor:
        raise AmountOutside(AmountOutside.title, field="amount")
    if row.orders >= MOST_ORDERS:
        raise PayCodeUnknown
    order_id = payments.order_collection(
        session,
        row.borrower_id,
        amount_minor,
        owed.currency,
        lending.source_of(row.loan_id),
        rail="wechat_native",
        idempotency_key=f"pay-code:{row.id}:{key}",
        now=now,
    )
    row.orders += 1
    row.used_at = now
    session.flush()
    return order_id


def ordered(session: Session, text: str, order_id: UUID, *, now: datetime) -> payments.OrderView:
    """A payment that was ordered by a code. Raises PayCodeUnknown for one of another loan."""
    row = _living(session, text, now=now)
    found = payments.order_view(session, order_id)
    if found.borrower_id != row.borrower_id or found.source != lending.source_of(row.loan_id):
        raise PayCodeUnknown
    return found


def codes_of(session: Session, borrower_id: UUID, loan_id: UUID, *, now: datetime) -> list[PayCode]:
    """The codes of a loan that are in use, newest first."""
    return list(
        session.scalars(
            select(PayCode)
            .where(
                PayCode.borrower_id == borrower_id,
                PayCode.loan_id == loan_id,
                PayCode.revoked_at.is_(None),
                PayCode.ends_at > now,
            )
            .order_by(PayCode.id.desc())
            .limit(20)
        )
    )


def revoke(session: Session, borrower_id: UUID, code_id: UUID, *, now: datetime) -> None:
    """End a code; payments that were begun with it still count. Raises PayCodeUnknown."""
    row = session.get(PayCode, (borrower_id, code_id), with_for_update=True)
    if row is None or row.revoked_at is not None:
        raise PayCodeUnknown
    row.revoked_at = now


def begun(session: Session, borrower_id: UUID) -> list[payments.OrderView]:
    """Repayments of a borrower that were begun and have no end yet (at most 20)."""
    some = payments.orders(session, borrower_id=borrower_id, limit=200)
    return [one for one in some if one.direction == "in" and OrderState(one.state) in OPEN][-20:]


def count_alive(session: Session, *, now: datetime) -> int:
    """How many codes are in use, for figures."""
    return session.execute(
        select(func.count()).select_from(PayCode).where(PayCode.revoked_at.is_(None), PayCode.ends_at > now)
    ).scalar_one()


def _living(session: Session, text: str, *, now: datetime, lock: bool = False) -> PayCode:
    query = select(PayCode).where(
        PayCode.code_hash == _hash(_normal(text)), PayCode.revoked_at.is_(None), PayCode.ends_at > now
    )
    row = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise PayCodeUnknown
    return row


def _normal(text: str) -> str:
    """As it was made: capitals, no separators, misread letters put right. Too long a text is no code."""
    plain = text[:80].upper().replace("-", "").replace(" ", "").translate(_MISREAD)
    return plain if len(plain) == LENGTH else ""


def _hash(text: str) -> bytes:
    # 80 random bits: a plain hash is enough, there is nothing to guess.
    return hashlib.sha256(b"pay-code:" + text.encode("ascii", "replace")).digest()
