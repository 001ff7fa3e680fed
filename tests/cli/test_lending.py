"""`throughline lending replay`: the books of a loan from a document, and every mistake named by its path."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_ops import places
from throughline.cli.batch import WrongInput
from throughline.cli.lending import _replayed

TERMS = {
    "principal": "1000",
    "annual_rate_percent": "12",
    "installments": 6,
    "day_count": {"year": "365"},
    "overdue_interest": {"annual_rate_percent": "18"},
}
EVENTS: list[dict[str, Any]] = [
    {"type": "disbursement", "date": "2026-01-01", "amount": "1000"},
    {"type": "close_of_business", "date": "2026-02-01"},
    {"type": "repayment", "id": "p1", "date": "2026-02-01", "amount": "172.48"},
    {
        "type": "charge",
        "id": "c1",
        "kind": "fee",
        "date": "2026-02-10",
        "due_date": "2026-03-01",
        "amount": "10",
    },
    {"type": "repayment", "id": "p2", "date": "2026-02-20", "amount": "50"},
    {"type": "reversal", "of": "p2", "date": "2026-02-21"},
    {"type": "delinquency_pause", "from": "2026-03-10", "to": "2026-03-20"},
    {"type": "waiver", "of": "c1", "date": "2026-03-25"},
    {"type": "close_of_business", "date": "2026-04-04"},
]
LOAN: dict[str, Any] = {"currency": "CNY", "as_of": "2026-04-05", "terms": TERMS, "events": EVENTS}


def balances(answer: dict[str, Any]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for entry in answer["journal"]:
        total = Decimal()
        for line in entry["lines"]:
            change = Decimal(line["debit"] or 0) - Decimal(line["credit"] or 0)
            sums[line["account"]] = sums.get(line["account"], Decimal()) + change
            total += change
        assert total == 0, entry
    return sums


def test_a_loan_from_payout_to_arrears() -> None:
    answer = _replayed(deepcopy(LOAN))
    assert answer["status"] == "active"
    first, second, *_ = answer["schedule"]
    assert (first["due"], first["paid"], first["outstanding"]) == ("172.48", "172.48", "0.00")
    assert (first["obligations_met_on"], second["fees"], second["waived"]) == ("2026-02-01", "10.00", "10.00")
    assert [(one["id"], one["reversed"]) for one in answer["transactions"] if one["type"] == "repayment"] == [
        ("p1", False),
        ("p2", True),
    ]
    late = answer["delinquency"]
    assert (late["past_due_days"], late["delinquent_days"]) == (35, 25)  # ten of them stood in the pause
    assert late["pauses"] == [{"from": "2026-03-10", "to": "2026-03-20"}]
    assert late["last_payment_amount"] == "172.48"


def test_the_journal_balances_and_says_what_the_schedule_says() -> None:
    answer = _replayed(deepcopy(LOAN))
    sums = balances(answer)
    unpaid = sum(Decimal(row["principal"]) for row in answer["schedule"]) - Decimal(
        next(one for one in answer["transactions"] if one["type"] == "repayment")["principal"]
    )
    assert sums["loans_receivable"] == unpaid
    assert sums["payout_clearing"] == -1000
    assert sums["collection_clearing"] == Decimal("172.48")
    assert sums["fee_receivable"] == 0  # charged when due, waived later


def test_a_loan_that_is_paid_off_is_closed_and_everything_earned() -> None:
    events = [EVENTS[0], {"type": "pay_off", "date": "2026-01-20"}, EVENTS[1]]
    answer = _replayed({**LOAN, "events": events})
    assert answer["status"] == "closed_obligations_met"
    assert answer["totals"]["outstanding"] == "0.00"
    sums = balances(answer)
    assert sums["loans_receivable"] == sums["interest_receivable"] == 0
    assert -sums["interest_income"] == Decimal(answer["totals"]["interest"])


def test_a_draft_needs_no_payout() -> None:
    terms = TERMS | {"expected_disbursement_date": "2026-01-01"}
    answer = _replayed({**LOAN, "terms": terms, "events": []})
    assert answer["status"] == "approved"
    assert len(answer["schedule"]) == 6
    assert answer["journal"] == []
    assert _replayed({**LOAN, "events": []})["schedule"] == []


def test_income_of_closed_days_is_shown_among_the_transactions() -> None:
    answer = _replayed(deepcopy(LOAN))
    income = [one for one in answer["transactions"] if one["type"] == "accrual"]
    posted = {
        entry["transaction"] for entry in answer["journal"] if entry["transaction"].startswith("accrual:")
    }
    assert {one["id"] for one in income} == posted
    assert all(
        Decimal(one["amount"]) == Decimal(one["interest"]) + Decimal(one["fees"]) + Decimal(one["penalties"])
        for one in income
    )


def test_recording_twice_is_refused_and_order_of_value_dates_is_free() -> None:
    late = {"type": "repayment", "id": "p0", "date": "2026-01-15", "amount": "20"}
    answer = _replayed({**LOAN, "events": [*EVENTS, late]})
    balances(answer)
    assert [one["id"] for one in answer["transactions"] if one["type"] != "accrual"][:2] == ["#1", "p0"]
    with pytest.raises(WrongInput, match=r"\$\.events\[9\]\.id"):
        _replayed({**LOAN, "events": [*EVENTS, EVENTS[2]]})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"currency": "XXQ"}, "$"),
        ({"as_of": "tomorrow"}, "$.as_of"),
        ({"terms": None}, "$.terms"),
        ({"terms": TERMS | {"installments": "6"}}, "$.terms.installments"),
        ({"terms": TERMS | {"interest_method": "round"}}, "$.terms.interest_method"),
        ({"events": [{"type": "miracle", "date": "2026-01-01"}]}, "$.events[0].type"),
        ({"events": [{"type": "repayment", "date": "2026-01-01", "amount": "1"}]}, "$.events[0].type"),
        ({"events": [EVENTS[0], {"type": "reversal", "of": "nobody", "date": "2026-01-02"}]}, "$.events[1].of"),
        ({"events": [EVENTS[0], {"type": "repayment", "date": "2026-01-02", "amount": 5}]}, "$.events[1].amount"),
        ({"events": [EVENTS[0], {"type": "repayment", "date": "2026-01-02", "amount": "0.001"}]}, "$.events[1].amount"),
        ({"events": [EVENTS[0] | {"note": "x"}]}, "$.events[0].note"),
        ({"events": [EVENTS[0], {"type": "charge", "id": "c", "date": "2026-01-02", "amount": "1"}]}, "$.events[1].kind"),
        ({"events": [EVENTS[0], {"type": "due_date_shift", "from_due_date": "2026-02-02", "to_due_date": "2026-02-05"}]},
         "$.events[1]"),
        ({"extra": 1}, "$.extra"),
    ],
)  # fmt: skip
def test_every_mistake_is_named_by_its_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(WrongInput) as wrong:
        _replayed({**LOAN, **change})
    assert str(wrong.value).startswith(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["currency", "as_of", "terms", "events"]), JSON)
def test_no_document_ends_in_a_traceback(field: str, value: Any) -> None:
    try:
        _replayed({**LOAN, field: value})
    except WrongInput:
        return


@given(st.integers(0, len(EVENTS) - 1), st.sampled_from(["type", "date", "amount", "of", "id", "from"]), JSON)
def test_no_event_ends_in_a_traceback(place: int, field: str, value: Any) -> None:
    events = deepcopy(EVENTS)
    events[place][field] = value
    try:
        balances(_replayed({**LOAN, "events": events}))
    except WrongInput:
        return


def test_as_a_command(tmp_path: Path) -> None:
    file = tmp_path / "loans.jsonl"
    file.write_text(json.dumps(LOAN) + "\n" + json.dumps({**LOAN, "as_of": 1}) + "\n")
    answer = places.command("lending", "replay", str(file), env=os.environ)
    assert answer.returncode == 2
    good, bad = (json.loads(line) for line in answer.stdout.splitlines())
    assert good == _replayed(deepcopy(LOAN))
    assert bad["error"].startswith("$.as_of")
    table = places.command("lending", "replay", "-", env=os.environ, input=json.dumps(LOAN))
    assert table.returncode == 0
    assert "past due 35 days" in table.stdout
