"""New terms, new plans and tranches, by hand (docs/lending.md, section 2)."""

from __future__ import annotations

from typing import Any

from lending.scenarios import answer, column, event, of_type, paid, payout, refused, table

CUMULATIVE = {"schedule_type": "cumulative"}


def rescheduled(effective_from: str, **new: Any) -> dict[str, Any]:
    terms = new.pop("terms", {})
    change = event("reschedule", effective_from=effective_from, **new)
    return answer([payout(), change], "2026-01-01", **terms)


def test_a_new_rate_counts_from_its_interest_day_on() -> None:
    """6 % from 1 April, the last of 31 days of installment 3: 673.27 x (30 x 1 % + 0.5 %) / 31 = 6.62. Then
    508.64 x 0.5 % = 2.54. Cumulative by periods: the whole period, 673.27 x 0.5 % = 3.37."""
    found = rescheduled("2026-04-01", annual_rate_percent="6")
    assert column(found, "interest")[1:4] == ["8.37", "6.62", "2.54"]
    assert column(found, "due") == ["172.55", "172.55", "171.25", "171.25", "171.25", "171.23"]
    periods = rescheduled("2026-04-01", annual_rate_percent="6", terms=CUMULATIVE)
    assert column(periods, "interest")[2] == "3.37"


def test_a_moved_date_keeps_the_installment_and_counts_its_days() -> None:
    """1 March moves to 11 March, the later ones follow. February and 10 of 31 days of March on 837.45:
    8.3745 x (1 + 10 / 31) = 11.08. Cumulative by periods: one period, 8.37."""
    found = rescheduled("2026-03-01", new_due_date="2026-03-11")
    assert column(found, "due_date")[1:] == [
        "2026-03-11",
        "2026-04-11",
        "2026-05-11",
        "2026-06-11",
        "2026-07-11",
    ]
    assert column(found, "interest")[1] == "11.08"
    assert column(found, "due")[:5] == ["172.55"] * 5
    periods = rescheduled("2026-03-01", new_due_date="2026-03-11", terms=CUMULATIVE)
    assert column(periods, "interest") == ["10.00", "8.37", "6.73", "5.07", "3.40", "1.71"]


def test_more_installments_spread_what_is_left() -> None:
    """837.45 over seven from 1 March on: 8.3745 / (1 - 1.01^-7) = 124.47; the last absorbs."""
    found = rescheduled("2026-03-01", extra_installments=2)
    assert column(found, "due") == ["172.55", *["124.47"] * 6, "124.45"]
    assert column(found, "due_date")[-2:] == ["2026-08-01", "2026-09-01"]


def test_graces_from_a_date_on() -> None:
    """Two months without principal: 8.37 each, then 837.45 over three: 8.3745 / (1 - 1.01^-3) = 284.75."""
    found = rescheduled("2026-03-01", grace_on_principal=2)
    assert column(found, "due") == ["172.55", "8.37", "8.37", "284.75", "284.75", "284.75"]
    later = rescheduled("2026-03-01", grace_on_interest=2)
    assert column(later, "interest") == [
        "10.00",
        "0.00",
        "0.00",
        "20.17",
        "3.40",
        "1.71",
    ]  # 8.37 + 6.73 + 5.07
    free = rescheduled("2026-03-01", interest_free=2)
    assert column(free, "interest")[1:3] == ["0.00", "0.00"]


def test_a_reschedule_can_be_reversed() -> None:
    found = answer(
        [
            payout(),
            event("reschedule", effective_from="2026-03-01", extra_installments=2, id="n"),
            event("reversal", "2026-03-02", of="n"),
        ],
        "2026-03-02",
    )
    assert column(found, "due") == [*["172.55"] * 5, "172.53"]


def re_aged(**terms: Any) -> dict[str, Any]:
    return answer(
        [
            payout(),
            event("charge", "2026-01-01", "8", kind="fee", id="f", due_date="2026-01-20"),
            event(
                "re_age",
                "2026-02-01",
                first_due_date="2026-02-08",
                installments=4,
                repay_every={"unit": "weeks"},
            ),
        ],
        "2026-02-01",
        **terms,
    )


def test_a_re_age_shares_interest_over_a_new_plan_of_its_own_frequency() -> None:
    """1,000 and the 10.00 of January, 2.50 on each. A week is 1/52 of a year whatever the contract's period:
    rho = 0.12 / 52; A = 1000 x rho / (1 - (1 + rho)^-4) = 251.44. 2.31 + 2.50 of interest on the first."""
    found = re_aged(**CUMULATIVE)
    assert table(found, "due_date", "principal", "interest", "fees")[1:] == [
        ["2026-02-08", "246.63", "4.81", "8.00"],
        ["2026-02-15", "247.20", "4.24", "0.00"],  # 753.37 x rho = 1.74
        ["2026-02-22", "247.77", "3.67", "0.00"],  # 506.17 x rho = 1.17
        ["2026-03-01", "258.40", "3.10", "0.00"],  # 258.40 x rho = 0.60; the last absorbs
    ]
    assert column(found, "due")[0] == "0.00"  # nothing is owed on the old installment any more
    # By days: 7 / 360 a week, in the interest and in the standard installment: A = 251.46.
    days = re_aged(interest_period="daily", **CUMULATIVE)
    assert table(days, "principal", "interest")[1] == ["246.46", "5.00"]  # 10.00 x 7 / 28 and 2.50


