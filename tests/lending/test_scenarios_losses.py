"""Charge-off, write-off and what comes after them, by hand (docs/lending.md, sections 2 and 10)."""

from __future__ import annotations

from typing import Any

from lending.scenarios import answer, entry, event, of_type, paid, payout, portions, sums


def loss(fraud: bool) -> dict[str, Any]:
    return answer(
        [
            payout(),
            event("charge", "2026-01-01", "10", id="f", kind="fee", due_date="2026-01-15"),
            event("close_of_business", "2026-01-24"),
            event("charge_off", "2026-01-25", id="o", fraud=fraud),
            event("close_of_business", "2026-02-10"),
            paid("2026-02-10", "50", id="p"),
            event("recovery", "2026-02-11", "7", id="r"),
        ],
        "2026-02-12",
    )


def test_a_charge_off_reverses_income_and_stops_accrual() -> None:
    """To 24 January 23 days: 10.00 x 23 / 31 = 7.42."""
    found = loss(fraud=False)
    assert portions(of_type(found, "charge_off")[0])[:3] == ["1000.00", "7.42", "10.00"]
    assert entry(found, "o") == {
        "credit_loss": "1000.00",
        "loans_receivable": "-1000.00",
        "income_reversal_interest": "7.42",
        "interest_receivable": "-7.42",
        "income_reversal_fee": "10.00",
        "fee_receivable": "-10.00",
    }
    assert of_type(found, "accrual")[-1]["date"] == "2026-01-24"
    assert (found["charged_off"], found["status"]) == (True, "active")
    assert entry(found, "p") == {"collection_clearing": "50.00", "recoveries": "-50.00"}
    assert entry(found, "r") == {"collection_clearing": "7.00", "recoveries": "-7.00"}
    assert entry(loss(fraud=True), "o")["credit_loss_fraud"] == "1000.00"


def test_undoing_a_charge_off_resumes_accrual() -> None:
    """On 1 February the whole first period is earned: 10.00 of interest."""
    found = answer(
        [
            payout(),
            event("close_of_business", "2026-01-24"),
            event("charge_off", "2026-01-25"),
            event("close_of_business", "2026-01-30"),
            event("undo_charge_off", "2026-01-31"),
            event("close_of_business", "2026-02-01"),
        ],
        "2026-02-01",
    )
    assert sums(found) == {
        "loans_receivable": "1000.00",
        "payout_clearing": "-1000.00",
        "interest_receivable": "10.00",
        "interest_income": "-10.00",
    }


def test_a_write_off_gives_up_what_is_owed_by_its_day() -> None:
    """After the first installment 837.45 are left, with 8.3745 x 14 / 28 = 4.187 -> 4.19 by 15 February."""
    found = answer(
        [
            payout(),
            paid("2026-02-01", "172.55"),
            event("write_off", "2026-02-15", id="w"),
            event("recovery", "2026-03-01", "20", id="r"),
        ],
        "2026-03-02",
    )
    assert entry(found, "w") == {
        "credit_loss": "841.64",
        "loans_receivable": "-837.45",
        "interest_receivable": "-4.19",
    }
    assert entry(found, "r") == {"collection_clearing": "20.00", "recoveries": "-20.00"}
    assert (found["status"], found["totals"]["outstanding"]) == ("closed_written_off", "0.00")
    assert "interest_receivable" not in sums(found)


def test_an_undone_write_off_is_owed_again() -> None:
    found = answer(
        [payout(), event("write_off", "2026-01-15", id="w"), event("undo_write_off", "2026-01-20", id="u")],
        "2026-01-21",
    )
    assert (found["status"], found["totals"]["outstanding"]) == ("active", "1035.28")
    assert [one["reversed"] for one in of_type(found, "write_off")] == [True]
