"""A statement in one language: the words of its lines, and the whole as a document to typeset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from babel.dates import format_date
from babel.numbers import format_decimal

from throughline.kernel.i18n import N_, gettext, pick
from throughline.kernel.money import digits_of, format_money
from throughline.lending.history import EventType, Treatment, VariationKind
from throughline.lending.state import LoanStatus
from throughline.lending.statement import Protection, Statement, TakenBack
from throughline.lending.statement_kinds import LineKind
from throughline.lending.statement_lines import Line, Owed
from throughline.lending.terms import MonthBasis, YearBasis

LINES = {
    LineKind.PAYOUT: N_("Paid out to you"),
    LineKind.INTEREST: N_("Interest"),
    LineKind.FEE: N_("Fee charged"),
    LineKind.PENALTY_FEE: N_("Penalty charged"),
    LineKind.PENALTY_INTEREST: N_("Penalty interest on what is overdue"),
    LineKind.REPAYMENT: N_("Repayment received"),
    LineKind.PAY_OFF: N_("Payment for full repayment received"),
    LineKind.GOODWILL_CREDIT: N_("Goodwill credit from the lender"),
    LineKind.PAYOUT_REFUND: N_("Returned by you from the payout"),
    LineKind.MERCHANT_REFUND: N_("Refund by the merchant"),
    LineKind.RECOVERY: N_("Payment received after the loan was charged off"),
    LineKind.REFUND_OF_OVERPAYMENT: N_("Paid back to you from what was paid too much"),
    LineKind.CHARGEBACK: N_("Payment taken back by the payer's bank"),
    LineKind.REVERSAL: N_("Booking reversed"),
    LineKind.CHARGE: N_("Charge"),
    LineKind.CHARGE_AT_PAYOUT: N_("Charge paid out of the payout"),
    LineKind.WAIVER: N_("Charge waived"),
    LineKind.UNDO_WAIVER: N_("Waiver taken back"),
    LineKind.INTEREST_WAIVED: N_("Interest waived"),
    LineKind.FUTURE_RULE: N_("Other use of money paid in advance"),
    LineKind.RESCHEDULE: N_("New terms"),
    LineKind.RE_AGE: N_("New plan for all that was owed"),
    LineKind.RE_AMORTIZE: N_("Overdue principal spread over later installments"),
    LineKind.CHARGE_OFF: N_("Charged off by the lender; what is owed stays"),
    LineKind.UNDO_CHARGE_OFF: N_("Charge-off taken back"),
    LineKind.WRITE_OFF: N_("Given up by the lender"),
    LineKind.UNDO_WRITE_OFF: N_("Owed again: the lender took the write-off back"),
    LineKind.PROTECTION: N_("Protection"),
    LineKind.DELINQUENCY_RESUME: N_("Days of delay count again"),
    LineKind.PROTECTION_ENDED: N_("Protection ended"),
    LineKind.PROTECTION_REVOKED: N_("Protection taken back"),
    LineKind.CREDIT_USED: N_("Set off against what was paid too much before"),
    LineKind.ADJUSTMENT: N_("Adjustment, such as charges that full repayment ends"),
}
_TAKEN_BACK = {
    EventType.DISBURSEMENT: N_("The payout of %(amount)s of %(date)s was taken back on %(back)s"),
    EventType.GOODWILL_CREDIT: N_("The goodwill credit of %(amount)s of %(date)s was taken back on %(back)s"),
}
_PAYMENT_TAKEN_BACK = N_(
    "The payment of %(amount)s of %(date)s was taken back on %(back)s and does not count"
)
_PROTECTIONS = {
    VariationKind.INTEREST_PAUSE: N_("No interest was charged from %(first)s to %(last)s"),
    VariationKind.PENALTY_PAUSE: N_("No penalty interest was charged from %(first)s to %(last)s"),
    VariationKind.DELINQUENCY_PAUSE: N_("Days of delay were not counted from %(first)s to %(last)s"),
    VariationKind.DUE_DATE_SHIFT: N_("The installment due on %(first)s was moved to %(last)s"),
}
_SHIFT_FOLLOWING = N_("The installment due on %(first)s was moved to %(last)s, and the later ones with it")
_DEFERRED = N_(
    "Interest from %(first)s to %(last)s is collected with the last installment and bears no interest itself"
)
_OTHER_CHANGE = N_("The terms were changed from %(first)s to %(last)s")
_STATUSES = {
    LoanStatus.APPROVED: N_("signed, money on its way"),
    LoanStatus.ACTIVE: N_("running"),
    LoanStatus.OVERPAID: N_("paid back, with money left over"),
    LoanStatus.CLOSED: N_("paid back"),
}


@dataclass(frozen=True, slots=True)
class Lender:
    """Who lends, and where a borrower asks or objects; `contact` is empty when the settings give none."""

    name: str
    contact: str


class Words:
    """How a statement says things in one language."""

    def __init__(self, locale: str, currency: str) -> None:
        self.locale = locale
        self._babel = locale.replace("-", "_")
        self._currency = currency
        self._digits = digits_of(currency)

    def text(self, msgid: str, /, **params: object) -> str:
        """A text of the catalogs."""
        return gettext(msgid, self.locale, **params)

    def day(self, value: date | None) -> str:
        """A date for people; a dash for none."""
        return format_date(value, "medium", locale=self._babel) if value else "–"

    def amount(self, minor: int) -> str:
        """An amount in a table: grouped, without its currency, a dash for nothing."""
        if minor == 0:
            return "–"
        pattern = "#,##0" + (f".{'0' * self._digits}" if self._digits else "")
        return format_decimal(Decimal(minor).scaleb(-self._digits), pattern, locale=self._babel)

    def money(self, minor: int) -> str:
        """An amount in a sentence, with its currency."""
        return format_money(minor, self._currency, self.locale)

    def line(self, line: Line) -> str:
        """What a line of the statement was."""
        word = self.text(LINES[line.kind])
        if line.installment is not None:
            return self.text(N_("%(what)s, installment %(nr)s"), what=word, nr=line.installment)
        if line.kind is LineKind.INTEREST:
            return self.text(N_("%(what)s to this day"), what=word)
        return word

    def protection(self, one: Protection) -> str:
        """What a protection did."""
        word = _PROTECTIONS.get(one.kind, _OTHER_CHANGE)
        if one.kind is VariationKind.DUE_DATE_SHIFT and one.shift_following:
            word = _SHIFT_FOLLOWING
        elif one.treatment is Treatment.DEFER:
            word = _DEFERRED
        return self.text(word, first=self.day(one.first_day), last=self.day(one.last_day))

    def taken_back(self, one: TakenBack) -> str:
        """What became of a payment that was taken back."""
        return self.text(
            _TAKEN_BACK.get(one.type, _PAYMENT_TAKEN_BACK),
            amount=self.money(one.amount_minor),
            date=self.day(one.value_date),
            back=self.day(one.taken_back_on),
        )

    def rate(self, statement: Statement) -> str:
        """The rate with the convention that it follows: a bare percentage says too little."""
        terms = statement.heading.terms
        month, year = terms.day_count.month, terms.day_count.year
        per_year = (
            self.text(N_("each day by its calendar year"))
            if year is YearBasis.ACTUAL
            else self.text(N_("a year of %(days)s days"), days=year.value)
        )
        days = (
            self.text(N_("actual days"))
            if month is MonthBasis.ACTUAL
            else self.text(N_("%(days)s days for a whole month"), days=month.value)
        )
        return self.text(
            N_("%(percent)s%% nominal a year on the principal still open; %(days)s, %(year)s"),
            percent=f"{statement.heading.annual_rate_percent.normalize():f}",
            days=days,
            year=per_year,
        )

    def ask(self, lender: Lender) -> str:
        """How to ask or object."""
        where = lender.contact or self.text(
            N_("%(lender)s, in the way that your contract names"), lender=lender.name
        )
        return self.text(
            N_(
                "If something here is wrong or unclear to you, ask or object: %(where)s. Name the number of the "
                "loan and the date of the line."
            ),
            where=where,
        )


def document(statement: Statement, locale: str, lender: Lender) -> dict[str, Any]:
    """The statement as plain texts in the order in which they are read, for the template."""
    head = statement.heading
    words = Words(locale, head.currency)
    period = words.text(
        N_("%(first)s to %(last)s"), first=words.day(statement.from_date), last=words.day(statement.to_date)
    )
    return {
        "locale": locale,
        "date": [statement.to_date.year, statement.to_date.month, statement.to_date.day],
        "title": words.text(N_("Loan statement")),
        "lender": lender.name,
        "period": period,
        "number": words.text(N_("Loan …%(number)s"), number=head.short_id),
        "page": words.text(N_("Page {page} of {pages}")),
        "facts": _facts(statement, words),
        "standing": _standing(statement, words),
        "lines": {
            "title": words.text(N_("What changed")),
            "note": words.text(
                N_(
                    "Amounts in %(currency)s. A minus lowers what you owe; interest below zero is paid ahead."
                ),
                currency=head.currency,
            ),
            "head": [
                words.text(one)
                for one in (
                    N_("Value date"),
                    N_("What"),
                    N_("Amount"),
                    N_("Principal"),
                    N_("Interest"),
                    N_("Fees"),
                    N_("Penalty"),
                    N_("Principal after it"),
                )
            ],
            "rows": _rows(statement, words),
        },
        "schedule": {
            "title": words.text(N_("Schedule")),
            "head": [
                words.text(one)
                for one in (
                    N_("No."),
                    N_("Due on"),
                    N_("Principal"),
                    N_("Interest"),
                    N_("Fees and penalty"),
                    N_("Paid"),
                    N_("Waived"),
                    N_("Open"),
                )
            ],
            "rows": [
                [
                    str(row.nr),
                    words.day(row.due_date),
                    *map(words.amount, (row.due[0], row.due[1], row.due[2] + row.due[3])),
                    *map(words.amount, (sum(row.paid), sum(row.waived))),
                    words.amount(row.outstanding_minor) if row.outstanding_minor else words.text(N_("paid")),
                ]
                for row in statement.installments
            ],
        },
        "totals": _totals(statement, words),
        "protections": {
            "title": words.text(N_("What protected you")),
            "items": _protections(statement, words),
        },
        "taken_back": {
            "title": words.text(N_("Taken back")),
            "items": [words.taken_back(one) for one in statement.taken_back],
        },
        "notes": [
            words.text(
                N_(
                    "This statement shows what is known now of its days. A payment that came back or a "
                    "protection that was granted later counts from its own value date."
                )
            ),
            words.ask(lender),
        ],
    }


def _facts(statement: Statement, words: Words) -> list[list[str]]:
    head = statement.heading
    facts = [
        (N_("Borrower"), head.borrower),
        (N_("Loan no."), str(head.loan_id)),
        (N_("Product"), pick(head.product, words.locale)),
        (N_("Principal"), words.money(head.principal_minor)),
        (N_("Yearly rate"), words.rate(statement)),
        (N_("Paid out on"), words.day(head.disbursed_on)),
        (N_("Status"), words.text(_STATUSES.get(head.status, head.status.value))),
    ]
    if head.closed_on:
        facts.append((N_("Closed on"), words.day(head.closed_on)))
    return [[words.text(name), value] for name, value in facts]


def _standing(statement: Statement, words: Words) -> list[list[str]]:
    """The few figures that most readers come for: name, amount, what else there is to it."""
    closing = statement.closing
    shown = [
        [
            words.text(N_("Owed at the end of %(date)s"), date=words.day(statement.to_date)),
            words.money(max(0, closing.total_minor)),
            words.text(N_("principal with interest and charges up to this day")),
        ]
    ]
    if closing.credit_minor:
        shown.append([words.text(N_("Paid too much")), words.money(-closing.credit_minor), ""])
    late = ""
    if statement.overdue_minor:
        late = words.text(
            N_("%(days)s days after the due date, %(counted)s of them count as delay"),
            days=statement.past_due_days,
            counted=statement.delinquent_days,
        )
    shown.append([words.text(N_("Overdue")), words.money(statement.overdue_minor), late])
    if statement.next:
        when = words.text(
            N_("Installment %(nr)s, due on %(date)s"),
            nr=statement.next.nr,
            date=words.day(statement.next.due_date),
        )
        shown.append([words.text(N_("Next payment")), words.money(statement.next.outstanding_minor), when])
    if statement.payoff:
        per_day = words.text(
            N_("one more day adds %(amount)s"), amount=words.money(statement.payoff.per_day_minor)
        )
        shown.append(
            [
                words.text(N_("Full repayment on %(date)s"), date=words.day(statement.to_date)),
                words.money(statement.payoff.total_minor),
                per_day,
            ]
        )
    return shown


def _rows(statement: Statement, words: Words) -> list[dict[str, Any]]:
    def row(on: date, what: str, change: Owed, after_minor: int, *, strong: bool) -> dict[str, Any]:
        amounts = (change.total_minor, *change.parts[:4])
        cells = [words.day(on), what, *map(words.amount, amounts), words.amount(after_minor)]
        note = ""
        if change.credit_minor:
            note = words.text(N_("of it paid too much: %(amount)s"), amount=words.money(-change.credit_minor))
        return {"cells": cells, "note": note, "strong": strong}

    first, last = words.text(N_("Opening balance")), words.text(N_("Closing balance"))
    opening, closing = statement.opening, statement.closing
    return [
        row(statement.from_date, first, opening, opening.principal_minor, strong=True),
        *(
            row(one.value_date, words.line(one), one.change, one.principal_after_minor, strong=False)
            for one in statement.lines
        ),
        row(statement.to_date, last, closing, closing.principal_minor, strong=True),
    ]


def _totals(statement: Statement, words: Words) -> dict[str, Any]:
    totals = statement.totals

    def row(name: str, place: int) -> list[str]:
        return [
            words.text(name),
            *(words.amount(one.parts[place]) for one in (totals.charged, totals.paid, totals.waived)),
        ]

    spared = ["–", words.amount(totals.interest_spared_minor), "–", words.amount(totals.penalty_spared_minor)]
    rows = [
        row(N_("Principal"), 0),
        row(N_("Interest"), 1),
        row(N_("Fees"), 2),
        row(N_("Penalty"), 3),
    ]
    return {
        "title": words.text(N_("Totals of the period")),
        "head": [
            "",
            words.text(N_("Charged or paid out")),
            words.text(N_("Paid")),
            words.text(N_("Waived")),
            words.text(N_("Spared by protection")),
        ],
        "rows": [[*one, spare] for one, spare in zip(rows, spared, strict=True)],
    }


def _protections(statement: Statement, words: Words) -> list[list[str]]:
    shown: list[list[str]] = []
    for one in statement.protections:
        reason = pick(one.reason, words.locale)
        shown.append([words.protection(one), reason])
    return _each_reason_once(shown)


def _each_reason_once(rows: Sequence[list[str]]) -> list[list[str]]:
    """The reason of a case stands after the last of its changes, not after each."""
    return [
        [what, "" if place + 1 < len(rows) and rows[place + 1][1] == reason else reason]
        for place, (what, reason) in enumerate(rows)
    ]