def test_a_re_age_keeps_what_was_paid_and_shows_the_balance() -> None:
    """After the first installment 837.45; on 16 March 8.37 and 673.27 x 15 / 31 % = 3.26 are earned: 11.63."""
    found = answer(
        [
            payout(),
            paid("2026-02-01", "172.55"),
            event("re_age", "2026-03-16", first_due_date="2026-04-01", installments=4),
        ],
        "2026-03-16",
    )
    assert table(found, "principal", "balance")[:3] == [["162.55", "837.45"], *[["0.00", "837.45"]] * 2]
    # 11.63 / 4 = 2.90 (2.93 on the last), and 837.45 x 16 / 31 % = 4.32
    assert column(found, "interest")[3] == "7.22"
    assert column(found, "outstanding")[1:3] == ["0.00", "0.00"]


def test_a_re_amortisation_spreads_overdue_principal() -> None:
    """2 March: 162.55 and 164.18 are overdue, their interest stays. 1,000 over the four that come:
    10 / (1 - 1.01^-4) = 256.28."""
    found = answer([payout(), event("re_amortize", "2026-03-02")], "2026-03-02")
    assert table(found, "principal", "interest")[:2] == [["0.00", "10.00"], ["0.00", "8.37"]]
    assert column(found, "balance") == ["1000.00", "1000.00", "753.72", "504.98", "253.75", "0.00"]
    assert column(found, "due")[2:] == ["256.28", "256.28", "256.28", "256.29"]


def test_a_tranche_is_spread_over_the_installments_to_come() -> None:
    """600.00 at first: 6 / (1 - 1.01^-6) = 103.53. With 400.00 on 1 February 902.47 over five: 185.94."""
    found = answer([payout(amount="600"), payout("2026-02-01", "400")], "2026-02-01")
    assert column(found, "due")[:2] == ["103.53", "185.94"]
    assert column(found, "interest")[1] == "9.02"
    # In the middle of February: 502.47 x 1 % + 400 x 1 % x 14 / 28 = 7.02
    found = answer([payout(amount="600"), payout("2026-02-15", "400")], "2026-02-15")
    assert column(found, "interest")[1] == "7.02"
    refused("$.events[1].amount", [payout(amount="600"), payout("2026-02-15", "400.01")], "2026-02-15")


def test_a_signed_installment_stays_when_a_tranche_follows() -> None:
    """100.00 a month: 506.00 are left after the first; with 400.00 on 15 February the loan gets longer:
    506 x 1 % + 400 x 1 % x 14 / 28 = 7.06, and from there 1 % of what is left."""
    found = answer(
        [payout(amount="600"), payout("2026-02-15", "400")],
        "2026-02-15",
        installment_amount="100",
        installments=1,
    )
    assert column(found, "interest")[:3] == ["6.00", "7.06", "8.13"]  # 813.06 x 1 %
    assert column(found, "due")[:-1] == ["100.00"] * 10
    assert column(found, "balance")[-2:] == ["51.85", "0.00"]
    assert column(found, "due")[-1] == "52.37"


def test_new_terms_that_say_nothing_are_refused() -> None:
    refused("$.events[1].type", [payout(), event("reschedule", effective_from="2026-02-01")], "2026-02-01")
    same_day = event("re_age", "2026-02-01", first_due_date="2026-02-01", installments=2)
    refused("$.events[1].first_due_date", [payout(), same_day], "2026-02-01")
    backwards = event("reschedule", effective_from="2026-03-01", new_due_date="2026-02-01")
    refused("$.events[1].new_due_date", [payout(), backwards], "2026-02-01")


def test_terms_changes_come_first_on_their_day() -> None:
    """Recorded after the payment, but of the same day: the payment meets the new plan."""
    found = answer(
        [
            payout(),
            paid("2026-02-01", "127.76", id="p"),
            event("reschedule", effective_from="2026-02-01", extra_installments=2),
        ],
        "2026-02-01",
    )
    # 1,000 over eight: 10 / (1 - 1.01^-8) = 130.69
    assert column(found, "due")[0] == "130.69"
    assert column(found, "outstanding")[0] == "2.93"
    assert of_type(found, "repayment")[0]["interest"] == "10.00"


def test_a_date_that_a_reschedule_made_can_be_moved() -> None:
    """1 March becomes 11 March, and that one alone 20 March."""
    found = answer(
        [
            payout(),
            event("reschedule", effective_from="2026-03-01", new_due_date="2026-03-11"),
            event(
                "due_date_shift", from_due_date="2026-03-11", to_due_date="2026-03-20", shift_following=False
            ),
        ],
        "2026-01-01",
    )
    assert column(found, "due_date")[:4] == ["2026-02-01", "2026-03-20", "2026-04-11", "2026-05-11"]


