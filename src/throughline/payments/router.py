"""Which rails may take a payout, and why the others may not. Pure.

A rail that needs the payee to act on a phone is never chosen unless the payee's line is known to be
active: the money would sit there for a day and come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from throughline.kernel.i18n import N_
from throughline.payments.ports import Capabilities
from throughline.payments.states import Direction

LINE_ACTIVE = "active"

NO_RAIL = N_("No way of payment is set up that could carry this out")
WRONG_CURRENCY = N_("This way of payment does not carry the currency")
TOO_MUCH = N_("The amount is above the limit of this way of payment")
NEEDS_PHONE = N_("This way of payment needs a tap on a phone whose line is not known to work")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rail that is set up. `own_bank_account`: it pays to the payee's own bank account."""

    name: str
    capabilities: Capabilities
    own_bank_account: bool


@dataclass(frozen=True, slots=True)
class Routing:
    """Rails in the order to be tried, and for each dropped one the reason (a message id)."""

    choices: tuple[str, ...]
    dropped: tuple[tuple[str, str], ...]

    @property
    def reason(self) -> str:
        """Why nothing is left, for people: the first dropped rail's reason."""
        return self.dropped[0][1] if self.dropped else NO_RAIL


def route_payout(amount_minor: int, currency: str, line_state: str, rails: Iterable[Candidate]) -> Routing:
    """The rails for a payout: the payee's own bank account first, then by cost, then by name.

    If none is left the order waits with the reason; it is never sent into a rail that cannot end.
    """
    fit: list[Candidate] = []
    dropped: list[tuple[str, str]] = []
    for rail in rails:
        if rail.capabilities.direction is not Direction.OUT:
            continue
        reason = _objection(amount_minor, currency, line_state, rail.capabilities)
        if reason is None:
            fit.append(rail)
        else:
            dropped.append((rail.name, reason))
    fit.sort(key=lambda rail: (not rail.own_bank_account, rail.capabilities.cost_minor, rail.name))
    return Routing(tuple(rail.name for rail in fit), tuple(dropped))


def _objection(amount_minor: int, currency: str, line_state: str, can: Capabilities) -> str | None:
    if can.currency != currency:
        return WRONG_CURRENCY
    if amount_minor > can.max_amount_minor:
        return TOO_MUCH
    if can.needs_payee_action and line_state != LINE_ACTIVE:
        return NEEDS_PHONE
    return None
