"""What moves money or gives it up, and its entries, by hand (docs/lending.md, sections 2 and 10)."""

from __future__ import annotations

from lending.scenarios import answer, column, entry, event, of_type, paid, payout, portions, sums

FEE = event("charge", "2026-01-01", "10", id="f", kind="fee", due_date="2026-02-01")
FIRST = paid("2026-02-01", "182.55", id="p")  # the first installment with its fee: 162.55, 10.00, 10.00


def test_disbursement_and_repayment() -> None:
    found = answer([payout(id="d"), FEE, FIRST], "2026-02-01")
    assert entry(found, "d") == {"loans_receivable": "1000.00", "payout_clearing": "-1000.00"}
    assert entry(found, "p") == {
        "collection_clearing": "182.55",
        "loans_receivable": "-162.55",
        "interest_receivable": "-10.00",
        "fee_receivable": "-10.00",
    }
    assert column(found, "obligations_met_on")[:2] == ["2026-02-01", None]


def test_each_day_is_closed_by_cumulative_rounding() -> None:
    """10.00 over 31 days is 0.32258 a day: 0.32, 0.65, 0.97, 1.29 by the days, so 0.32, 0.33, 0.32, 0.32."""
    found = answer([payout(), event("close_of_business", "2026-01-05")], "2026-01-10")
    assert [(one["date"], one["interest"]) for one in of_type(found, "accrual")] == [
        ("2026-01-02", "0.32"),
        ("2026-01-03", "0.33"),
        ("2026-01-04", "0.32"),
        ("2026-01-05", "0.32"),
    ]
    assert sums(found) == {
        "loans_receivable": "1000.00",
        "payout_clearing": "-1000.00",
        "interest_receivable": "1.29",
        "interest_income": "-1.29",
    }


def test_the_last_day_of_a_period_takes_what_the_installment_says() -> None:
    found = answer([payout(), FEE, event("close_of_business", "2026-02-01")], "2026-02-01")
    assert sums(found)["interest_income"] == "-10.00"
    assert sums(found)["fee_income"] == "-10.00"  # a charge on its due date
    assert [one["fees"] for one in of_type(found, "accrual")][-2:] == ["0.00", "10.00"]


def test_a_reversal_mirrors_its_target_which_stays_in_the_answer() -> None:
    found = answer([payout(), FEE, FIRST, event("reversal", "2026-02-03", of="p", id="r")], "2026-02-05")
    assert entry(found, "r") == {
        "collection_clearing": "-182.55",
        "loans_receivable": "162.55",
        "interest_receivable": "10.00",
        "fee_receivable": "10.00",
    }
    (row,) = of_type(found, "repayment")
    assert (row["reversed"], row["amount"], column(found, "paid")[0]) == (True, "182.55", "0.00")
    assert found["delinquency"]["past_due_days"] == 4
    assert found["delinquency"]["last_payment_date"] is None


def test_what_an_undo_takes_away_stays_in_the_answer_too() -> None:
    found = answer(
        [
            payout(),
            FEE,
            event("waiver", "2026-01-20", of="f", id="w"),
            event("undo_waiver", "2026-01-21", of="f"),
            event("charge_off", "2026-01-22", id="o"),
            event("undo_charge_off", "2026-01-23"),
        ],
        "2026-01-25",
    )
    assert [(one["id"], one["reversed"]) for one in found["transactions"][1:]] == [("w", True), ("o", True)]
    assert found["charged_off"] is False


def test_a_payout_that_came_back_takes_its_charge_with_it() -> None:
    fee = event("charge", "2026-01-01", "10", id="f", kind="fee", applies_to="disbursement")
    found = answer([fee, payout(id="d"), event("reversal", "2026-01-02", of="d")], "2026-01-03")
    assert (found["status"], sums(found)) == ("approved", {})
    assert [(one["type"], one["reversed"]) for one in found["transactions"]] == [
        ("disbursement", True),
        ("repayment_at_disbursement", True),
    ]