def test_charges_go_with_the_periods_that_a_reschedule_moves() -> None:
    """A fee due on 5 March lay in installment 3; with 1 March moved to 11 March it lies in installment 2. A
    fee with each installment is due with it, also when a part of it is paid."""
    dated = event("charge", "2026-01-01", "9", kind="fee", id="d", due_date="2026-03-05")
    later = event("reschedule", effective_from="2026-03-01", new_due_date="2026-03-11")
    assert column(answer([payout(), dated], "2026-01-01"), "fees")[1:3] == ["0.00", "9.00"]
    assert column(answer([payout(), dated, later], "2026-01-01"), "fees")[1:3] == ["9.00", "0.00"]
    each = event("charge", "2026-01-01", "9", kind="fee", id="e", applies_to="each_installment")
    found = answer([payout(), each, paid("2026-01-05", "180"), later], "2026-01-05")
    assert [one["due_date"] for one in found["charges"]] == column(found, "due_date")


def test_a_later_tranche_has_its_own_down_payment() -> None:
    """A quarter of each: 150.00 of 600, 100.00 of 400 on 15 January. 450 bear interest for 14 days and 750 for
    17, of 31: 1 % x (450 x 14 + 750 x 17) / 31 = 6.15. The down payment itself bears none before its day."""
    found = answer(
        [payout(amount="600"), payout("2026-01-15", "400")], "2026-01-15", down_payment_percent="25"
    )
    assert table(found, "due_date", "principal", "interest", "balance")[:3] == [
        ["2026-01-01", "150.00", "0.00", "450.00"],
        ["2026-01-15", "100.00", "0.00", "750.00"],
        ["2026-02-01", "123.03", "6.15", "626.97"],
    ]
    assert column(found, "balance")[-1] == "0.00"
    # A = (450 x g + 300 x (1 + 1 % x 17 / 31)) x 1.01^5 / f_6 = 129.18
    assert column(found, "due")[2:-1] == ["129.18"] * 5


def test_a_re_age_takes_penalties_and_charges_along() -> None:
    """9.00 on 10 February pay the penalty charge of 4.00, 1.46 of penalty interest (162.55 x 0.1 % x 9 days)
    and 3.54 of the fee. On 16 March 162.55 x 43 + 164.18 x 15 days at 0.1 % a day make 6.99 + 2.46 = 9.45 of
    penalty interest: 7.99 are open, and 6.46 of the fee. All of it is due with the new plan, nothing is late.
    """
    events = [
        payout(),
        event("charge", "2026-01-01", "10", kind="fee", id="f", due_date="2026-01-20"),
        event("charge", "2026-01-01", "4", kind="penalty", id="n", due_date="2026-01-20"),
        paid("2026-02-10", "9"),
        event("re_age", "2026-03-16", first_due_date="2026-04-01", installments=2),
    ]
    found = answer(events, "2026-03-20", overdue_interest={"annual_rate_percent": "36"})
    assert table(found, "fees", "penalties", "paid")[:4] == [
        ["3.54", "5.46", "9.00"],
        ["0.00", "0.00", "0.00"],
        ["0.00", "0.00", "0.00"],
        ["6.46", "7.99", "0.00"],
    ]
    assert found["delinquency"]["past_due_days"] == 0
    assert [(one["id"], one["due"], one["paid"]) for one in found["charges"]] == [
        ("f", "3.54", "3.54"),
        ("n", "4.00", "4.00"),
        ("f", "6.46", "0.00"),
    ]


def test_a_re_age_keeps_a_fee_for_each_installment() -> None:
    """3.00 each: two have fallen due by 16 March and go to the first new installment, which has its own; the
    third and later old ones are no more."""
    found = answer(
        [
            payout(),
            event("charge", "2026-01-01", "3", kind="fee", id="f", applies_to="each_installment"),
            event("re_age", "2026-03-16", first_due_date="2026-04-01", installments=2),
            event("reschedule", effective_from="2026-04-15", extra_installments=1),
        ],
        "2026-03-20",
    )
    assert column(found, "fees") == ["0.00", "0.00", "0.00", "9.00", "3.00", "3.00"]


def test_what_was_paid_on_an_installment_stays_when_tranches_follow() -> None:
    """5.00 without interest in two installments, 5.01 paid at once: 2.50 on each and 0.01 too much, which the
    tranche of 0.01 on 15 February eats, on installment 2. The next 0.01 is owed there too."""
    found = answer(
        [
            payout("2026-01-15", "5"),
            paid("2026-01-15", "5.01"),
            payout("2026-02-15", "0.01"),
            payout("2026-02-16", "0.01"),
        ],
        "2026-03-01",
        annual_rate_percent="0",
        installments=2,
    )
    assert table(found, "principal", "paid", "outstanding") == [
        ["2.50", "2.50", "0.00"],
        ["2.52", "2.51", "0.01"],
    ]
