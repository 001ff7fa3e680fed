"""A borrower's own phone numbers: how each stands, proving one by a code, adding one, giving one up.

`identity` makes and checks the code, `messaging` carries it, `parties` keeps the proof; here they meet. The borrower
is signed in by factors that need no line, and a code changes nothing about how far the session is trusted. Proving
one over the carrier's network has a file of its own (`network.py`); what a proof does is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.identity import policy
from throughline.identity import service as identity
from throughline.identity.levels import Level
from throughline.identity.service import LoginSession
from throughline.kernel.errors import Forbidden
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.line import privacy
from throughline.line import service as line
from throughline.line.feed import number_checks, swaps
from throughline.messaging import service as messaging
from throughline.messaging import standing
from throughline.messaging.classes import MessageClass
from throughline.messaging.service import NewIntent
from throughline.notary import service as notary
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind
from throughline.parties.purposes import Purpose
from throughline.parties.records import ContactPoint, frozen_until_proved

METHOD = "sms_code"
SIM_IS_NEW_FOR = timedelta(hours=72)
NOTICE_LIFE = timedelta(days=7)


class NumberState(StrEnum):
    """How a number of a borrower stands."""

    PROVED = "proved"
    UNPROVED = "unproved"  # given at registration, never shown to be theirs
    CLAIMED = "claimed"  # added, and nothing goes there until a code came back
    FROZEN = "frozen"  # perhaps somebody else's
    GIVEN_UP = "given_up"
    BARRED = "barred"  # for a reason that no code ends


@dataclass(frozen=True, slots=True)
class Number:
    """One number, masked. `why`: the state in plain words. `code_until`: a code waits for being typed until then.

    `by_network`: it can be proved over the network of its carrier.
    """

    contact_point_id: UUID
    masked: str
    state: NumberState
    why: Text
    proved_at: datetime | None
    frozen_at: datetime | None
    code_until: datetime | None
    by_network: bool


class SimIsNew(Forbidden):
    """The SIM of one of their numbers was changed lately: whoever did it shall not add a number of their own."""

    code = "sim-is-new"
    title = N_(
        "The SIM card of your number was changed lately; another number can be added three days after that"
    )


_WHY = {
    privacy.REASSIGNED: N_(
        "The carrier or a check says that this number may have been given to somebody else. So we send nothing "
        "there until you show that it is still yours."
    ),
    privacy.ENDED: N_(
        "The number was cancelled as far as we know. So we send nothing there until you show that it is yours."
    ),
    privacy.LONG_OFF: N_(
        "The line was off for so long that the carrier may have given the number to somebody else. So we send "
        "nothing there until you show that it is still yours."
    ),
}
_STRANGER = N_(
    "The number may be somebody else's by now. So we send nothing there until you show that it is still yours."
)
_STATES = {
    NumberState.PROVED: N_("You have shown that this number is yours."),
    NumberState.UNPROVED: N_(
        "You have not shown yet that this number is yours. We send notices without content there."
    ),
    NumberState.CLAIMED: N_("Nothing goes to this number until you have shown that it is yours."),
    NumberState.GIVEN_UP: N_(
        "You told us that this number is no longer yours. Nothing goes there, and nobody is asked about it."
    ),
    NumberState.BARRED: N_("This number is not used any more. Please call us if it should be."),
}


def state_of(point: ContactPoint) -> tuple[NumberState, Text]:
    """How a number stands and why. Pure."""
    if point.frozen_reason == parties.GIVEN_UP:
        state = NumberState.GIVEN_UP
    elif frozen_until_proved(point.frozen_reason):
        return NumberState.FROZEN, bilingual(_WHY.get(point.frozen_reason or "", _STRANGER))
    elif point.frozen_at is not None:
        state = NumberState.BARRED
    elif point.reassigned_probability > standing.STRANGER_ABOVE:
        return NumberState.FROZEN, bilingual(_STRANGER)
    elif point.owner == "claimed":
        state = NumberState.CLAIMED
    else:
        state = NumberState.UNPROVED if point.verified_at is None else NumberState.PROVED
    return state, bilingual(_STATES[state])


def numbers(session: Session, login: LoginSession, *, real_now: datetime) -> list[Number]:
    """The borrower's own numbers, oldest first (at most 20)."""
    return [
        _number(session, login, point, real_now=real_now)
        for point in parties.contact_points(session, login.subject_id)
        if _own(point)
    ]


def number(session: Session, login: LoginSession, contact_point_id: UUID, *, real_now: datetime) -> Number:
    """One of them. Raises `UnknownContactPoint`, also for somebody else's."""
    return _number(session, login, own(session, login, contact_point_id), real_now=real_now)


def add(session: Session, login: LoginSession, phone: str, *, now: datetime) -> UUID:
    """Add a number of their own, which carries nothing until it is proved; the id, also of one that is there.

    Raises `LevelTooLow`, `InvalidPersonalData`, `TooManyContactPoints`, `SimIsNew`.
    """
    _known_well(login)
    may_add(session, login, now=now)
    return parties.add_contact_point(
        session, login.subject_id, ContactKind.PHONE, phone, owner="claimed", now=now
    )


