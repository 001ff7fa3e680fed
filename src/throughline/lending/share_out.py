"""How a payment is shared over several debts of one borrower (Civil Code of China art. 560). Pure.

The debt that the borrower names comes first; then what is due before what is not; then the least secured; then the
heaviest; then the earliest; debts that are equal in all this are paid in proportion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Claim:
    """What is owed on a loan, due or not yet due; `due_on` is the oldest day on which it was, or will be, due.

    `burden_percent` is what it costs the borrower a year, `secured_minor` the security that stands behind it;
    amounts in minor units.
    """

    loan_id: UUID
    owed_minor: int
    due: bool
    due_on: date
    burden_percent: Decimal = Decimal(0)
    secured_minor: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """What a claim gets of the payment, in minor units, above zero."""

    claim: Claim
    amount_minor: int


def share_out(amount_minor: int, claims: Sequence[Claim], named: UUID | None = None) -> tuple[Share, ...]:
    """The shares of a payment in the order of paying; no claim gets more than is owed on it.

    `named` is the loan that the borrower names. What the shares leave over is more than is owed. Raises ValueError
    for a negative amount.
    """
    if amount_minor < 0:
        raise ValueError("a payment is not below zero")

    def rank(claim: Claim) -> tuple[bool, bool, int, Decimal, date]:
        return (
            claim.loan_id != named,
            not claim.due,
            claim.secured_minor,
            -claim.burden_percent,
            claim.due_on,
        )

    left = amount_minor
    shares: list[Share] = []
    owed = sorted((one for one in claims if one.owed_minor > 0), key=rank)
    for _, equal in groupby(owed, key=rank):
        for share in _in_proportion(left, list(equal)):
            shares.append(share)
            left -= share.amount_minor
    return tuple(shares)


def _in_proportion(amount_minor: int, claims: Sequence[Claim]) -> Iterator[Share]:
    """Shares by what is owed; the minor units that rounding leaves go to the largest fractions, then to the first."""
    total = sum(one.owed_minor for one in claims)
    amount = min(amount_minor, total)
    parts = [divmod(amount * one.owed_minor, total) for one in claims]
    left = amount - sum(whole for whole, _ in parts)
    ups = set(sorted(range(len(claims)), key=lambda place: -parts[place][1])[:left])
    for place, claim in enumerate(claims):
        share = parts[place][0] + (place in ups)
        if share:
            yield Share(claim, share)
