"""The plan of a loan, by hand (docs/lending.md, section 4)."""

from __future__ import annotations

from typing import Any

import pytest

from lending.scenarios import answer, column, event, payout, refused, table

BIG = {"principal": "12000", "installments": 12}
ACTUAL = {"year": "365"}
# 1,000 at 1 % a month over 6: A = 10 / (1 - 1.01^-6) = 172.548..., last 172.53.
PRINCIPAL = ["162.55", "164.18", "165.82", "167.48", "169.15", "170.82"]
INTEREST = ["10.00", "8.37", "6.73", "5.07", "3.40", "1.71"]


def plan(**terms: Any) -> dict[str, Any]:
    return answer([payout(amount=terms.get("principal", "1000"))], "2026-01-01", **terms)


def test_the_published_checks() -> None:
    found = plan(**BIG)
    assert column(found, "due") == [*["1066.19"] * 11, "1066.14"]
    assert found["totals"]["interest"] == "794.23"
    actual = answer([payout("2026-01-15", "12000")], "2026-01-15", day_count=ACTUAL, **BIG)
    assert column(actual, "due") == [*["1065.91"] * 11, "1065.88"]
    assert actual["totals"]["interest"] == "790.89"


def test_an_interest_pause_leaves_the_installment_and_the_last_absorbs() -> None:
    """1 to 20 April: 15 days of installment 3 (31 days, 102.86 x 16 / 31 = 53.09), 5 of installment 4."""
    found = answer(
        [payout("2026-01-15", "12000"), event("interest_pause", from_="2026-04-01", to="2026-04-20")],
        "2026-01-15",
        day_count=ACTUAL,
        **BIG,
    )
    assert column(found, "interest")[2:4] == ["53.09", "74.63"]
    assert column(found, "due") == [*["1065.91"] * 11, "995.25"]
    assert found["totals"]["interest"] == "720.26"


def test_equal_installments() -> None:
    found = plan()
    assert (column(found, "principal"), column(found, "interest")) == (PRINCIPAL, INTEREST)
    assert column(found, "due") == [*["172.55"] * 5, "172.53"]
    assert column(found, "balance") == ["837.45", "673.27", "507.45", "339.97", "170.82", "0.00"]
    free = plan(annual_rate_percent="0", installments=3)  # P / n
    assert column(free, "due") == ["333.33", "333.33", "333.34"]


@pytest.mark.parametrize(
    ("terms", "interest"),
    [  # 1,000 for one period from 1 January 2026
        ({}, "10.00"),  # 30 / 360
        ({"day_count": {"year": "365"}}, "10.19"),  # 31 / 365 = 10.1918
        ({"day_count": {"year": "364"}}, "10.22"),  # 31 / 364 = 10.2198
        ({"day_count": {"year": "365", "month": "30"}}, "9.86"),  # 30 / 365 = 9.8630
        ({"repay_every": {"count": 2, "unit": "weeks"}}, "4.67"),  # 14 / 360
        ({"repay_every": {"count": 10, "unit": "days"}, "day_count": {"year": "365"}}, "3.29"),  # 10 / 365
        ({"repay_every": {"count": 3, "unit": "months"}}, "30.00"),  # 90 / 360
        ({"schedule_type": "cumulative", "day_count": {"year": "365"}}, "10.00"),  # 1 / 12, no day count
        ({"schedule_type": "cumulative", "repay_every": {"count": 2, "unit": "weeks"}}, "4.62"),  # 2 / 52
        ({"schedule_type": "cumulative", "repay_every": {"count": 10, "unit": "days"}}, "3.33"),  # 10 / 360
        ({"schedule_type": "cumulative", "interest_period": "daily", "day_count": {}}, "10.19"),  # 31 / 365
        (
            {"schedule_type": "cumulative", "interest_period": "daily", "day_count": {"month": "30"}},
            "9.86",  # 30 / 365
        ),
    ],
)
def test_rate_factors(terms: dict[str, Any], interest: str) -> None:
    assert column(plan(installments=1, **terms), "interest") == [interest]


