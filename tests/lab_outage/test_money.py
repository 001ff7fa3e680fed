"""Penalties and interest of the lab are those of `lending`, to the minor unit."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from throughline.lab.outage.money import (
    GRACE_DAYS,
    INTEREST_PERCENT,
    LATE_FEE_MINOR,
    PENALTY_PERCENT,
    Window,
    charged,
    charged_minor,
    forgone_interest_minor,
    interest_minor,
    merged,
)
from throughline.lab.outage.population.people import due_dates
from throughline.lending.history import (
    AppliesTo,
    ChargeKind,
    ChargeRule,
    EventType,
    LoanEvent,
    Variation,
    VariationKind,
)
from throughline.lending.replay import replay
from throughline.lending.terms import (
    Amortization,
    DayCount,
    LoanTerms,
    OverdueInterest,
    YearBasis,
)

DAY = timedelta(days=1)


def terms(share_minor: int, installments: int, dues: list[date]) -> LoanTerms:
    """The loan of the lab."""
    return LoanTerms(
        currency="CNY",
        principal_minor=share_minor * installments,
        annual_rate_percent=Decimal(INTEREST_PERCENT),
        installments=installments,
        amortization=Amortization.EQUAL_PRINCIPAL,
        expected_disbursement_date=dues[0],
        first_due_date=dues[1],
        day_count=DayCount(year=YearBasis.D365),
        overdue_interest=OverdueInterest(Decimal(PENALTY_PERCENT), GRACE_DAYS),
        arrears_days=GRACE_DAYS,
    )


def events(
    principal_minor: int, disbursed: date, pauses: list[tuple[date, date]], payments: list[tuple[date, int]]
) -> list[LoanEvent]:
    """Paid out, with a fee for each overdue installment, protections as the cases grant them, payments."""
    fee = ChargeRule(applies_to=AppliesTo.OVERDUE_INSTALLMENT)
    made = [
        LoanEvent("payout", EventType.DISBURSEMENT, disbursed, principal_minor),
        LoanEvent(
            "fee",
            EventType.CHARGE,
            disbursed,
            LATE_FEE_MINOR,
            charge_kind=ChargeKind.PENALTY,
            charge_rule=fee,
        ),
    ]
    for number, (first, last) in enumerate(pauses):
        for kind, to in (
            (VariationKind.INTEREST_PAUSE, last),
            (VariationKind.PENALTY_PAUSE, last),
            (VariationKind.DELINQUENCY_PAUSE, last + DAY),
        ):
            variation = Variation(kind, first, to)
            made.append(
                LoanEvent(
                    f"{kind}-{number}", EventType.VARIATION, first, variation=variation, case=str(number)
                )
            )
    made += [
        LoanEvent(f"paid-{number}", EventType.REPAYMENT, day, amount)
        for number, (day, amount) in enumerate(payments)
    ]
    return made


@pytest.mark.parametrize("seed", range(40))
def test_a_loan_of_the_lab_replayed_by_lending(seed: int) -> None:
    chance = random.Random(seed)
    share, count = chance.choice([20_000, 40_000, 60_000, 100_000, 150_000]), chance.choice([6, 9, 12, 18])
    dues = due_dates(chance.randint(1, 28), 6)
    zero = date(2026, 3, 1)
    windows: list[Window] = []
    for _ in range(chance.randint(0, 3)):
        first = chance.randint(-20, 150)
        windows.append((first, first + chance.randint(0, 45)))
    pauses = merged(windows)
    dated = [(zero + low * DAY, zero + high * DAY) for low, high in pauses]
    late = [chance.choice([-3, 0, 2, 3, 4, 5, 9, 17, 26]) for _ in range(5)]
    # One installment after another: what falls due is paid with what its delay costs by then.
    payments: list[tuple[date, int]] = []
    expected = []
    for number in range(1, 6):
        due = (dues[number] - zero).days
        days = (dues[number] - dues[number - 1]).days
        balance = share * (count - number + 1)
        interest = interest_minor(balance, days) - forgone_interest_minor(balance, due, days, pauses)
        paid = due + late[number - 1]
        cost = charged(share, due, paid, pauses)
        expected.append((share, interest, cost.all_minor))
        payments.append((zero + paid * DAY, share + interest + cost.all_minor))
    state = replay(
        terms(share, count, dues),
        events(share * count, dues[0], dated, payments),
        as_of=zero + 200 * DAY,
    )
    rows = state.installments[:5]
    assert [(row.due[0], row.due[1], row.due[2] + row.due[3]) for row in rows] == expected
    assert all(row.outstanding_minor == 0 for row in rows)


def test_many_at_once_are_charged_as_one_by_one() -> None:
    import numpy as np

    chance = random.Random(3)
    share = np.array([chance.choice([20_000, 40_000, 60_000, 100_000, 150_000]) for _ in range(400)])
    due = np.array([chance.randint(0, 100) for _ in range(400)])
    paid = due + np.array([chance.randint(-5, 60) for _ in range(400)])
    one_by_one = [
        charged(*row).all_minor for row in zip(share.tolist(), due.tolist(), paid.tolist(), strict=True)
    ]
    assert charged_minor(share, due, paid).tolist() == one_by_one
