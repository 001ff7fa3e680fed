"""What a loan does not take, and the member of the document that the refusal names (docs/batch-commands.md)."""

from __future__ import annotations

from typing import Any

import pytest

from lending.scenarios import answer, event, paid, payout, refused

P = paid("2026-02-01", "172.55", id="p")
CHARGE = {"kind": "fee", "amount": "10", "date": "2026-01-05"}


@pytest.mark.parametrize(
    ("field", "events"),
    [
        ("[0].type", [paid("2026-01-01", "1")]),
        ("[1].date", [payout(), paid("2025-12-31", "1")]),
        ("[1].amount", [payout(), payout("2026-01-02", "0.01")]),
        ("[1].date", [payout(amount="1"), payout("2025-12-31", "1")]),
        ("[1].amount", [payout(), paid("2026-01-02", "0")]),
        ("[1].amount", [payout(), paid("2026-01-02", "-5")]),
        ("[1].amount", [payout(), paid("2026-01-02", "1.005")]),
        ("[1].amount", [payout(), event("repayment", "2026-01-02")]),
        ("[2].id", [payout(), P, paid("2026-02-02", "1", id="p")]),
        ("[1].of", [payout(), event("reversal", "2026-02-01", of="nothing")]),
        (
            "[3].of",
            [payout(), P, event("reversal", "2026-02-02", of="p"), event("reversal", "2026-02-03", of="p")],
        ),
        ("[2].date", [payout(), P, event("reversal", "2026-01-31", of="p")]),
        ("[2].of", [payout(), P, event("waiver", "2026-02-01", of="p")]),
        ("[1].of", [payout(), event("undo_waiver", "2026-02-01", of="c")]),
        ("[2].of", [payout(), P, event("chargeback", "2026-02-02", "5", of="q")]),
        ("[2].amount", [payout(), P, event("chargeback", "2026-02-02", "172.56", of="p")]),
        ("[1].amount", [payout(), event("refund_of_overpayment", "2026-02-02", "5")]),
        ("[1].type", [payout(), event("recovery", "2026-02-02", "5")]),
        ("[1].type", [payout(), event("undo_charge_off", "2026-02-02")]),
        ("[2].type", [payout(), event("charge_off", "2026-02-02"), event("charge_off", "2026-02-03")]),
        ("[2].type", [payout(), event("write_off", "2026-02-02"), paid("2026-02-03", "1")]),
        ("[1].kind", [payout(), event("charge", "2026-01-05", "10")]),
        ("[1].amount", [payout(), event("charge", "2026-01-05", kind="fee")]),
        ("[1].percent", [payout(), event("charge", **CHARGE, percent="1")]),
        (
            "[1].percent",
            [payout(), event("charge", "2026-01-05", kind="fee", calculation="percent_of_amount")],
        ),
        ("[1].date", [payout(), event("charge", **CHARGE, applies_to="disbursement")]),
        ("[1].due_date", [payout(), event("charge", **CHARGE, due_date="2025-12-31")]),
        ("[1].to", [payout(), event("interest_pause", from_="2026-02-05", to="2026-02-04")]),
        ("[1].to", [payout(), event("delinquency_pause", from_="2026-02-05", to="2026-02-05")]),
        (
            "[1].from_due_date",
            [payout(), event("due_date_shift", from_due_date="2026-02-02", to_due_date="2026-02-05")],
        ),
        (
            "[1].to_due_date",
            [
                payout(),
                event(
                    "due_date_shift",
                    from_due_date="2026-02-01",
                    to_due_date="2026-03-01",
                    shift_following=False,
                ),
            ],
        ),
        (
            "[1].to_due_date",
            [payout(), event("due_date_shift", from_due_date="2026-02-01", to_due_date="2026-01-01")],
        ),
        (
            "[1].annual_rate_percent",
            [payout(), event("reschedule", effective_from="2026-02-01", annual_rate_percent="1001")],
        ),
        (
            "[1].extra_installments",
            [payout(), event("reschedule", effective_from="2026-02-01", extra_installments=-1)],
        ),
        ("[1].rule", [payout(), event("set_future_installments", "2026-02-01")]),
        ("[1].type", [payout(), event("vanish", "2026-02-01")]),
        ("[1].colour", [payout(), paid("2026-02-01", "5", colour="red")]),
        ("[2].type", [payout(), event("pay_off", "2026-02-01"), event("charge_off", "2026-02-02")]),
    ],
)
def test_events_that_cannot_be(field: str, events: list[dict[str, Any]]) -> None:
    refused(f"$.events{field}", events, "2026-03-01")


@pytest.mark.parametrize(
    ("field", "terms"),
    [
        ("principal", {"principal": "0"}),
        ("principal", {"principal": 1000}),
        ("annual_rate_percent", {"annual_rate_percent": "-1"}),
        ("annual_rate_percent", {"annual_rate_percent": "twelve"}),
        ("installments", {"installments": 0}),
        ("repay_every.unit", {"repay_every": {"unit": "years"}}),
        ("repay_every.count", {"repay_every": {"count": 0}}),
        ("day_count.year", {"day_count": {"year": "366"}}),
        ("amortization", {"amortization": "balloon"}),
        ("installment_amount", {"installment_amount": "0"}),
        ("installment_amount", {"installment_amount": "100", "amortization": "bullet"}),
        ("installment_amount", {"installment_amount": "100", "interest_method": "flat"}),
        ("due_dates", {"due_dates": "month_end", "repay_every": {"unit": "weeks"}}),
        ("rounding.scale", {"rounding": {"scale": 3}}),
        ("rounding.mode", {"rounding": {"mode": "nearest"}}),
        ("rounding.installment_multiple", {"rounding": {"installment_multiple": "0"}}),
        ("grace.principal_installments", {"grace": {"principal_installments": 6}}),
        ("grace.arrears_days", {"grace": {"arrears_days": -1}}),
        ("interest_recalculation.compounding", {"interest_recalculation": {"compounding": "daily"}}),
        (
            "interest_recalculation.enabled",
            {"interest_recalculation": {"enabled": True}, "interest_method": "flat"},
        ),
        ("allocation", {"allocation": "random"}),
        ("allocation_order", {"allocation": "custom", "allocation_order": ["due.fee"]}),
        ("down_payment_percent", {"down_payment_percent": "100"}),
        ("delinquency_ranges[0]", {"delinquency_ranges": [{"name": "A", "from_day": 3, "to_day": 1}]}),
        ("first_due_date", {"expected_disbursement_date": "2026-01-01", "first_due_date": "2026-01-01"}),
        ("colour", {"colour": "red"}),
    ],
)
def test_terms_that_make_no_loan(field: str, terms: dict[str, Any]) -> None:
    refused(f"$.terms.{field}", [], "2026-03-01", **terms)


def test_what_comes_after_the_day_of_the_document_is_checked_on_its_own_day() -> None:
    """On 1 April 1,050.00 close a loan of 1,035.28: 14.72 too much may go back, though the answer is of January."""
    events = [payout(), paid("2026-04-01", "1050")]
    refund = event("refund_of_overpayment", "2026-04-02", "14.72")
    assert answer([*events, refund], "2026-01-16")["totals"]["paid"] == "0.00"
    refused("$.events[2].amount", [*events, refund | {"amount": "14.73"}], "2026-01-16")
    refused("$.events[2].type", [*events, event("charge_off", "2026-04-02")], "2026-01-16")