def test_actual_years_weigh_each_day_by_its_own_year() -> None:
    """1 December 2027 to 1 January 2028: 30 days of 365, one of 366: 120 x (30/365 + 1/366) = 10.19."""
    terms = {"installments": 1, "principal": "100000", "day_count": {"year": "actual"}}
    found = answer([payout("2027-12-01", "100000")], "2027-12-01", **terms)
    assert column(found, "interest") == ["1019.09"]  # 12,000 x (30/365 + 1/366) = 986.301 + 32.787
    # Cumulative by days takes 365: 12,000 x 31 / 365 = 1,019.178
    terms |= {"schedule_type": "cumulative", "interest_period": "daily"}
    found = answer([payout("2027-12-01", "100000")], "2027-12-01", **terms)
    assert column(found, "interest") == ["1019.18"]


def test_cumulative_by_days_takes_the_installment_of_a_standard_month() -> None:
    """A from 30 / 365 a month, 172.55 x ...: rho = 0.12 x 30 / 365 = 0.00986301; A = 172.470 -> 172.47.
    Interest by real days: 1000 x 0.12 x 31 / 365 = 10.19."""
    found = plan(schedule_type="cumulative", interest_period="daily", day_count={"year": "365"})
    assert column(found, "due")[:5] == ["172.47"] * 5
    assert column(found, "interest")[:2] == ["10.19", "7.71"]  # 837.72 x 0.12 x 28 / 365 = 7.7116


def test_equal_principal_flat_and_bullet() -> None:
    equal = plan(amortization="equal_principal", installments=3)
    assert table(equal, "principal", "interest") == [
        ["333.33", "10.00"],
        ["333.33", "6.67"],
        ["333.34", "3.33"],
    ]
    # Flat: 1000 x 12 % x 6 / 12 = 60.00; 1000 / 6 = 166.67, the last absorbs.
    flat = plan(interest_method="flat")
    assert table(flat, "principal", "interest") == [*[["166.67", "10.00"]] * 5, ["166.65", "10.00"]]
    bullet = plan(amortization="bullet", installments=3)
    assert table(bullet, "principal", "interest") == [
        ["0.00", "10.00"],
        ["0.00", "10.00"],
        ["1000.00", "10.00"],
    ]
    once = plan(amortization="bullet", installments=1, repay_every={"count": 6, "unit": "months"})
    assert table(once, "principal", "interest") == [["1000.00", "60.00"]]


def test_flat_by_days_counts_the_days_of_the_term() -> None:
    """1 January to 1 April 2026 is 90 days: 1000 x 12 % x 90 / 365 = 29.589, a third is 9.86, the last 9.87."""
    found = plan(interest_method="flat", interest_period="daily", installments=3, day_count={"year": "365"})
    assert column(found, "interest") == ["9.86", "9.86", "9.87"]


def test_flat_with_a_multiple_keeps_interest_exact() -> None:
    """1,000 at 10 % over 6: I = 50.00, 8.33 each and 8.35 at last. Parts to 10: 170 + 10 = 180 each."""
    found = plan(interest_method="flat", annual_rate_percent="10", rounding={"installment_multiple": "10"})
    assert table(found, "principal", "interest", "due") == [
        *[["171.67", "8.33", "180.00"]] * 5,
        ["141.65", "8.35", "150.00"],
    ]


def test_an_installment_rounded_to_a_multiple() -> None:
    """172.548 to tens: 170 by half, 180 up. The last absorbs."""
    half = plan(rounding={"installment_multiple": "10"})
    assert column(half, "due")[:5] == ["170.00"] * 5
    up = plan(rounding={"installment_multiple": "10", "installment_multiple_mode": "up"})
    assert column(up, "due") == [*["180.00"] * 5, "134.16"]
    # It is for equal installments only.
    equal = plan(amortization="equal_principal", rounding={"installment_multiple": "10"})
    assert column(equal, "principal")[0] == "166.67"


@pytest.mark.parametrize(
    ("mode", "interest"),
    [("half_even", "0.12"), ("half_up", "0.13"), ("up", "0.13"), ("down", "0.12")],
)
def test_rounding_modes(mode: str, interest: str) -> None:
    """12.50 at 12 % a year, one month: exactly 0.125."""
    found = plan(principal="12.50", installments=1, rounding={"mode": mode})
    assert column(found, "interest") == [interest]


def test_a_scale_of_the_plan() -> None:
    """In whole yuan: 172.548 -> 173; interest 10, 8.37 -> 8, 6.72 -> 7, 5.06 -> 5, 3.38 -> 3, 1.68 -> 2."""
    found = plan(rounding={"scale": 0})
    assert column(found, "interest") == ["10.00", "8.00", "7.00", "5.00", "3.00", "2.00"]
    assert column(found, "due") == [*["173.00"] * 5, "170.00"]


