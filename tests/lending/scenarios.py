"""Loans for tests that compare the answer of `throughline lending replay` with figures computed by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from throughline.cli.batch import WrongInput
from throughline.cli.lending import _replayed

Event = dict[str, Any]
Answer = dict[str, Any]
FOLLOWS = {"enabled": True}  # interest_recalculation


def answer(events: list[Event], as_of: str, **terms: Any) -> Answer:
    """CNY 1,000 at 12 %, 6 months, 30/360 (1 % a month), with `terms`; replayed to a day.

    Its plan: installments of 172.55, the last 172.53; principal 162.55, 164.18, 165.82, 167.48, 169.15,
    170.82; interest 10.00, 8.37, 6.73, 5.07, 3.40, 1.71.
    """
    plain = {
        "principal": "1000",
        "annual_rate_percent": "12",
        "installments": 6,
        "day_count": {"year": "360", "month": "30"},
    }
    return _replayed({"currency": "CNY", "as_of": as_of, "terms": plain | terms, "events": events})


def refused(place: str, events: list[Event], as_of: str, **terms: Any) -> None:
    """Assert that the document is refused, and which place of it the refusal names."""
    with pytest.raises(
        WrongInput, match=f"^{place.translate({ord(one): chr(92) + one for one in '$.[]'})}: "
    ):
        answer(events, as_of, **terms)


def event(kind: str, on: str | None = None, amount: str | None = None, /, **more: Any) -> Event:
    """An event with its day and amount; `more` may write `from` as `from_`."""
    made: Event = {"type": kind, "date": on, "amount": amount}
    made |= {name.rstrip("_"): value for name, value in more.items()}
    return {name: value for name, value in made.items() if value is not None}


def payout(on: str = "2026-01-01", amount: str = "1000", **more: Any) -> Event:
    """A disbursement."""
    return event("disbursement", on, amount, **more)


def paid(on: str, amount: str, **more: Any) -> Event:
    """A repayment."""
    return event("repayment", on, amount, **more)


def table(found: Answer, *names: str) -> list[list[Any]]:
    """Some columns of the schedule."""
    return [[row[name] for name in names] for row in found["schedule"]]


def column(found: Answer, name: str) -> list[Any]:
    """One column of the schedule."""
    return [row[name] for row in found["schedule"]]


def of_type(found: Answer, kind: str) -> list[dict[str, Any]]:
    """The transactions of a type."""
    return [one for one in found["transactions"] if one["type"] == kind]


def portions(one: dict[str, Any]) -> list[str]:
    """Principal, interest, fees, penalties and overpayment of a transaction."""
    return [one[name] for name in ("principal", "interest", "fees", "penalties", "overpayment")]


def entry(found: Answer, transaction: str) -> dict[str, str]:
    """The lines of a transaction's journal entry: account to amount, credits with a minus."""
    lines = [line for one in found["journal"] if one["transaction"] == transaction for line in one["lines"]]
    return {line["account"]: line["debit"] or f"-{line['credit']}" for line in lines}


def sums(found: dict[str, Any]) -> dict[str, str]:
    """What all entries have done to each account, debits less credits; each entry balances by itself."""
    total: dict[str, Decimal] = {}
    for one in found["journal"]:
        changes = [
            (line["account"], Decimal(line["debit"] or 0) - Decimal(line["credit"] or 0))
            for line in one["lines"]
        ]
        assert sum(change for _, change in changes) == 0
        for account, change in changes:
            total[account] = total.get(account, Decimal(0)) + change
    return {account: str(change) for account, change in total.items() if change}
