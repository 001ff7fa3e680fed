"""Permitting questions about a line at its carrier, where the carrier keeps a ledger of consents of its own.

Our consent is one thing, the carrier's another: without it the carrier refuses our questions, and nobody would know
that the line is out. The person sees how it stands there, and goes to the carrier's page to permit it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.continuity import numbers
from throughline.continuity.numbers import NumberState
from throughline.identity import service as identity
from throughline.identity.service import LoginSession
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import Conflict, NotFound
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.kernel.settings import settings
from throughline.line.feed import permissions
from throughline.line.feed.permissions import LedgerQuestion, Permission
from throughline.parties import service as parties

RETURN_PATH = "/account/carrier-permission"
AIM = "permission"
LIFE = timedelta(minutes=15)  # the person reads and decides on the carrier's page


class NoLedger(Conflict):
    """The carrier keeps no ledger of its own, or the number has no line that is watched."""

    code = "no-carrier-permission"
    title = N_("The carrier of this number asks for no permission of its own")


class UnknownPermission(NotFound):
    """No question of this id, or it was somebody else's."""

    code = "unknown-carrier-permission"
    title = N_("There was no such question to your carrier")


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands, in plain words."""

    id: UUID
    contact_point_id: UUID
    permission: Permission
    why: Text


_WHY = {
    Permission.GIVEN: N_(
        "You have permitted it at your carrier. It answers us about your line, so that we can protect you when it does "
        "not work."
    ),
    Permission.NEEDED: N_(
        "You have not permitted it at your carrier yet. Until you do, it tells us nothing about your line, and we may "
        "learn late that it is out."
    ),
    Permission.WITHHELD: N_(
        "It is not permitted at your carrier, and your carrier has no page where you could change that. Ask your "
        "carrier, in a shop or by its app."
    ),
    Permission.REFUSED: N_(
        "Your carrier does not tell us how it stands. Ask your carrier, or try again later."
    ),
    Permission.NO_ANSWER: N_("Your carrier has not answered. Try again later. Nothing was changed."),
}


@dataclass(frozen=True, slots=True)
class Begun:
    """A visit that may follow; `state` goes with the browser."""

    id: UUID
    contact_point_id: UUID
    state: str = field(repr=False)


def offered(session: Session, login: LoginSession, contact_point_id: UUID) -> bool:
    """Whether the carrier of this number wants a permission of its own. Raises `UnknownContactPoint`."""
    return _carrier(session, login, contact_point_id) is not None


def begin(session: Session, login: LoginSession, contact_point_id: UUID) -> Begun:
    """Begin a visit, which may follow. Raises `UnknownContactPoint`, `NoLedger`, `LevelTooLow`, `TooManyVisits`."""
    carrier = _carrier(session, login, contact_point_id)
    if carrier is None:
        raise NoLedger
    visit = identity.begin_carrier_visit(
        session,
        login,
        contact_point_id,
        parties.index_of(session, contact_point_id),
        carrier=carrier,
        aim=AIM,
        life=LIFE,
        now=clock.real_now(),
    )
    return Begun(visit.id, contact_point_id, visit.state)


def page_of(login: LoginSession, begun: Begun) -> str | None:
    """Ask how it stands; the carrier's page where the person can permit it, or None where there is nothing to do.

    Opens transactions of its own. Raises `ConsentMissing`, `UnknownContactPoint`, `NoLedger`.
    """
    question = database().run(lambda session: _question(session, login, begun.id, begun.contact_point_id))
    said = permissions.ask(question, callback_url=return_address())
    database().run(
        lambda session: permissions.record(session, login.subject_id, begun.id, said, now=clock.now())
    )
    return permissions.with_state(said.page, begun.state) if said.page is not None else None


def finish(login: LoginSession, state: str) -> UUID:
    """The browser is back from the carrier's page: ask the ledger, once a visit. Opens transactions of its own.

    Raises `LevelTooLow`, `VisitGone`, `ConsentMissing`, `UnknownContactPoint`.
    """
    if not state.isascii():
        raise identity.VisitGone

    def take(session: Session) -> tuple[UUID, LedgerQuestion | None]:
        visit = identity.end_carrier_visit(session, login, state, aim=AIM, now=clock.real_now())
        if visit.again:
            return visit.id, None
        return visit.id, _question(session, login, visit.id, visit.contact_point_id)

    visit_id, question = database().run(take)
    if question is not None:
        said = permissions.ask(question, callback_url=None)
        if said.permission is Permission.WITHHELD:
            said = permissions.Standing(Permission.NEEDED, None, said.code)
        database().run(
            lambda session: permissions.record(session, login.subject_id, visit_id, said, now=clock.now())
        )
    return visit_id


def standing(session: Session, login: LoginSession, visit_id: UUID) -> Standing:
    """How it stood when it was asked last. Raises `UnknownPermission`."""
    found = permissions.result_of(session, login.subject_id, visit_id)
    if found is None:
        raise UnknownPermission
    contact_point_id, permission = found
    return Standing(visit_id, contact_point_id, permission, bilingual(_WHY[permission]))


def return_address() -> str:
    """Where carriers send browsers back to, as it must be registered with them."""
    return str(settings().base_url).rstrip("/") + RETURN_PATH


def _carrier(session: Session, login: LoginSession, contact_point_id: UUID) -> str | None:
    """The carrier to ask; none about a number that may be a stranger's, was only claimed, or is not used."""
    point = numbers.own(session, login, contact_point_id)
    if numbers.state_of(point)[0] not in {NumberState.PROVED, NumberState.UNPROVED}:
        return None
    return permissions.carrier_with_ledger(session, contact_point_id)


def _question(
    session: Session, login: LoginSession, visit_id: UUID, contact_point_id: UUID
) -> LedgerQuestion:
    carrier = _carrier(session, login, contact_point_id)
    if carrier is None:
        raise NoLedger
    return permissions.begin(session, login.subject_id, visit_id, contact_point_id, carrier, now=clock.now())
