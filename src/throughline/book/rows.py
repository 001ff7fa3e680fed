"""The file's columns and what a row of it says. Pure: text in, values or problems out.

A problem names row and column and says what was expected; it never repeats a value of a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from throughline.kernel.money import to_minor
from throughline.parties import chinese_id
from throughline.parties.purposes import Purpose
from throughline.parties.service import PastConsent, PastPerson

T = TypeVar("T")

_BORROWER = ("name", "id_number", "phone", "email", "locale", "zone", "consents", "consent_evidence")
_LOAN = (
    "product", "product_version", "principal", "currency", "annual_rate_percent", "installments",
    "disbursed_on", "first_due_date", "agreed_charges", "balance",
)  # fmt: skip
_PAYMENT = ("paid_on", "amount", "reversed_on")
_TOLD = ("status", "left_out")  # an export says this; an import does not read it
COLUMNS = ("record", "borrower_id", "loan_id", "payment_id", *_BORROWER, *_LOAN, *_PAYMENT, *_TOLD)
REQUIRED = ("record", "borrower_id")
USES = {
    "borrower": {"borrower_id", *_BORROWER},
    "loan": {"borrower_id", "loan_id", *_LOAN},
    "payment": {"borrower_id", "loan_id", "payment_id", *_PAYMENT},
}
MAX_ID_CHARS = 100
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,4})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f\u2028\u2029]")
_PHONE = re.compile(r"(\+?86)?1[3-9][0-9]{9}")
# A spreadsheet takes such a cell for a formula; exports put an apostrophe before it (OWASP: CSV injection).
FORMULA = ("=", "+", "-", "@", "\t")


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with a row. `column` is empty when it is about the row as a whole."""

    row: int
    column: str
    expected: str


@dataclass(frozen=True, slots=True)
class BorrowerLine:
    """A borrower of the file."""

    row: int
    person: PastPerson


@dataclass(frozen=True, slots=True)
class LoanLine:
    """A loan of the file. Amounts stay texts until the product says the currency."""

    row: int
    loan_id: str
    product: str
    product_version: int | None
    principal: str
    currency: str | None
    annual_rate_percent: Decimal
    installments: int
    disbursed_on: date
    first_due_date: date | None
    agreed_charges: tuple[str, ...]
    balance: str | None

    def content(self) -> str:
        """What makes it this loan, in one text: two imports of one id must say the same."""
        parts = (
            self.product, self.principal, self.annual_rate_percent.normalize(), self.installments,
            self.disbursed_on, self.first_due_date, ";".join(self.agreed_charges),
        )  # fmt: skip
        return "|".join(str(part) for part in parts)


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """A payment of the file."""

    row: int
    loan_id: str
    payment_id: str
    paid_on: date
    amount: str
    reversed_on: date | None


Line = BorrowerLine | LoanLine | PaymentLine


@dataclass(slots=True)
class Group:
    """The rows of one borrower, which stand together: all of them are imported, or none."""

    borrower_id: str
    first_row: int
    rows: int = 0
    borrower: BorrowerLine | None = None
    loans: list[LoanLine] = field(default_factory=list)
    payments: list[PaymentLine] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)


class _Wrong(ValueError):
    def __init__(self, column: str, expected: str) -> None:
        super().__init__(expected)
        self.column = column
        self.expected = expected


def add_row(group: Group, row: int, cells: Mapping[str, str], *, zone: str) -> None:
    """Read one row into its group; what is wrong with it goes into `problems`. `zone` is the lender's."""
    group.rows += 1
    try:
        _only_used(cells)
        match cells["record"]:
            case "borrower":
                if group.borrower is not None:
                    raise _Wrong("record", "one row for each borrower: this one stands in the file twice")
                group.borrower = BorrowerLine(row, _person(cells, zone))
            case "loan":
                group.loans.append(_loan(row, cells))
            case _:
                group.payments.append(_payment(row, cells))
    except _Wrong as wrong:
        group.problems.append(RowProblem(row, wrong.column, wrong.expected))


def external_id(cells: Mapping[str, str], column: str) -> str:
    """An id of the other system. Raises ValueError, saying what was expected, also for an id that tells who
    somebody is: ids go into logs and error files."""
    text = cells.get(column, "")
    if not text or len(text) > MAX_ID_CHARS:
        raise _Wrong(column, f"an id of 1 to {MAX_ID_CHARS} characters")
    if _is_personal(text):
        raise _Wrong(column, "an id that does not tell who somebody is: no ID number, no phone number")
    return text


def _is_personal(text: str) -> bool:
    try:
        chinese_id.normalise(text)
    except ValueError:
        return _PHONE.fullmatch(text) is not None
    return True


