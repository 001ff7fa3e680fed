"""Does the browser that came over a carrier's network have this number? Asked once a visit, for fraud prevention.

In three steps, as every question: the row is written with its consent, the carrier is asked outside any transaction,
what came of it is written. Nothing here believes the answer: who the person is and what a proof does is for others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from throughline.kernel.logging import get_logger
from throughline.line.adapters.camara import number_verification, sign_on
from throughline.line.adapters.camara.calls import Caller, Reply, Subject
from throughline.line.adapters.camara.tokens import DPV, CodeRefused, NoToken
from throughline.line.feed.directory import directory
from throughline.line.feed.models import CarrierVisit
from throughline.line.models import Line
from throughline.line.ports import Outcome
from throughline.line.settings import load_settings
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

SOURCE = "camara.number-verification"
PURPOSE = Purpose.IDENTITY
NOT_BY_NETWORK = "NUMBER_VERIFICATION.USER_NOT_AUTHENTICATED_BY_MOBILE_NETWORK"

log = get_logger(__name__)


class CheckResult(StrEnum):
    """What came of a visit, as far as the person can do something about it."""

    PROVED = "proved"
    OTHER_NUMBER = "other_number"  # the line that the browser came over has another number
    NOT_ON_NETWORK = "not_on_network"  # Wi-Fi, another carrier's line, or no data
    DENIED = "denied"  # the carrier has no consent of the person
    REFUSED = "refused"  # the carrier does not answer us such questions
    TOO_LATE = "too_late"  # the code of this visit is none any more
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class Question:
    """One question, ready to be asked. It holds the number in clear: not for logs."""

    id: UUID
    carrier: str
    number: str = field(repr=False)
    correlator: str


@dataclass(frozen=True, slots=True)
class Told:
    """What came of asking. `code`: the carrier's own word, fit for a log."""

    result: CheckResult
    code: str | None = None
    cost_minor: int = 0


def carrier_that_checks(session: Session, contact_point_id: UUID) -> str | None:
    """The carrier that serves a number and checks it by its network; None: it does not.

    A number without a line of ours is any carrier's, as long as nobody reads it: then one that checks is named.
    """
    carrier = session.scalars(
        select(Line.carrier).where(Line.contact_point_id == contact_point_id)
    ).one_or_none()
    checking = _checking()
    return next(iter(checking), None) if carrier is None else carrier if carrier in checking else None


def carrier_of(session: Session, contact_point_id: UUID, *, now: datetime) -> str | None:
    """As `carrier_that_checks`, but a number without a line is read and looked up. Raises `ConsentMissing`."""
    carrier = session.scalars(
        select(Line.carrier).where(Line.contact_point_id == contact_point_id)
    ).one_or_none()
    if carrier is None:
        number = parties.contact_value(session, contact_point_id, PURPOSE, now=now, reader="line")
        carrier = load_settings().carrier_of(number)
    return carrier if carrier in _checking() else None


