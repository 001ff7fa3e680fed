"""Charges of every calculation and timing, by hand (docs/lending.md, section 9)."""

from __future__ import annotations

from typing import Any

import pytest

from lending.scenarios import answer, column, entry, event, of_type, paid, payout, portions


def charge(**more: Any) -> dict[str, Any]:
    plain = {"date": "2026-01-01", "kind": "fee", "id": "c"}
    values = plain | more
    return event("charge", values.pop("date"), **values)


@pytest.mark.parametrize(
    ("calculation", "on_due_date", "each"),
    [  # 1 % of 1,000 and of its interest, 35.28; 1 % of 162.55 and of 10.00
        ("percent_of_amount", "10.00", "1.63"),
        ("percent_of_interest", "0.35", "0.10"),
        ("percent_of_amount_and_interest", "10.35", "1.73"),
    ],
)
def test_percentages(calculation: str, on_due_date: str, each: str) -> None:
    """Of the whole loan for a due date or the payout, of the installment for each installment."""
    rule = {"calculation": calculation, "percent": "1"}
    dated = answer([payout(), charge(due_date="2026-02-01", **rule)], "2026-01-01")
    assert column(dated, "fees")[:2] == [on_due_date, "0.00"]
    taken = answer([charge(applies_to="disbursement", **rule), payout()], "2026-01-01")
    assert taken["charges"][0]["due"] == on_due_date
    rows = answer(
        [payout(), charge(applies_to="each_installment", **rule)], "2026-01-01", rounding={"mode": "half_up"}
    )
    assert column(rows, "fees")[0] == each


def test_a_percentage_on_an_overdue_installment_is_of_what_is_unpaid() -> None:
    """100.00 of 172.55 paid: 10.00 of interest and 90.00 of principal. 10 % of the 72.55 left on 2 February."""
    late = charge(
        applies_to="overdue_installment",
        kind="penalty",
        calculation="percent_of_amount_and_interest",
        percent="10",
    )
    found = answer([payout(), late, paid("2026-02-01", "100")], "2026-02-02")
    assert column(found, "penalties")[:2] == ["7.26", "0.00"]  # 7.255, half to even


def test_a_charge_lies_in_the_period_of_its_due_date() -> None:
    for due, nr in (("2026-02-01", 0), ("2026-02-02", 1), ("2026-07-01", 5)):
        found = answer([payout(), charge(amount="10", due_date=due)], "2026-01-01")
        assert column(found, "fees").index("10.00") == nr
    found = answer([payout(), charge(amount="10", date="2026-03-15")], "2026-03-15")
    assert column(found, "fees").index("10.00") == 2  # without a due date its own day is meant


def test_a_charge_after_the_last_due_date_makes_an_additional_installment() -> None:
    found = answer([payout(), charge(amount="10", due_date="2026-08-10")], "2026-01-01")
    last = found["schedule"][-1]
    assert (last["nr"], last["from"], last["due_date"], last["due"]) == (
        7,
        "2026-07-01",
        "2026-08-10",
        "10.00",
    )


def test_a_charge_at_the_payout_is_in_totals_and_charges_and_in_no_installment() -> None:
    found = answer([charge(amount="30", applies_to="disbursement"), payout(id="d")], "2026-01-01")
    assert column(found, "fees") == ["0.00"] * 6
    totals = found["totals"]
    assert (totals["fees"], totals["due"], totals["paid"], totals["outstanding"]) == (
        "30.00",
        "1065.28",
        "30.00",
        "1035.28",
    )
    (one,) = found["charges"]
    assert (one["due_date"], one["due"], one["paid"], one["outstanding"]) == (
        "2026-01-01",
        "30.00",
        "30.00",
        "0.00",
    )
    (taken,) = of_type(found, "repayment_at_disbursement")
    assert (taken["date"], taken["amount"], portions(taken)[2]) == ("2026-01-01", "30.00", "30.00")
    # Payout clearing carries 970.00: 1,000 of receivable, 30.00 of income.
    assert entry(found, "d") == {
        "loans_receivable": "1000.00",
        "payout_clearing": "-970.00",
        "fee_income": "-30.00",
    }