def test_a_waiver_takes_income_back() -> None:
    """The fee of 10.00 is recognised on 1 February, 4.00 are paid, 6.00 waived on the 2nd."""
    found = answer(
        [
            payout(),
            FEE,
            event("close_of_business", "2026-02-01"),
            paid("2026-02-01", "4"),
            event("waiver", "2026-02-02", of="f", id="w"),
        ],
        "2026-02-02",
    )
    assert entry(found, "w") == {"fee_receivable": "-6.00", "fee_income": "6.00"}
    assert portions(of_type(found, "waiver")[0]) == ["0.00", "0.00", "6.00", "0.00", "0.00"]


def test_waived_interest_is_the_oldest_and_never_more_than_there_is() -> None:
    """12.00: 10.00 of installment 1 and 2.00 of installment 2. 100.00: all 35.28."""
    found = answer([payout(), event("waive_interest", "2026-01-10", "12")], "2026-01-10")
    assert column(found, "waived")[:3] == ["10.00", "2.00", "0.00"]
    found = answer([payout(), event("waive_interest", "2026-01-10", "100")], "2026-01-10")
    assert of_type(found, "waive_interest")[0]["interest"] == "35.28"


def test_a_back_dated_interest_pause_posts_the_difference_only() -> None:
    """By 11 January 10 days are recognised: 3.23. A pause of 2 to 6 January leaves 5 of the 31 days less:
    10.00 x 5 / 31 = 1.61 recognised. The difference is 1.62."""
    found = answer(
        [
            payout(),
            event("close_of_business", "2026-01-11"),
            event("interest_pause", from_="2026-01-02", to="2026-01-06", id="v"),
        ],
        "2026-01-12",
    )
    assert entry(found, "accrual:v") == {"interest_receivable": "-1.62", "interest_income": "1.62"}


def test_goodwill_is_at_our_expense() -> None:
    found = answer([payout(), event("goodwill_credit", "2026-02-01", "1100", id="g")], "2026-02-02")
    assert entry(found, "g") == {
        "goodwill_expense": "1100.00",
        "loans_receivable": "-1000.00",
        "interest_receivable": "-35.28",
        "overpayment_liability": "-64.72",
    }
    assert found["status"] == "overpaid"


def test_an_overpayment_is_refunded_or_eaten() -> None:
    whole = [payout(), paid("2026-02-01", "1050", id="p")]
    refund = event("refund_of_overpayment", "2026-02-02", "14.72", id="r")
    found = answer([*whole, refund], "2026-02-02")
    assert entry(found, "r") == {"overpayment_liability": "14.72", "payout_clearing": "-14.72"}
    assert found["status"] == "closed_obligations_met"
    fee = event("charge", "2026-02-02", "10", kind="fee", id="f")
    found = answer([*whole, fee], "2026-02-02")
    assert entry(found, "f") == {"overpayment_liability": "10.00", "fee_receivable": "-10.00"}


def test_closing_accrues_the_rest_and_a_reversal_does_not_take_it_back() -> None:
    """Paid in full on 1 February: 35.28 of income, 10.00 of it earned. Reversed on the 3rd; the close of
    business of the 5th adds nothing, since 10.00 + 4 days of 8.37 / 28 is less than what is recognised."""
    events = [
        payout(),
        event("close_of_business", "2026-01-31"),
        paid("2026-02-01", "1035.28", id="p"),
        event("reversal", "2026-02-03", of="p"),
        event("close_of_business", "2026-02-05"),
    ]
    found = answer(events, "2026-02-05")
    assert sums(found)["interest_income"] == "-35.28"
    assert of_type(found, "accrual")[-1]["date"] == "2026-02-01"
    assert found["status"] == "active"


def test_a_chargeback_brings_back_portions_and_is_late_only_from_its_installment() -> None:
    """100.00 of 182.55: fee 10.00, interest 10.00, the rest 80.00 of principal, on installment 2."""
    back = event("chargeback", "2026-02-10", "100", of="p", id="b")
    found = answer([payout(), FEE, FIRST, back], "2026-02-20")
    assert entry(found, "b") == {
        "collection_clearing": "-100.00",
        "loans_receivable": "80.00",
        "interest_receivable": "10.00",
        "fee_receivable": "10.00",
    }
    assert column(found, "outstanding")[:2] == ["0.00", "272.55"]
    assert found["delinquency"]["past_due_days"] == 0
    found = answer([payout(), FEE, FIRST, back], "2026-03-03")
    assert found["delinquency"]["past_due_days"] == 2


