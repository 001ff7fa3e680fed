"""The terms of an offer, as contracts needs them: pure values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Row:
    """One installment of the draft schedule, minor units."""

    nr: int
    due_date: date
    principal_minor: int
    interest_minor: int

    @property
    def amount_minor(self) -> int:
        return self.principal_minor + self.interest_minor


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """What is offered. Rates are nominal, percent a year. `disbursed_on` is the day the draft assumes.

    `penalty_rate_percent` is charged on overdue principal after `penalty_grace_days`.
    """

    product_code: str
    principal_minor: int
    currency: str
    annual_rate_percent: Decimal
    disbursed_on: date
    schedule: tuple[Row, ...]
    penalty_rate_percent: Decimal
    penalty_grace_days: int

    def __post_init__(self) -> None:
        if not self.schedule or sum(row.principal_minor for row in self.schedule) != self.principal_minor:
            raise ValueError("the schedule's principal must sum to the loan")

    @property
    def installments(self) -> int:
        return len(self.schedule)