def test_a_charge_with_each_installment_has_a_row_an_occurrence() -> None:
    """Recorded on 15 February: with installment 2 to 6, those due from then on."""
    found = answer(
        [payout(), charge(amount="3", applies_to="each_installment", date="2026-02-15")], "2026-02-15"
    )
    assert column(found, "fees") == ["0.00", *["3.00"] * 5]
    assert [one["due_date"] for one in found["charges"]] == column(found, "due_date")[1:]
    assert {one["id"] for one in found["charges"]} == {"c"}


def test_a_charge_with_each_installment_follows_new_installments() -> None:
    found = answer(
        [
            payout(),
            charge(amount="3", applies_to="each_installment"),
            event("reschedule", effective_from="2026-03-01", extra_installments=1),
        ],
        "2026-01-01",
    )
    assert column(found, "fees") == ["3.00"] * 7


LATE = charge(amount="5", applies_to="overdue_installment", kind="penalty")


def test_a_charge_for_an_overdue_installment_comes_the_day_after_its_grace() -> None:
    """Due 1 February, grace 3 days: on 5 February, on that installment; not when it is paid by the 4th."""
    grace = {"overdue_interest": {"annual_rate_percent": "0", "grace_days": 3}}
    assert column(answer([payout(), LATE], "2026-02-04", **grace), "penalties")[0] == "0.00"
    found = answer([payout(), LATE], "2026-02-05", **grace)
    assert column(found, "penalties")[:2] == ["5.00", "0.00"]
    assert found["charges"][0]["due_date"] == "2026-02-05"
    for day, amount in (("2026-02-04", "0.00"), ("2026-02-05", "5.00")):
        found = answer([payout(), LATE, paid(day, "172.55")], "2026-02-10", **grace)
        assert column(found, "penalties")[0] == amount


def test_a_back_dated_payment_or_pause_takes_a_late_charge_away() -> None:
    found = answer([payout(), LATE, event("close_of_business", "2026-02-05")], "2026-02-10")
    assert column(found, "penalties")[0] == "5.00"
    for cure in (
        paid("2026-02-01", "172.55", id="x"),
        event("penalty_pause", from_="2026-02-02", to="2026-02-02", id="x"),
        event("delinquency_pause", from_="2026-02-01", to="2026-02-03", id="x"),
    ):
        found = answer([payout(), LATE, event("close_of_business", "2026-02-05"), cure], "2026-02-10")
        assert column(found, "penalties")[0] == "0.00"
        assert entry(found, "accrual:x") == {"penalty_receivable": "-5.00", "penalty_income": "5.00"}


def test_the_unpaid_part_is_waived_and_owed_again() -> None:
    """4.00 of 10.00 paid, 6.00 waived."""
    events = [
        payout(),
        charge(amount="10", due_date="2026-01-20"),
        paid("2026-01-20", "4"),
        event("waiver", "2026-01-21", of="c"),
    ]
    (one,) = answer(events, "2026-01-25")["charges"]
    assert [one[name] for name in ("due", "paid", "waived", "outstanding")] == [
        "10.00",
        "4.00",
        "6.00",
        "0.00",
    ]
    (one,) = answer([*events, event("undo_waiver", "2026-01-22", of="c")], "2026-01-25")["charges"]
    assert [one[name] for name in ("paid", "waived", "outstanding")] == ["4.00", "0.00", "6.00"]


def test_on_one_day_charges_come_before_waivers_before_payments() -> None:
    """Recorded the other way round: the payment of the day finds the fee waived and pays interest."""
    found = answer(
        [
            payout(),
            paid("2026-02-01", "10"),
            charge(amount="8", date="2026-02-01"),
            event("waiver", "2026-02-01", of="c"),
        ],
        "2026-02-01",
    )
    assert portions(of_type(found, "repayment")[0])[1:3] == ["10.00", "0.00"]
    assert of_type(found, "waiver")[0]["amount"] == "8.00"
