"""The answer of `throughline lending replay`: a loan's state as decimal texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from throughline.cli.loan_books import Entry, IncomePosting, LoanBooks
from throughline.compliance.working_days import Convention
from throughline.kernel.money import from_minor
from throughline.lending.delinquency import delinquency
from throughline.lending.history import PAYMENTS
from throughline.lending.periods import ScheduleError
from throughline.lending.schedule import build_schedule
from throughline.lending.state import ChargeState, InstallmentState, LoanState, Transaction, drafted


class Answer:
    """Writes one loan's answer in its currency."""

    def __init__(self, books: LoanBooks) -> None:
        self._books = books
        self._state = books.state()
        self._currency = books.terms.currency
        self._adjusted = books.terms.adjustment.convention is not Convention.NONE

    def document(self) -> dict[str, Any]:
        """The whole answer."""
        state = self._state
        rows = state.installments or _draft(self._books)
        return {
            "status": state.status.value,
            "charged_off": state.charged_off_on is not None,
            "schedule": [self._row(row) for row in rows],
            "totals": self._totals(state, rows),
            "transactions": self._transactions(),
            "charges": [self._charge(one) for one in state.charges],
            "delinquency": self._delinquency(state),
            "journal": [self._entry(one) for one in self._books.journal],
        }

    def _money(self, amount_minor: int) -> str:
        return from_minor(amount_minor, self._currency)

    def _row(self, row: InstallmentState) -> dict[str, Any]:
        names = ("principal", "interest", "fees", "penalties")
        return {
            "nr": row.nr,
            "from": row.from_date.isoformat(),
            "due_date": row.due_date.isoformat(),
            "days": (row.through_date - row.from_date).days,
            "balance": self._money(row.balance_minor),
            **{name: self._money(amount) for name, amount in zip(names, row.due, strict=True)},
            "due": self._money(sum(row.due)),
            "paid": self._money(sum(row.paid)),
            "in_advance": self._money(row.in_advance_minor),
            "late": self._money(row.late_minor),
            "waived": self._money(sum(row.waived)),
            "outstanding": self._money(row.outstanding_minor),
            "obligations_met_on": row.obligations_met_on.isoformat() if row.obligations_met_on else None,
            **({"provisional": row.provisional} if self._adjusted else {}),
            **({"deferred": self._money(row.deferred_minor)} if self._state.pauses.deferred else {}),
        }

    def _totals(self, state: LoanState, rows: Sequence[InstallmentState]) -> dict[str, str]:
        at_payout = state.paid_at_disbursement
        overdue = delinquency(state, state.as_of).amount_minor
        sums = {
            "principal": sum(row.due[0] for row in rows),
            "interest": sum(row.due[1] for row in rows),
            "fees": sum(row.due[2] for row in rows) + at_payout[2],
            "penalties": sum(row.due[3] for row in rows) + at_payout[3],
            "due": sum(sum(row.due) for row in rows) + sum(at_payout),
            "paid": sum(sum(row.paid) for row in rows) + sum(at_payout),
            "outstanding": sum(row.outstanding_minor for row in rows),
            "overpaid": state.overpaid_minor,
            "overdue": overdue,
            "in_advance": sum(row.in_advance_minor for row in rows),
            "late": sum(row.late_minor for row in rows),
        }
        return {name: self._money(amount) for name, amount in sums.items()}

    def _transactions(self) -> list[dict[str, Any]]:
        standing = [(one.value_date, one, False) for one in self._state.transactions]
        taken_back = [(one.value_date, one, True) for one in self._books.taken_back]
        shown = [(day, self._transaction(one, back)) for day, one, back in [*standing, *taken_back]]
        shown += [(one.on, self._income(one)) for one in self._books.income]
        return [row for _, row in sorted(shown, key=lambda row: row[0])]

    def _income(self, one: IncomePosting) -> dict[str, Any]:
        parts = (one.interest_minor, one.fee_minor, one.penalty_minor)
        return {
            "id": one.id,
            "type": "accrual",
            "date": one.on.isoformat(),
            "amount": self._money(sum(parts)),
            "principal": self._money(0),
            "interest": self._money(parts[0]),
            "fees": self._money(parts[1]),
            "penalties": self._money(parts[2]),
            "overpayment": self._money(0),
            "principal_balance": self._money(one.balance_minor),
            "reversed": False,
        }

    def _transaction(self, one: Transaction, reversed_: bool) -> dict[str, Any]:
        principal, interest, fees, penalties = one.portions
        return {
            "id": one.id,
            "type": one.type.value,
            "date": one.value_date.isoformat(),
            "amount": self._money(one.amount_minor),
            "principal": self._money(principal),
            "interest": self._money(interest),
            "fees": self._money(fees),
            "penalties": self._money(penalties),
            "overpayment": self._money(one.overpayment_minor),
            "principal_balance": self._money(one.principal_balance_minor),
            "reversed": reversed_,
        }

    def _charge(self, one: ChargeState) -> dict[str, Any]:
        return {
            "id": one.id,
            "kind": one.kind.value,
            "due_date": one.due_date.isoformat(),
            "due": self._money(one.amount_minor),
            "paid": self._money(one.paid_minor),
            "waived": self._money(one.waived_minor),
            "outstanding": self._money(one.amount_minor - one.paid_minor - one.waived_minor),
        }

    def _delinquency(self, state: LoanState) -> dict[str, Any]:
        late = delinquency(state, state.as_of)
        payments = [one for one in state.transactions if one.type in PAYMENTS]
        # They are in the order of replay: the last one of the last day.
        last = payments[-1] if payments else None
        by_range: Counter[str | None] = Counter()
        for row in late.by_installment:
            by_range[row.range] += row.amount_minor
        return {
            "past_due_days": late.past_due_days,
            "delinquent_days": late.delinquent_days,
            "delinquent_since": late.delinquent_since.isoformat() if late.delinquent_since else None,
            "range": late.range,
            "delinquent_amount": self._money(late.amount_minor),
            "last_payment_date": last.value_date.isoformat() if last else None,
            "last_payment_amount": self._money(last.amount_minor) if last else None,
            "paused": late.paused,
            "pauses": [
                {"from": first.isoformat(), "to": until.isoformat()}
                for first, until in state.pauses.delinquency
            ],
            "by_installment": [
                {"range": name, "amount": self._money(amount)} for name, amount in by_range.items()
            ],
        }

    def _entry(self, entry: Entry) -> dict[str, Any]:
        return {
            "transaction": entry.transaction,
            "date": entry.on.isoformat(),
            "lines": [
                {
                    "account": line.account,
                    "debit": self._money(line.debit_minor) if line.debit_minor else None,
                    "credit": self._money(line.credit_minor) if line.credit_minor else None,
                }
                for line in entry.lines
            ],
        }


def _draft(books: LoanBooks) -> tuple[InstallmentState, ...]:
    """The schedule of a loan that has not been paid out: from its expected date, or none. Raises ScheduleError."""
    try:
        planned = build_schedule(books.terms, ()).installments
    except ScheduleError as error:
        if error.code != "no_disbursement":
            raise
        return ()
    return tuple(drafted(row, books.terms) for row in planned)
