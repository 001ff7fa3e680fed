"""How money is spread, by hand (docs/lending.md, section 6)."""

from __future__ import annotations

import pytest

from lending.scenarios import answer, column, event, of_type, paid, payout, portions

FEE = event("charge", "2026-01-01", "10", kind="fee", id="f", due_date="2026-02-01")
PENALTY = event("charge", "2026-01-01", "5", kind="penalty", id="n", due_date="2026-02-01")
DUE_FIRST = ("due_first_in_advance_principal", "due_first_interest_principal")


@pytest.mark.parametrize(
    ("preset", "amount", "expected"),
    [  # principal, interest, fees, penalties of the first installment: 162.55, 10.00, 10.00, 5.00
        ("standard", "12", ["0.00", "0.00", "7.00", "5.00", "0.00"]),
        ("standard", "30", ["5.00", "10.00", "10.00", "5.00", "0.00"]),
        ("due_first_in_advance_principal", "30", ["5.00", "10.00", "10.00", "5.00", "0.00"]),
        ("due_first_interest_principal", "30", ["15.00", "10.00", "0.00", "5.00", "0.00"]),
        ("cn_statutory", "12", ["0.00", "2.00", "10.00", "0.00", "0.00"]),
        ("cn_statutory", "22", ["0.00", "10.00", "10.00", "2.00", "0.00"]),
    ],
)
def test_presets_on_the_due_date(preset: str, amount: str, expected: list[str]) -> None:
    found = answer([payout(), FEE, PENALTY, paid("2026-02-01", amount)], "2026-02-01", allocation=preset)
    assert portions(of_type(found, "repayment")[0]) == expected


@pytest.mark.parametrize(
    ("preset", "expected"),
    [  # 20.00 on 15 January; nothing has fallen due
        ("standard", ["0.00", "5.00", "10.00", "5.00", "0.00"]),
        ("due_first_in_advance_principal", ["20.00", "0.00", "0.00", "0.00", "0.00"]),
        ("due_first_interest_principal", ["5.00", "10.00", "0.00", "5.00", "0.00"]),
        ("cn_statutory", ["0.00", "10.00", "10.00", "0.00", "0.00"]),
    ],
)
def test_presets_in_advance(preset: str, expected: list[str]) -> None:
    found = answer([payout(), FEE, PENALTY, paid("2026-01-15", "20")], "2026-01-15", allocation=preset)
    assert portions(of_type(found, "repayment")[0]) == expected


@pytest.mark.parametrize("preset", DUE_FIRST)
@pytest.mark.parametrize("direction", ["horizontal", "vertical"])
def test_a_charge_that_has_fallen_due_is_due_whatever_its_installment(preset: str, direction: str) -> None:
    """A fee of 10.00 due on 10 February stands in installment 2, due on 1 March. 180.00 on 15 February:
    172.55 for installment 1, and the other 7.45 for the fee before anything in advance."""
    fee = event("charge", "2026-01-01", "10", kind="fee", id="f", due_date="2026-02-10")
    found = answer(
        [payout(), fee, paid("2026-02-15", "180")],
        "2026-02-15",
        allocation=preset,
        allocation_direction=direction,
    )
    assert portions(of_type(found, "repayment")[0]) == ["162.55", "10.00", "7.45", "0.00", "0.00"]


def test_horizontal_finishes_an_installment_vertical_a_component() -> None:
    """On 2 March installments 1 and 2 are past due; 100.00 pays interest first, 10.00 and 8.37."""
    events = [payout(), paid("2026-03-02", "100")]
    across = answer(events, "2026-03-02")
    assert column(across, "paid")[:2] == ["100.00", "0.00"]
    down = answer(events, "2026-03-02", allocation_direction="vertical")
    assert column(down, "paid")[:2] == ["91.63", "8.37"]


def test_money_in_advance_reaches_the_next_or_the_last_installment() -> None:
    """200.00 on 15 January, standard: 172.55 and 27.45 from the front, 172.53 and 27.47 from the end."""
    events = [payout(), paid("2026-01-15", "200")]
    assert column(answer(events, "2026-01-15"), "paid") == ["172.55", "27.45", *["0.00"] * 4]
    found = answer(events, "2026-01-15", future_installments="last")
    assert column(found, "paid") == [*["0.00"] * 4, "27.47", "172.53"]


def test_set_future_installments_counts_from_its_day() -> None:
    events = [
        payout(),
        paid("2026-01-10", "50"),
        event("set_future_installments", "2026-01-12", rule="last"),
        paid("2026-01-15", "50"),
    ]
    assert column(answer(events, "2026-01-15"), "paid") == ["50.00", *["0.00"] * 4, "50.00"]


def test_equal_shares_over_all_future_installments_the_remainder_on_the_last() -> None:
    """100.03 over six: 16.67 each, 0.01 more on the last."""
    found = answer([payout(), paid("2026-01-15", "100.03")], "2026-01-15", future_installments="reamortize")
    assert column(found, "paid") == [*["16.67"] * 5, "16.68"]


def test_equal_shares_are_repeated_while_money_and_debt_remain() -> None:
    """1,035.26 of 1,035.28: shares that an installment does not need go round again, down to the last 0.02."""
    found = answer([payout(), paid("2026-01-15", "1035.26")], "2026-01-15", future_installments="reamortize")
    assert found["totals"]["outstanding"] == "0.02"
    assert found["totals"]["overpaid"] == "0.00"


def test_vertical_shares_are_equal_within_each_bucket() -> None:
    """60.00: 10.00 of interest each; 10.00, 8.37, 6.73, 5.07, 3.40, 1.71 are needed, 35.28 in all. The rest,
    24.72 of principal, is 4.12 each."""
    found = answer(
        [payout(), paid("2026-01-15", "60")],
        "2026-01-15",
        allocation_direction="vertical",
        future_installments="reamortize",
    )
    assert column(found, "paid") == ["14.12", "12.49", "10.85", "9.19", "7.52", "5.83"]


def test_a_custom_order_may_pay_in_advance_before_past_due() -> None:
    """30.00 when installment 1 is past due: all of it on installment 2, 8.37 of interest and 21.63."""
    parts = ("penalty", "fee", "interest", "principal")
    order = [f"{when}.{part}" for when in ("in_advance", "past_due", "due") for part in parts]
    found = answer(
        [payout(), paid("2026-02-02", "30")], "2026-02-02", allocation="custom", allocation_order=order
    )
    assert column(found, "paid")[:2] == ["0.00", "30.00"]
    assert portions(of_type(found, "repayment")[0])[:2] == ["21.63", "8.37"]


def test_what_is_left_is_an_overpayment_that_a_later_charge_eats() -> None:
    """1,035.28 is owed, 1,050.00 paid: 14.72 too much; a fee of 10.00 leaves 4.72."""
    whole = [payout(), paid("2026-02-01", "1050", id="p")]
    found = answer(whole, "2026-02-02")
    assert (found["status"], found["totals"]["overpaid"]) == ("overpaid", "14.72")
    found = answer([*whole, event("charge", "2026-02-05", "10", kind="fee")], "2026-02-05")
    assert (found["status"], found["totals"]["overpaid"]) == ("overpaid", "4.72")
    found = answer([*whole, event("charge", "2026-02-05", "20", kind="fee")], "2026-02-05")
    assert (found["status"], found["totals"]["outstanding"]) == ("active", "5.28")