def send_code(
    session: Session,
    login: LoginSession,
    contact_point_id: UUID,
    *,
    proof_id: UUID | None = None,
    now: datetime,
    real_now: datetime,
) -> datetime:
    """Send a code to a number; until when it can be typed. One that was never theirs for us needs an approval.

    Raises `UnknownContactPoint`, `LevelTooLow`, `StepUpNeeded`, `TooManyNumberCodes`, `CodeNotSent`, `SimIsNew`.
    """
    point = own(session, login, contact_point_id)
    claimed = point.owner == "claimed"
    if claimed:
        may_add(session, login, now=now)
    made = identity.begin_number_code(
        session,
        login,
        contact_point_id,
        parties.index_of(session, contact_point_id),
        new_number=claimed,
        proof_id=proof_id,
        now=real_now,
    )
    messaging.send_code(
        session,
        login.subject_id,
        contact_point_id,
        made.code,
        key=f"number-code:{made.id}",
        deadline=now + (made.expires_at - real_now),
        now=now,
    )
    return made.expires_at


def confirm(
    session: Session,
    login: LoginSession,
    contact_point_id: UUID,
    code: str,
    *,
    now: datetime,
    real_now: datetime,
) -> None:
    """The code came back: the number is theirs from now on. Raises `UnknownContactPoint`, `LevelTooLow`,
    `WrongNumberCode`, `TooManyCodeTries`."""
    point = own(session, login, contact_point_id)
    identity.finish_number_code(session, login, contact_point_id, code, now=real_now)
    proved(session, login, point, METHOD, now=now)


def proved(session: Session, login: LoginSession, point: ContactPoint, method: str, *, now: datetime) -> None:
    """What follows from a proof, however it was made: the number is believed, the proof recorded and told."""
    parties.verify_contact_point(session, point.id, now=now, method=method)
    _commit(session, login, "number.proved", point.id, method=method, now=now)
    template = "number_added" if point.owner == "claimed" else "number_proved"
    _tell(session, login, template, point, now=now)


def own(session: Session, login: LoginSession, contact_point_id: UUID) -> ContactPoint:
    """One of the borrower's own numbers. Raises `UnknownContactPoint`, also for somebody else's."""
    point = parties.contact_point(session, contact_point_id)
    if point.borrower_id != login.subject_id or not _own(point):
        raise parties.UnknownContactPoint
    return point


def may_add(session: Session, login: LoginSession, *, now: datetime) -> None:
    """By the assurance table: what it asks for beyond an approval nobody can bring here. Raises `SimIsNew`."""
    for one in line.lines_of(session, login.subject_id):
        changes = swaps.known(session, login.subject_id, one.line_id)
        changed = any(swap.kind == "sim" and now - swap.changed_at < SIM_IS_NEW_FOR for swap in changes)
        level = policy.required_level("add_phone", one.state, number_changed=changed)
        if level is None or level > Level.A2_PLUS:
            raise SimIsNew


def give_up(session: Session, login: LoginSession, contact_point_id: UUID, *, now: datetime) -> None:
    """This number is no longer theirs: nothing goes there. Safe to repeat. Raises `LevelTooLow`."""
    _known_well(login)
    point = own(session, login, contact_point_id)
    if state_of(point)[0] in {NumberState.GIVEN_UP, NumberState.BARRED}:
        return
    parties.give_up_contact_point(session, contact_point_id, now=now)
    _commit(session, login, "number.given_up", contact_point_id, now=now)
    _tell(session, login, "number_given_up", point, now=now)


def _number(session: Session, login: LoginSession, point: ContactPoint, *, real_now: datetime) -> Number:
    state, why = state_of(point)
    waits = identity.code_waits_until(session, login, point.id, now=real_now)
    network = (
        state is not NumberState.BARRED and number_checks.carrier_that_checks(session, point.id) is not None
    )
    return Number(point.id, point.masked, state, why, point.verified_at, point.frozen_at, waits, network)


def _own(point: ContactPoint) -> bool:
    return point.kind is ContactKind.PHONE and point.owner in {"self", "claimed"}


def _known_well(login: LoginSession) -> None:
    if login.level < Level.A2:
        raise identity.LevelTooLow


def _commit(
    session: Session,
    login: LoginSession,
    kind: str,
    contact_point_id: UUID,
    *,
    method: str = METHOD,
    now: datetime,
) -> None:
    notary.commit(
        session,
        login.subject_id,
        kind,
        {"contact_point": str(contact_point_id), "method": method, "session_level": login.level.label},
        now=now,
    )


def _tell(
    session: Session, login: LoginSession, template: str, point: ContactPoint, *, now: datetime
) -> None:
    """Whoever did this, the person hears of it."""
    messaging.request(
        session,
        NewIntent(
            borrower_id=login.subject_id,
            idem_key=f"{template}:{point.id}:{now.isoformat()}",
            purpose=Purpose.IDENTITY.value,
            klass=MessageClass.SAFETY.value,
            template=template,
            params={"number": point.masked},
            deadline=now + NOTICE_LIFE,
        ),
        now=now,
    )