def _only_used(cells: Mapping[str, str]) -> None:
    for column, text in cells.items():
        if _CONTROL.search(text):
            raise _Wrong(column, "a text without control characters")
    kind = cells["record"]
    if kind not in USES:
        raise _Wrong("record", "borrower, loan or payment")
    for column, text in cells.items():
        if text and column not in USES[kind] and column not in ("record", *_TOLD):
            raise _Wrong(column, f"nothing: this column has no meaning in a {kind} row")


def _person(cells: Mapping[str, str], zone: str) -> PastPerson:
    own_zone = cells.get("zone") or zone
    return PastPerson(
        name=_needed(cells, "name"),
        id_number=_needed(cells, "id_number"),
        phone=_needed(cells, "phone"),
        email=cells.get("email") or None,
        locale=cells.get("locale") or "zh-CN",
        zone=own_zone,
        consents=_consents(cells, own_zone),
    )


def _consents(cells: Mapping[str, str], zone: str) -> tuple[PastConsent, ...]:
    """`purpose@2025-03-01;purpose@…`: each with the day on which it was given."""
    given: dict[Purpose, date] = {}
    for item in _items(cells, "consents"):
        name, at, day = item.partition("@")
        if not at or name not in set(Purpose):
            known = ", ".join(purpose.value for purpose in Purpose)
            raise _Wrong("consents", f"purpose@2025-03-01, separated by semicolons; the purposes are {known}")
        given[Purpose(name)] = _day("consents", day)
    evidence = cells.get("consent_evidence", "")
    if given and not evidence:
        raise _Wrong(
            "consent_evidence", "where the proof of these consents is kept (a consent without it is none)"
        )
    try:
        midnight = [datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC) for day in given.values()]
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _Wrong("zone", "a time zone such as Asia/Shanghai") from None
    return tuple(PastConsent(one, at, evidence[:500]) for one, at in zip(given, midnight, strict=True))


def _loan(row: int, cells: Mapping[str, str]) -> LoanLine:
    return LoanLine(
        row=row,
        loan_id=external_id(cells, "loan_id"),
        product=_needed(cells, "product"),
        product_version=_whole(cells, "product_version") if cells.get("product_version") else None,
        principal=_amount(cells, "principal"),
        currency=cells.get("currency") or None,
        annual_rate_percent=Decimal(_amount(cells, "annual_rate_percent")),
        installments=_whole(cells, "installments"),
        disbursed_on=_day("disbursed_on", _needed(cells, "disbursed_on")),
        first_due_date=_optional(cells, "first_due_date"),
        agreed_charges=tuple(_items(cells, "agreed_charges")),
        balance=_amount(cells, "balance") if cells.get("balance") else None,
    )


def _payment(row: int, cells: Mapping[str, str]) -> PaymentLine:
    return PaymentLine(
        row=row,
        loan_id=external_id(cells, "loan_id"),
        payment_id=external_id(cells, "payment_id"),
        paid_on=_day("paid_on", _needed(cells, "paid_on")),
        amount=_amount(cells, "amount"),
        reversed_on=_optional(cells, "reversed_on"),
    )


def minor(text: str, currency: str, row: int, column: str) -> int | RowProblem:
    """Minor units of an amount, or what is wrong with it."""
    try:
        return to_minor(text, currency)
    except ValueError as error:
        return RowProblem(row, column, f"an amount of {currency}: {error}")


def _needed(cells: Mapping[str, str], column: str) -> str:
    text = cells.get(column, "")
    if not text:
        raise _Wrong(column, "a value: it is missing")
    return text


def _whole(cells: Mapping[str, str], column: str) -> int:
    text = _needed(cells, column)
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise _Wrong(column, "a whole number")
    return int(text)


def _amount(cells: Mapping[str, str], column: str) -> str:
    text = _needed(cells, column)
    if not _AMOUNT.fullmatch(text):
        raise _Wrong(column, "a plain decimal number such as 1234.50, without separators and signs")
    return text


def _day(column: str, text: str) -> date:
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise _Wrong(column, "a date such as 2026-11-23")


def _optional(cells: Mapping[str, str], column: str) -> date | None:
    text = cells.get(column, "")
    return _day(column, text) if text else None


def _items(cells: Mapping[str, str], column: str) -> Sequence[str]:
    return [item.strip() for item in cells.get(column, "").split(";") if item.strip()]


def clean(text: str) -> str:
    """A cell as it was meant: without spaces around it, and without the apostrophe that guards a formula."""
    text = text.strip(" \u00a0\u3000\r\n\t")
    return text[1:] if text[:1] == "'" and text[1:2] in FORMULA else text


def guarded(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; `clean` takes the guard away."""
    return f"'{text}" if text.startswith(FORMULA) else text
