"""Proving a number over the carrier's own mobile network: the browser goes to the carrier, and comes back.

`identity` binds the visit to the session, `line` asks the carrier, and a proof does what a code that came back does
(`numbers.proved`). The visit ends and the question is written in one transaction; then, outside any, the carrier is
asked; then its answer is written. A visit that comes back twice is asked about once.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.continuity import numbers
from throughline.continuity.numbers import NumberState
from throughline.identity import carrier_visits
from throughline.identity import service as identity
from throughline.identity.service import LoginSession, Visit
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import Conflict, NotFound
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.kernel.settings import settings
from throughline.line.feed import number_checks
from throughline.line.feed.number_checks import CheckResult, Question, Told
from throughline.parties import service as parties

RETURN_PATH = "/account/number-proof"
AIM = "prove_number"
MAX_WORD = 4_000


class NotOffered(Conflict):
    """No carrier that is set up serves this number and checks numbers by its network."""

    code = "network-proof-not-offered"
    title = N_(
        "The carrier of this number does not check numbers over its network for us; prove it by a code"
    )


class NumberNotUsed(Conflict):
    """The number is barred for a reason that no proof ends."""

    code = "number-not-used"
    title = N_("This number is not used any more. Please call us if it should be.")


class UnknownCheck(NotFound):
    """No visit to a carrier has this id, or it was somebody else's."""

    code = "unknown-number-check"
    title = N_("There was no such question to your carrier")


@dataclass(frozen=True, slots=True)
class Going:
    """Where the browser is to go, until when. The address holds a secret of this session."""

    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Returned:
    """What the carrier gave the browser to bring back. Nothing of it is believed."""

    state: str = field(repr=False)
    code: str | None = field(default=None, repr=False)
    error: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """How a visit ended: the number, the result, and what it means for the person."""

    id: UUID
    contact_point_id: UUID
    result: CheckResult
    why: Text


_WHY = {
    CheckResult.PROVED: N_(
        "Your carrier has confirmed that you came over the line of this number. It is proved; messages go to it."
    ),
    CheckResult.OTHER_NUMBER: N_(
        "Your carrier says that you came over the line of another number. If your phone has two SIM cards, turn on the "
        "mobile data of this number's SIM and try again. Nothing was changed."
    ),
    CheckResult.NOT_ON_NETWORK: N_(
        "Your carrier could not see which line you came over. That is so over Wi-Fi, over a VPN, or over the data of "
        "another carrier. Turn Wi-Fi off, open this page over the mobile data of this number, and try again. Nothing "
        "was changed."
    ),
    CheckResult.DENIED: N_(
        "Your carrier has no permission of yours to tell us this, or it was withdrawn. You can permit it and try "
        "again, or prove the number in another way. Nothing was changed."
    ),
    CheckResult.REFUSED: N_(
        "Your carrier did not answer our question about this number. Trying again will hardly help; prove the number "
        "in another way. Nothing was changed."
    ),
    CheckResult.TOO_LATE: N_(
        "It took too long until you came back from your carrier, so that its answer does not count any more. Try "
        "again. Nothing was changed."
    ),
    CheckResult.NO_ANSWER: N_(
        "Your carrier has not answered. It may be out of order just now: try again later, or prove the number in "
        "another way. Nothing was changed."
    ),
}


