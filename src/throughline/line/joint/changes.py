"""A grant changes its state: the words for it, and telling others."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from throughline.kernel.events import publish
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.line.joint.events import JointGrantChanged
from throughline.line.joint.models import JointGrant
from throughline.line.joint.states import State

_STATES = {
    State.REQUESTED: N_("It is being ordered from the carrier."),
    State.GRANTED: N_("The carrier has granted it."),
    State.UNKNOWN: N_("It is not known yet whether the carrier granted it; we keep asking."),
}
_CODES = {
    "consent_withdrawn": N_("You withdrew your consent."),
    "borrower": N_("You ended it."),
    "staff": N_("We ended it."),
    "not_set_up": N_("We can't order this from the carrier at present."),
    "carrier_refused": N_("The carrier refused it. Nothing was charged."),
    "no_number": N_("The number is not known here any more."),
    "not_received": N_("The carrier never got the order. You can ask for it again."),
    "expired": N_("Its time is over."),
    "expired_unconfirmed": N_("Its time is over; the carrier has not confirmed it."),
    "used_up": N_("It is used up."),
    "line_cancelled": N_("The line is no longer with this carrier."),
    "carrier": N_("The carrier ended it."),
}


def say(state: State, code: str | None) -> Text:
    """What a state and its code mean, in both languages."""
    if state in _STATES:
        return bilingual(_STATES[state])
    return bilingual(_CODES.get(code or "", _CODES["carrier"]))


def change(session: Session, grant: JointGrant, to: State | None, code: str | None, *, now: datetime) -> None:
    """Put a locked grant into a state and publish it. `to` None: it has just been made."""
    old = None if to is None else grant.state
    if to is not None:
        grant.state = to.value
    grant.code = code
    grant.reason = say(State(grant.state), code)
    grant.changed_at = now
    session.flush()
    publish(
        session,
        JointGrantChanged(
            grant.id,
            grant.borrower_id,
            grant.line_id,
            grant.offer_id,
            grant.kind,
            old,
            grant.state,
            code,
            grant.reason,
        ),
        aggregate_type="joint_grant",
        aggregate_id=grant.id,
        borrower_id=grant.borrower_id,
    )