def test_a_chargeback_eats_an_overpayment_first_and_opens_a_row_after_maturity() -> None:
    events = [payout(), paid("2026-07-01", "1050", id="p")]
    found = answer([*events, event("chargeback", "2026-07-10", "20", of="p", id="b")], "2026-07-12")
    # 14.72 were too much; 5.28 are owed again, of the interest that was paid.
    assert entry(found, "b") == {
        "collection_clearing": "-20.00",
        "overpayment_liability": "14.72",
        "interest_receivable": "5.28",
    }
    assert [column(found, name)[-1] for name in ("nr", "due_date", "interest")] == [7, "2026-07-10", "5.28"]
    assert found["delinquency"]["past_due_days"] == 2


def test_refunds_of_merchant_and_payout_pay_debt_like_a_repayment() -> None:
    for kind in ("merchant_refund", "payout_refund"):
        found = answer([payout(), event(kind, "2026-02-01", "172.55", id="m")], "2026-02-01")
        assert entry(found, "m") == {
            "collection_clearing": "172.55",
            "loans_receivable": "-162.55",
            "interest_receivable": "-10.00",
        }


def test_a_chargeback_goes_with_the_payment_that_it_is_of() -> None:
    """100.00 were taken back, then the whole payment turns out never to have been: 1,035.28 are owed, not 100.00
    more, and collection clearing is even."""
    found = answer(
        [
            payout(),
            paid("2026-02-01", "172.55", id="p"),
            event("chargeback", "2026-02-10", "100", of="p"),
            event("reversal", "2026-02-12", of="p", id="r"),
        ],
        "2026-02-12",
    )
    assert found["totals"]["outstanding"] == "1035.28"
    assert sums(found) == {"loans_receivable": "1000.00", "payout_clearing": "-1000.00"}
    assert [one["reversed"] for one in found["transactions"]] == [False, True, True]


def test_a_closed_day_is_never_reopened() -> None:
    """What is learned on 12 February of 1 February has its own date as a transaction, and is posted on the 12th."""
    found = answer(
        [
            payout(),
            event("close_of_business", "2026-02-11"),
            paid("2026-02-01", "172.55", id="p"),
            event("interest_pause", from_="2026-02-02", to="2026-02-04", id="v"),
        ],
        "2026-02-20",
    )
    assert of_type(found, "repayment")[0]["date"] == "2026-02-01"
    assert [one["date"] for one in found["journal"] if one["transaction"] in {"p", "accrual:v"}] == [
        "2026-02-12",
        "2026-02-12",
    ]
    # Three of the ten days so far: 8.37 x 10 / 28 = 2.99, 8.37 x 7 / 28 = 2.09.
    assert entry(found, "accrual:v") == {"interest_receivable": "-0.90", "interest_income": "0.90"}


def test_a_later_fee_does_not_move_an_additional_installment_that_is_overdue() -> None:
    """Owed again since 10 July; a fee of 9 August, due on the 10th, opens another installment after it. Only
    what is not due yet waits for a later charge: two fees of January have one installment, on the later day."""
    fee = event("charge", "2026-08-09", "5", kind="fee", due_date="2026-08-10")
    back = event("chargeback", "2026-07-10", "100", of="p")
    found = answer([payout(), paid("2026-07-01", "1035.28", id="p"), back, fee], "2026-08-09")
    last = [[row[name] for name in ("nr", "from", "due_date", "due")] for row in found["schedule"][6:]]
    assert last == [[7, "2026-07-01", "2026-07-10", "100.00"], [8, "2026-07-10", "2026-08-10", "5.00"]]
    assert found["delinquency"]["past_due_days"] == 30
    two = [
        event("charge", "2026-01-02", "5", kind="fee", due_date=day) for day in ("2026-08-01", "2026-08-10")
    ]
    found = answer([payout(), *two], "2026-01-02")
    assert [(row["nr"], row["due_date"], row["due"]) for row in found["schedule"][6:]] == [
        (7, "2026-08-10", "10.00")
    ]
