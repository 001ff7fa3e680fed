"""What one person may not do alone, and who may decide about it: the rules, without I/O.

The first person proposes, the second approves or refuses. People are told apart by how the history names
them ("staff:<id>", "service:<id>"): that one human holds two of these is for the lender to prevent.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from throughline.kernel.errors import Conflict, Forbidden, Invalid
from throughline.kernel.i18n import N_
from throughline.lending.history import EventType

MAX_REASON = 500  # characters
PRODUCT = "product_publish"  # the one kind of proposal that is no event of a loan
# Money that leaves or debt that is given up, for good or by a mistake, without the borrower having acted.
KINDS = frozenset(
    {
        EventType.WRITE_OFF,
        EventType.UNDO_WRITE_OFF,
        EventType.REFUND_OF_OVERPAYMENT,
        EventType.PAYOUT_REFUND,
        EventType.MERCHANT_REFUND,
    }
)


class ProposalState(StrEnum):
    """Where a proposal stands. `expired` is never stored: it is a proposal that waited too long."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    FAILED = "failed"  # approved, but the loan or the rules had moved on: nothing was recorded


class OwnProposal(Forbidden):
    code = "own-proposal"
    title = N_("This is your own proposal: somebody else must decide, you may withdraw it")


class NotYourProposal(Forbidden):
    code = "not-your-proposal"
    title = N_("Only who made a proposal may withdraw it; you may refuse it")


class ProposalDecided(Conflict):
    """The proposal waits no longer. `state` says what became of it."""

    code = "proposal-decided"
    title = N_("This proposal is decided already: look at what became of it")


class ProposalExpired(Conflict):
    code = "proposal-expired"
    title = N_("This proposal has waited too long and counts no more: make it anew if it is still right")


class ReasonMissing(Invalid):
    code = "reason-missing"
    title = N_("Give a reason of at most 500 characters: somebody else reads it")


class ReasonNotKept(Invalid):
    code = "reason-not-kept"
    title = N_("This needs no second person: leave the reason out, it would not be kept")


def alone_forbidden(kind: EventType, *, fraud: bool = False) -> bool:
    """Whether an event of this type needs a second person; a charge-off does as fraud."""
    return kind in KINDS or (kind is EventType.CHARGE_OFF and fraud)


def scope_of(kind: str) -> str:
    """The scope that proposing and deciding need alike."""
    return "lending:products" if kind == PRODUCT else "lending:write"


def standing(stored: str, expires_at: datetime, now: datetime) -> ProposalState:
    """The state of a proposal at a time."""
    state = ProposalState(stored)
    late = state is ProposalState.WAITING and now >= expires_at
    return ProposalState.EXPIRED if late else state


def check_decider(
    kind: str, state: ProposalState, proposed_by: str, *, by: str, scopes: Collection[str]
) -> None:
    """Raise unless `by` may approve or refuse. Raises Forbidden, OwnProposal, ProposalDecided, ProposalExpired."""
    _check_scope(kind, scopes)
    if by == proposed_by:
        raise OwnProposal
    _check_waits(state)


def check_withdrawer(
    kind: str, state: ProposalState, proposed_by: str, *, by: str, scopes: Collection[str]
) -> None:
    """Raise unless `by` may withdraw. Raises Forbidden, NotYourProposal, ProposalDecided, ProposalExpired."""
    _check_scope(kind, scopes)
    if by != proposed_by:
        raise NotYourProposal
    _check_waits(state)


def _check_scope(kind: str, scopes: Collection[str]) -> None:
    scope = scope_of(kind)
    if scope not in scopes:
        raise Forbidden(N_("This needs the permission %(scope)s"), scope=scope)


def _check_waits(state: ProposalState) -> None:
    if state is ProposalState.EXPIRED:
        raise ProposalExpired
    if state is not ProposalState.WAITING:
        raise ProposalDecided(ProposalDecided.title, state=state.value)