def test_no_rounding_goes_on_with_the_exact_fraction() -> None:
    """A bullet of 33.50 over 24 months bears exactly 0.335 a month. Rounded each: 0.34 x 24 = 8.16.

    Exact: the fraction of 0.005 that was rounded away lowers the balance that goes on (33.495), so the next
    month is 0.33495 -> 0.33; the sum stays within a cent of 24 x 0.335 = 8.04.
    """
    terms: dict[str, Any] = {"principal": "33.50", "amortization": "bullet", "installments": 24}
    each = plan(**terms, rounding={"mode": "half_up"})
    assert each["totals"]["interest"] == "8.16"
    exact = plan(**terms, rounding={"mode": "half_up", "interest_rounding": "none"})
    assert column(exact, "interest")[:2] == ["0.34", "0.33"]


def test_an_installment_that_is_given_decides_the_number() -> None:
    """200.00 a month: balances 810.00, 618.10, 424.28, 228.52, 30.81; the sixth is 30.81 x 1.01 = 31.12."""
    found = plan(installment_amount="200", installments=1)
    assert column(found, "due") == [*["200.00"] * 5, "31.12"]
    refused("$.terms.installment_amount", [payout()], "2026-01-01", installment_amount="10")
    draft = {"expected_disbursement_date": "2026-01-01", "installment_amount": "10"}
    refused("$.terms.installment_amount", [], "2026-01-01", **draft)


def test_graces() -> None:
    """Principal: A over four, 10 / (1 - 1.01^-4) = 256.28. Interest: 10.00 + 8.37 + 6.73 on the third.
    Free: nothing of two months comes back."""
    principal = plan(grace={"principal_installments": 2})
    assert column(principal, "due") == ["10.00", "10.00", "256.28", "256.28", "256.28", "256.29"]
    later = plan(grace={"interest_payment_installments": 2})
    assert column(later, "principal") == PRINCIPAL
    assert column(later, "interest") == ["0.00", "0.00", "25.10", "5.07", "3.40", "1.71"]
    # g = 1, 1, then 1.01: f = 1, 2, 3.02, 4.0502, 5.090702, 6.14160902; A = 1040.60401 / 6.14160902 = 169.43...
    free = plan(grace={"interest_free_installments": 2})
    assert column(free, "interest")[:3] == ["0.00", "0.00", "6.61"]  # (1000 - 2 x 169.44) x 1 %
    flat = plan(interest_method="flat", grace={"interest_free_installments": 2})
    assert column(flat, "interest") == ["0.00", "0.00", *["10.00"] * 4]


def test_interest_above_the_installment_is_carried_and_bears_none() -> None:
    """60 % for a first period of 365 / 360 of a year: 608.33 accrue on 1,000, 505.00 are due, 103.33 wait.
    The next month accrues 5 % of 1,000, not of 1,103.33: 50.00 + 103.33 = 153.33, and 351.67 of principal."""
    found = answer(
        [payout("2025-02-01")],
        "2025-02-01",
        first_due_date="2026-02-01",
        installment_amount="505",
        installments=1,
        annual_rate_percent="60",
    )
    assert table(found, "principal", "interest")[:2] == [["0.00", "505.00"], ["351.67", "153.33"]]
    # 648.33 x 5 % = 32.42, 472.58 of principal; the rest, 175.75, with 8.79.
    assert table(found, "principal", "interest")[2:] == [["472.58", "32.42"], ["175.75", "8.79"]]


def test_a_down_payment_is_due_on_the_day_of_payout_without_interest() -> None:
    """A quarter of 1,000; 750.00 at 1 % over 6: 7.5 / (1 - 1.01^-6) = 129.411."""
    found = plan(down_payment_percent="25")
    assert table(found, "due_date", "principal", "interest")[:2] == [
        ["2026-01-01", "250.00", "0.00"],
        ["2026-02-01", "121.91", "7.50"],
    ]


def test_a_draft_without_a_payout() -> None:
    found = answer([], "2026-01-01", expected_disbursement_date="2026-01-10")
    assert (found["status"], column(found, "principal")) == ("approved", PRINCIPAL)
    assert column(found, "due_date")[0] == "2026-02-10"
    assert answer([], "2026-01-01")["schedule"] == []