def address(carrier: str, *, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
    """Where the browser goes. Raises KeyError for a carrier that is not set up."""
    config = directory().carrier(carrier)
    if config is None:
        raise KeyError(carrier)
    scopes = (DPV[PURPOSE], *number_verification.VERIFY.scopes)
    return sign_on.address(
        config, scopes, redirect_uri=redirect_uri, state=state, nonce=nonce, challenge=challenge
    )


def issuer(carrier: str) -> str | None:
    """Who must have issued what a browser brings back from a carrier; None: it is not set up any more."""
    config = directory().carrier(carrier)
    return config.issued_by if config is not None else None


def of_error(error: str) -> Told:
    """What an error in the address of return means. Pure."""
    results = {
        sign_on.Return.NOT_ON_NETWORK: CheckResult.NOT_ON_NETWORK,
        sign_on.Return.DENIED: CheckResult.DENIED,
        sign_on.Return.DOWN: CheckResult.NO_ANSWER,
        sign_on.Return.REFUSED: CheckResult.REFUSED,
    }
    known = error if error.isascii() and error.replace("_", "").isalnum() else "unknown"
    return Told(results[sign_on.error(error)], known[:60])


def begin(
    session: Session,
    borrower_id: UUID,
    visit_id: UUID,
    contact_point_id: UUID,
    carrier: str,
    *,
    now: datetime,
) -> Question:
    """Write the question of a visit, with the consent that is open. Raises `ConsentMissing`."""
    consent_id = parties.open_consent(session, borrower_id, PURPOSE)
    if consent_id is None:
        raise parties.ConsentMissing
    number = parties.contact_value(session, contact_point_id, PURPOSE, now=now, reader="line")
    question = Question(visit_id, carrier, number, str(uuid4()))  # CAMARA: a UUID of version 4
    session.add(
        CarrierVisit(
            borrower_id=borrower_id,
            id=visit_id,
            contact_point_id=contact_point_id,
            source=SOURCE,
            provider=carrier,
            purpose=PURPOSE,
            consent_id=consent_id,
            correlator=question.correlator,
            asked_at=now,
            cost_minor=0,
        )
    )
    session.flush()
    return question


def ask(question: Question, code: str, *, verifier: str, nonce: str, redirect_uri: str) -> Told:
    """Redeem the code and ask. No transaction may be open. Never raises for what the carrier does."""
    caller = directory().caller(question.carrier)
    if caller is None or SOURCE not in caller.config.sells:
        return Told(CheckResult.REFUSED, "not set up")
    ends_at = time.monotonic() + load_settings().total_s
    try:
        grant = caller.tokens.redeem(code, verifier, nonce, redirect_uri, ends_at=ends_at)
    except CodeRefused:
        return Told(CheckResult.TOO_LATE, "invalid_grant")
    except NoToken as error:
        log.warning("a carrier gave no token for a code", carrier=question.carrier, why=str(error))
        return Told(CheckResult.NO_ANSWER, "no token")
    subject = Subject(question.number, PURPOSE, question.correlator)
    reply = number_verification.verify(caller, subject, grant.access_token, ends_at=ends_at)
    return _told(caller, reply)


def record(session: Session, borrower_id: UUID, check_id: UUID, told: Told, *, now: datetime) -> CheckResult:
    """Write what came of a question; what counts is the answer. A consent that ended meanwhile ends its use, and an
    answer that comes after the question was given up is none."""
    row = session.get_one(CarrierVisit, (borrower_id, check_id), with_for_update=True)
    if row.result is not None:
        return CheckResult.NO_ANSWER
    result = told.result
    if parties.open_consent(session, borrower_id, PURPOSE) != row.consent_id:
        result = CheckResult.DENIED
    row.result, row.answered_at, row.cost_minor = result, now, told.cost_minor
    row.code = told.code[:60] if told.code else None
    session.flush()
    return result


def result_of(session: Session, borrower_id: UUID, check_id: UUID) -> tuple[UUID, CheckResult] | None:
    """The address and the result of a check of this person; nobody's answer yet is none. None: no such check."""
    row = session.get(CarrierVisit, (borrower_id, check_id))
    if row is None or row.source != SOURCE:
        return None
    return row.contact_point_id, CheckResult(row.result or CheckResult.NO_ANSWER)


def settle_lost(session: Session, *, before: datetime, now: datetime) -> int:
    """Questions of visits whose process died before the answer was written end without one; returns how many."""
    gone = session.execute(
        update(CarrierVisit)
        .where(CarrierVisit.result.is_(None), CarrierVisit.asked_at < before)
        .values(result=CheckResult.NO_ANSWER, code="lost", answered_at=now)
        .returning(CarrierVisit.id)
    )
    return len(gone.all())


def _checking() -> list[str]:
    return [one.name for one in load_settings().all_carriers if SOURCE in one.sells]


def _told(caller: Caller, reply: Reply[bool]) -> Told:
    if reply.outcome is Outcome.ANSWERED:
        same = reply.value is True
        return Told(CheckResult.PROVED if same else CheckResult.OTHER_NUMBER, None, caller.config.price_minor)
    if reply.code == NOT_BY_NETWORK:
        return Told(CheckResult.NOT_ON_NETWORK, reply.code)
    if reply.outcome is Outcome.UNKNOWN:
        return Told(CheckResult.NO_ANSWER, reply.code)
    return Told(CheckResult.REFUSED, reply.code)
