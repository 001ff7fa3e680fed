"""What an address may carry today: its content ceiling, or why it must not be written to."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from throughline.kernel.i18n import N_
from throughline.messaging.classes import ContentClass
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from throughline.parties.records import ContactPoint, frozen_until_proved

FULL_TRUST = timedelta(days=30)
SOME_TRUST = timedelta(days=90)
# Without another word of `parties`, a proof of a number counts for no longer.
PROOF_GOOD_FOR = parties.PROOF_GOOD_FOR
# Carriers give a number to somebody else about 90 days after it stopped; we stop well before.
LONGEST_SUSPENSION = timedelta(days=60)
STRANGER_ABOVE = Decimal("0.2")

FROZEN = N_("The address is frozen: it may not be the borrower's any more")
STRANGER = N_("The number has probably been given to somebody else")
LONG_OFF = N_("The line has been off so long that the number may be given to somebody else")
LINE_OFF = N_("The phone line is suspended; the message is waiting for it")


def obstacle(point: ContactPoint, *, now: datetime) -> str | None:
    """Why nothing may go to this address now (a message id), or None."""
    if point.frozen_at is not None:
        return FROZEN
    if point.reassigned_probability > STRANGER_ABOVE:
        return STRANGER
    if point.suspended_at is not None and now - point.suspended_at >= LONGEST_SUSPENSION:
        return LONG_OFF
    if point.suspended_at is not None and point.kind is ContactKind.PHONE:
        return LINE_OFF
    return None


def obstacle_to_code(point: ContactPoint) -> str | None:
    """Why not even a code that proves the number may go to it, or None.

    A code says nothing to a stranger who reads it, and serves only in the session that asked for it. So doubt about
    whose number it is does not stop it, nor a belief that the line is off: the code is what ends them.
    """
    if point.frozen_at is not None and not frozen_until_proved(point.frozen_reason):
        return FROZEN
    return None


def ceiling(point: ContactPoint, *, now: datetime) -> ContentClass:
    """The highest content class for an address without obstacle.

    Trust fades with the time since its owner proved it; a delivery receipt proves nobody. A number that
    we never saw proved, and an address of somebody else, get C0 only. So does a number that may have been given
    back after its proof and be somebody else's by now, because nobody has told of the line meanwhile.
    """
    if point.owner != "self" or point.verified_at is None or point.suspended_at is not None:
        return ContentClass.C0
    if point.kind is ContactKind.PHONE and now > (point.content_until or point.verified_at + PROOF_GOOD_FOR):
        return ContentClass.C0
    age = now - point.verified_at
    if age <= FULL_TRUST:
        return ContentClass.C3
    return ContentClass.C2 if age <= SOME_TRUST else ContentClass.C0