def begin(
    session: Session,
    login: LoginSession,
    contact_point_id: UUID,
    *,
    proof_id: UUID | None = None,
    now: datetime,
    real_now: datetime,
) -> Going:
    """Send the browser to the number's carrier. A number that was never theirs for us needs an approval.

    Raises `UnknownContactPoint`, `NumberNotUsed`, `NotOffered`, `ConsentMissing`, `LevelTooLow`, `StepUpNeeded`,
    `ProofRefused`, `TooManyVisits`, `SimIsNew`.
    """
    point = numbers.own(session, login, contact_point_id)
    if numbers.state_of(point)[0] is NumberState.BARRED:
        raise NumberNotUsed
    claimed = point.owner == "claimed"
    if claimed:
        numbers.may_add(session, login, now=now)
    carrier = number_checks.carrier_of(session, contact_point_id, now=now)
    if carrier is None:
        raise NotOffered
    visit = identity.begin_carrier_visit(
        session,
        login,
        contact_point_id,
        parties.index_of(session, contact_point_id),
        carrier=carrier,
        aim=AIM,
        new_number=claimed,
        proof_id=proof_id,
        now=real_now,
    )
    url = number_checks.address(
        carrier,
        redirect_uri=return_address(),
        state=visit.state,
        nonce=visit.nonce,
        challenge=identity.challenge_of(visit.verifier),
    )
    return Going(url, visit.expires_at)


def finish(login: LoginSession, returned: Returned) -> UUID:
    """The browser is back: ask the carrier, once a visit, and believe what it says; the id of the check.

    Opens transactions of its own. Raises `LevelTooLow`, `VisitGone`, `ConsentMissing`, `UnknownContactPoint`.
    """
    if not _readable(returned):
        raise identity.VisitGone
    visit, question = database().run(lambda session: _take(session, login, returned))
    if question is None:
        return visit.id
    told = _answer(visit, question, returned)
    database().run(lambda session: _record(session, login, visit, told))
    return visit.id


def checked(session: Session, login: LoginSession, check_id: UUID) -> Checked:
    """How one of the borrower's visits ended. Raises `UnknownCheck`."""
    found = number_checks.result_of(session, login.subject_id, check_id)
    if found is None:
        raise UnknownCheck
    contact_point_id, result = found
    return Checked(check_id, contact_point_id, result, bilingual(_WHY[result]))


def return_address() -> str:
    """Where carriers send browsers back to, as it must be registered with them."""
    return str(settings().base_url).rstrip("/") + RETURN_PATH


def _readable(returned: Returned) -> bool:
    words = (returned.state, returned.code, returned.error, returned.issuer)
    plain = all(
        one is None or (one.isascii() and one.isprintable() and len(one) <= MAX_WORD) for one in words
    )
    return plain and bool(returned.code) is not bool(returned.error)


def _take(session: Session, login: LoginSession, returned: Returned) -> tuple[Visit, Question | None]:
    """End the visit and write its question; no question where it came back before."""
    visit = identity.end_carrier_visit(session, login, returned.state, aim=AIM, now=clock.real_now())
    if visit.again:
        return visit, None
    numbers.own(session, login, visit.contact_point_id)
    question = number_checks.begin(
        session, login.subject_id, visit.id, visit.contact_point_id, visit.carrier, now=clock.now()
    )
    return visit, question


def _answer(visit: Visit, question: Question, returned: Returned) -> Told:
    if returned.issuer is not None:
        expected = number_checks.issuer(visit.carrier)
        if expected is None or not hmac.compare_digest(returned.issuer.rstrip("/"), expected):
            return Told(CheckResult.REFUSED, "issuer")  # RFC 9207: another server's answer
    if returned.error:
        return number_checks.of_error(returned.error)
    return number_checks.ask(
        question,
        returned.code or "",
        verifier=visit.verifier,
        nonce=visit.nonce,
        redirect_uri=return_address(),
    )


def _record(session: Session, login: LoginSession, visit: Visit, told: Told) -> None:
    now = clock.now()
    point = numbers.own(session, login, visit.contact_point_id)
    if told.result is CheckResult.PROVED and numbers.state_of(point)[0] is NumberState.BARRED:
        told = Told(CheckResult.REFUSED, "barred", told.cost_minor)  # it was barred meanwhile
    result = number_checks.record(session, login.subject_id, visit.id, told, now=now)
    if result is CheckResult.PROVED:
        identity.number_proved(session, login, visit.contact_point_id)
        numbers.proved(session, login, point, carrier_visits.METHOD, now=now)
