"""Terms for tests: one small loan, changed where a test wants it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from throughline.lending.checks import check
from throughline.lending.history import (
    ChargeKind,
    EventType,
    LoanEvent,
    Treatment,
    Variation,
    VariationKind,
)
from throughline.lending.replay import replay
from throughline.lending.state import LoanState
from throughline.lending.terms import DayCount, LoanTerms, MonthBasis, YearBasis

MONTH_30_360 = DayCount(YearBasis.D360, MonthBasis.D30)


def loan_terms(**changes: Any) -> LoanTerms:
    """12 % a year, actual/365, monthly, CNY 1,000 over 6 installments, with `changes`."""
    values: dict[str, Any] = {
        "currency": "CNY",
        "principal_minor": 100_000,
        "annual_rate_percent": Decimal(12),
        "installments": 6,
        "day_count": DayCount(YearBasis.D365),
    }
    return LoanTerms(**(values | changes))


class History:
    """A loan's events, recorded one after another and checked as the service checks them."""

    def __init__(self, terms: LoanTerms) -> None:
        self.terms = terms
        self.events: list[LoanEvent] = []

    def state(self, on: date) -> LoanState:
        return replay(self.terms, self.events, as_of=on)

    def record(self, event: LoanEvent) -> History:
        check(self.terms, self.events, event)
        self.events.append(event)
        return self

    def _id(self, given: str | None) -> str:
        return given or f"e{len(self.events)}"

    def disburse(self, on: date, *, id: str | None = None) -> History:
        return self.record(
            LoanEvent(self._id(id), EventType.DISBURSEMENT, on, amount_minor=self.terms.principal_minor)
        )

    def pay(self, on: date, amount: int, *, id: str | None = None) -> History:
        return self.record(LoanEvent(self._id(id), EventType.REPAYMENT, on, amount_minor=amount))

    def pay_off(self, on: date, amount: int | None = None) -> History:
        return self.record(LoanEvent(self._id(None), EventType.PAY_OFF, on, amount_minor=amount))

    def reverse(self, target: str, on: date) -> History:
        return self.record(LoanEvent(self._id(None), EventType.REVERSAL, on, target=target))

    def charge(
        self,
        on: date,
        amount: int,
        *,
        due: date | None = None,
        kind: ChargeKind = ChargeKind.FEE,
        id: str | None = None,
    ) -> History:
        event = LoanEvent(
            self._id(id), EventType.CHARGE, on, amount_minor=amount, charge_kind=kind, due_date=due or on
        )
        return self.record(event)

    def waive(self, target: str, on: date) -> History:
        return self.record(LoanEvent(self._id(None), EventType.WAIVE_CHARGE, on, target=target))

    def vary(
        self,
        kind: VariationKind,
        first: date,
        to: date,
        *,
        case: str | None = None,
        treatment: Treatment = Treatment.FORGIVE,
    ) -> History:
        one = Variation(kind, first, to, treatment=treatment)
        return self.record(LoanEvent(self._id(None), EventType.VARIATION, first, variation=one, case=case))

    def end(self, case: str, last_day: date) -> History:
        return self.record(LoanEvent(self._id(None), EventType.END_VARIATIONS, last_day, case=case))

    def revoke(self, case: str, on: date) -> History:
        return self.record(LoanEvent(self._id(None), EventType.REVOKE_VARIATIONS, on, case=case))

    def resume(self, on: date) -> History:
        return self.record(LoanEvent(self._id(None), EventType.DELINQUENCY_RESUME, on))
