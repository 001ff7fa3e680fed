"""Money that comes early or late where interest follows it, and pay-offs, by hand (docs/lending.md, section 5)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from lending.samples import History, loan_terms
from lending.scenarios import (
    FOLLOWS,
    answer,
    column,
    entry,
    event,
    of_type,
    paid,
    payout,
    portions,
    table,
)
from throughline.lending.quote import payoff_quote
from throughline.lending.terms import Amortization, Preclosure, Recalculation

EARLY = [payout(), paid("2026-02-01", "472.55")]  # the first installment and 300.00 more


def test_planned_interest_stays_without_recalculation() -> None:
    """500.00 three weeks early: 172.55 twice and 154.90; all interest as planned."""
    found = answer([payout(), paid("2026-01-10", "500")], "2026-01-10")
    assert column(found, "paid")[:3] == ["172.55", "172.55", "154.90"]
    assert found["totals"]["interest"] == "35.28"
    assert portions(of_type(found, "repayment")[0])[:2] == ["474.90", "25.10"]


def test_money_in_advance_pays_the_interest_so_far_then_principal() -> None:
    """16 January, 15 of 31 days: 10.00 x 15 / 31 = 4.84 and 95.16 of principal. The rest of the period bears
    904.84 x 1 % x 16 / 31 = 4.67: 9.51 together."""
    found = answer([payout(), paid("2026-01-16", "100")], "2026-01-16", interest_recalculation=FOLLOWS)
    assert portions(of_type(found, "repayment")[0])[:2] == ["95.16", "4.84"]
    assert table(found, "principal", "interest")[0] == ["163.04", "9.51"]
    assert column(found, "due")[:5] == ["172.55"] * 5  # the last one absorbs


def test_a_rest_at_due_dates_counts_the_payment_from_the_next_one() -> None:
    """Period 1 bears its 10.00, which is paid first; the 82.55 that follow lower the balance from 1 February:
    910.00 x 1 % = 9.10 for installment 2."""
    rest = FOLLOWS | {"rest": "same_as_repayment"}
    found = answer([payout(), paid("2026-01-16", "100")], "2026-02-28", interest_recalculation=rest)
    assert portions(of_type(found, "repayment")[0])[:2] == ["90.00", "10.00"]
    assert column(found, "interest")[:2] == ["10.00", "9.10"]


def test_overdue_principal_goes_on_bearing_interest_to_the_day() -> None:
    """Installment 1 is unpaid on 21 February: 20 days on 1,000 and 8 days on 837.45, of 28:
    1 % x (1000 x 20 + 837.45 x 8) / 28 = 9.54. With a rest at due dates the 162.55 count for all of it."""
    found = answer([payout()], "2026-02-21", interest_recalculation=FOLLOWS)
    assert column(found, "interest")[1] == "9.54"
    assert column(answer([payout()], "2026-02-21"), "interest")[1] == "8.37"


MATURED: dict[str, Any] = {"installments": 1, "amortization": "bullet", "day_count": {"year": "365"}}


def test_it_goes_on_after_the_last_due_date() -> None:
    """1,000 due on 1 February. 11 February, 41 days: 1000 x 12 % x 41 / 365 = 13.48; with 300.00 paid on top
    of it 700.21 are left (299.79), and 18 days later 4.14 more: 13.479 + 4.144 = 17.62."""
    late = [payout(), paid("2026-02-11", "313.27")]
    found = answer(late, "2026-03-01", interest_recalculation=FOLLOWS, **MATURED)
    assert portions(of_type(found, "repayment")[0])[:2] == ["299.79", "13.48"]
    assert column(found, "interest") == ["17.62"]
    # It is earned day by day, not at once on the due date.
    closed = answer(
        [payout(), event("close_of_business", "2026-02-11")],
        "2026-03-01",
        interest_recalculation=FOLLOWS,
        **MATURED,
    )
    accrued = [float(one["interest"]) for one in of_type(closed, "accrual")]
    assert len(accrued) == 41
    assert max(accrued) == 0.33
    assert round(sum(accrued), 2) == 13.48


def test_a_rest_at_due_dates_and_planned_interest_end_with_the_last_due_date() -> None:
    for rules in ({}, FOLLOWS | {"rest": "same_as_repayment"}):
        found = answer([payout()], "2026-03-01", interest_recalculation=rules, **MATURED)
        assert column(found, "interest") == ["10.19"]


def test_a_pause_after_the_last_due_date_takes_its_days() -> None:
    """10 of the 20 days after 1 February are paused: 31 + 20 - 10 = 41 days, 13.48."""
    pause = event("interest_pause", from_="2026-02-05", to="2026-02-14")
    found = answer([payout(), pause], "2026-02-21", interest_recalculation=FOLLOWS, **MATURED)
    assert column(found, "interest") == ["13.48"]


def test_the_quote_of_a_loan_past_its_last_due_date() -> None:
    """41 days on 1,000: 13.48; one more day 1000 x 12 % / 365 = 0.33. Paying it leaves nothing."""
    terms = loan_terms(
        installments=1, amortization=Amortization.BULLET, recalculation=Recalculation(enabled=True)
    )
    loan = History(terms).disburse(date(2026, 1, 1))
    day = date(2026, 2, 11)
    quote = payoff_quote(loan.state(day), day)
    assert (quote.principal_minor, quote.interest_minor, quote.per_day_minor) == (100_000, 1_348, 33)
    tomorrow = payoff_quote(loan.state(day + timedelta(days=1)), day + timedelta(days=1))
    assert tomorrow.interest_minor == 1_381  # 13.8082
    loan.pay_off(day)
    assert loan.state(date(2026, 5, 1)).outstanding == (0, 0, 0, 0)


def test_a_daily_interest_loan_settles_interest_then_principal() -> None:
    """随借随还: 100.00 after 10 days: 1000 x 12 % x 10 / 365 = 3.29, and 96.71. On 1 April, after 80 days on
    903.29: 23.7577 + 3.2877 = 27.05 in all, of which 3.29 are paid."""
    terms = MATURED | {"repay_every": {"count": 3, "unit": "months"}}
    found = answer(
        [payout(), paid("2026-01-11", "100")], "2026-01-11", interest_recalculation=FOLLOWS, **terms
    )
    assert portions(of_type(found, "repayment")[0])[:2] == ["96.71", "3.29"]
    assert table(found, "due_date", "interest", "outstanding") == [["2026-04-01", "27.05", "927.05"]]


def cumulative(prepayment: str) -> dict[str, Any]:
    rules = FOLLOWS | {"prepayment": prepayment}
    return answer(EARLY, "2026-02-01", schedule_type="cumulative", interest_recalculation=rules)


def test_reduce_installment_amount_spreads_what_is_left_anew() -> None:
    """537.45 over the four installments after the one that was paid ahead: 5.3745 / (1 - 1.01^-4) = 137.74."""
    found = cumulative("reduce_installment_amount")
    assert column(found, "due")[2:5] == ["137.74"] * 3
    assert column(found, "balance")[1] == "537.45"


@pytest.mark.parametrize("strategy", ["reduce_installment_count", "adjust_last"])
def test_the_installment_stays_and_the_end_comes_sooner(strategy: str) -> None:
    """1 % of 537.45 waits from installment 2 (5.37) and comes with that of 3: 10.74. Then 375.64, 206.85 and
    36.37 are left; the last pays 36.37 + 0.36."""
    found = cumulative(strategy)
    assert column(found, "due")[2:] == ["172.55", "172.55", "172.55", "36.73"]
    assert column(found, "interest")[2:] == ["10.74", "3.76", "2.07", "0.36"]


def test_reschedule_next_takes_it_from_the_next_installments_in_order() -> None:
    """300.00 of principal: 164.18 of installment 2 and 135.82 of the 165.82 of installment 3. The principal of
    all installments stays as planned; interest is 1 % of what is really left: 537.45 twice, then 507.45."""
    found = cumulative("reschedule_next")
    assert column(found, "principal") == ["162.55", "164.18", "165.82", "167.48", "169.15", "170.82"]
    assert column(found, "paid")[:3] == ["172.55", "164.18", "135.82"]
    assert column(found, "interest")[1:] == ["5.37", "5.37", "5.07", "3.40", "1.71"]


def test_a_pay_off_bears_interest_to_its_day() -> None:
    """16 January: 4.84. All later interest is gone, and income is what was charged."""
    for rules in ({}, FOLLOWS):
        found = answer(
            [payout(), event("pay_off", "2026-01-16", id="o")], "2026-03-01", interest_recalculation=rules
        )
        assert portions(of_type(found, "pay_off")[0])[:2] == ["1000.00", "4.84"]
        assert (found["status"], found["totals"]["interest"]) == ("closed_obligations_met", "4.84")
        assert entry(found, "accrual:o") == {"interest_receivable": "4.84", "interest_income": "-4.84"}


def test_a_pay_off_to_the_rest_date_bears_interest_to_the_next_due_date() -> None:
    rest = {"preclosure": "till_rest_date"}
    for day in ("2026-01-16", "2026-02-01"):
        found = answer([payout(), event("pay_off", day)], "2026-03-01", interest_recalculation=rest)
        assert portions(of_type(found, "pay_off")[0])[:2] == ["1000.00", "10.00"]
    terms = loan_terms(recalculation=Recalculation(preclosure=Preclosure.TILL_REST_DATE))
    quote = payoff_quote(
        History(terms).disburse(date(2026, 1, 1)).state(date(2026, 1, 16)), date(2026, 1, 16)
    )
    assert (quote.interest_minor, quote.per_day_minor) == (1_019, 0)  # 31 days of 365 whatever the day


def test_a_quote_counts_charges_that_are_due_and_what_was_overpaid() -> None:
    """A fee of 10.00 due on 10 January and one of 7.00 due on 20 January: the pay-off of the 16th has only
    the first; the other is not charged any more. 1,000 + 4.84 + 10.00."""
    fees = [
        event("charge", "2026-01-02", "10", id="a", kind="fee", due_date="2026-01-10"),
        event("charge", "2026-01-02", "7", id="b", kind="fee", due_date="2026-01-20"),
    ]
    found = answer([payout(), *fees, event("pay_off", "2026-01-16")], "2026-02-01")
    assert of_type(found, "pay_off")[0]["amount"] == "1014.84"
    assert [(one["paid"], one["waived"]) for one in found["charges"]] == [("10.00", "0.00"), ("0.00", "7.00")]


def test_a_pay_off_that_does_not_cover_the_quote_is_a_repayment() -> None:
    found = answer([payout(), event("pay_off", "2026-01-16", "1004.83")], "2026-01-16")
    assert (found["status"], found["totals"]["interest"]) == ("active", "35.28")
