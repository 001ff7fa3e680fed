"""Accounts that a borrower may be paid to: the borrower's own, with the number sealed."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.crypto import blind_index, open_sealed, seal
from throughline.kernel.errors import Conflict, Invalid, NotFound
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose
from throughline.payments.models import PayeeAccount
from throughline.payments.ports import Payee

MAX_ACCOUNTS = 10
_NUMBER = re.compile(r"^[0-9]{8,30}$")
_IBAN = re.compile(r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$")
_BANK_CODE = re.compile(r"^[A-Z0-9]{3,12}$")


class InvalidAccount(Invalid):
    """A number or bank code that can't be right."""

    code = "invalid-account"
    title = N_("The bank account is not valid")


class NotOwnAccount(Invalid):
    """The holder is not the borrower: money is paid to the borrower's own account only."""

    code = "not-own-account"
    title = N_("The account must be in the borrower's own name")


class TooManyAccounts(Conflict):
    """The limit of accounts is reached."""

    code = "too-many-accounts"
    title = N_("There are too many accounts; close one first")


class UnknownAccount(NotFound):
    """No such open account of this borrower."""

    code = "unknown-account"
    title = N_("This account is not known here")


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as screens show it: only the last four characters of its number."""

    id: UUID
    kind: str
    bank_code: str
    last_four: str
    created_at: datetime


def add_payee_account(
    session: Session, borrower_id: UUID, holder_name: str, number: str, bank_code: str, *, now: datetime
) -> UUID:
    """Keep an account of the borrower; returns its id, the known one for a number that is there already.

    Raises `InvalidAccount`, `NotOwnAccount` (the holder's name differs from the registered name),
    `TooManyAccounts`, and what `parties` raises for an unknown person or a missing consent.
    """
    clean = account_number(number)
    bank = bank_code.strip().upper()
    if not _BANK_CODE.match(bank):
        raise InvalidAccount(N_("The code of the bank is not right"))
    person = parties.person_facts(session, borrower_id, Purpose.IDENTITY, now=now)
    if same_name(holder_name) != same_name(person.name):
        raise NotOwnAccount
    account_id, index = new_id(), blind_index("payment_payee_account.number", f"{bank}|{clean}")
    added = session.execute(
        insert(PayeeAccount)
        .values(
            borrower_id=borrower_id,
            id=account_id,
            kind="bank",
            bank_code=bank,
            holder_name=seal(session, borrower_id, _place(account_id, "holder_name"), holder_name.strip()),
            number=seal(session, borrower_id, _place(account_id, "number"), clean),
            number_index=index,
            last_four=clean[-4:],
            name_match="register",
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["borrower_id", "number_index"])
        .returning(PayeeAccount.id)
    ).scalar_one_or_none()
    if added is None:
        known = session.execute(
            select(PayeeAccount).where(
                PayeeAccount.borrower_id == borrower_id, PayeeAccount.number_index == index
            )
        ).scalar_one()
        known.closed_at = None
        return known.id
    count = session.execute(
        select(func.count()).where(PayeeAccount.borrower_id == borrower_id, PayeeAccount.closed_at.is_(None))
    ).scalar_one()
    if count > MAX_ACCOUNTS:
        raise TooManyAccounts
    return added


def payee_accounts(session: Session, borrower_id: UUID) -> list[AccountView]:
    """The borrower's open accounts, oldest first (at most 10)."""
    rows = session.scalars(
        select(PayeeAccount)
        .where(PayeeAccount.borrower_id == borrower_id, PayeeAccount.closed_at.is_(None))
        .order_by(PayeeAccount.id)
        .limit(MAX_ACCOUNTS)
    )
    return [AccountView(row.id, row.kind, row.bank_code, row.last_four, row.created_at) for row in rows]


def close_payee_account(session: Session, borrower_id: UUID, account_id: UUID, *, now: datetime) -> None:
    """Take an account out of use; what was ordered to it before still goes there. Raises `UnknownAccount`."""
    open_account(session, borrower_id, account_id).closed_at = now


def open_account(session: Session, borrower_id: UUID, account_id: UUID) -> PayeeAccount:
    """The row of an account in use. Raises `UnknownAccount`."""
    row = session.get(PayeeAccount, (borrower_id, account_id))
    if row is None or row.closed_at is not None:
        raise UnknownAccount
    return row


def payee(session: Session, borrower_id: UUID, account_id: UUID) -> Payee:
    """Whom to pay, in clear: for an instruction to a rail and for nothing else."""
    account = session.get_one(PayeeAccount, (borrower_id, account_id))
    return Payee(
        open_sealed(session, account.borrower_id, _place(account.id, "holder_name"), account.holder_name),
        open_sealed(session, account.borrower_id, _place(account.id, "number"), account.number),
        account.bank_code,
    )


def account_number(text: str) -> str:
    """The number without spaces and hyphens: 8 to 30 digits, or an IBAN with right check digits (ISO 13616)."""
    clean = text.replace(" ", "").replace("-", "").upper()
    if _NUMBER.match(clean) and clean.isascii():
        return clean
    if _IBAN.match(clean):
        turned = clean[4:] + clean[:4]
        if int("".join(str(int(char, 36)) for char in turned)) % 97 == 1:
            return clean
    raise InvalidAccount(N_("The account number is not right; please check it"))


def same_name(name: str) -> str:
    """The form in which two writings of one name are equal: NFKC, case folded, without spaces and middle dots."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if not char.isspace() and char not in "·•・.")


def _place(account_id: UUID, column: str) -> str:
    return f"payment_payee_account|{account_id}|{column}"
