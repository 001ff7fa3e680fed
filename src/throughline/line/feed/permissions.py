"""What a person permits at the carrier itself, where it keeps a ledger of consents (consent-info), for continuity.

Our own consent is not enough there: the carrier answers about the line once the person has agreed with the carrier as
well, on a page of the carrier's. What the browser brings back from that page counts for nothing: the ledger is asked.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.line.adapters.camara import consent_info
from throughline.line.adapters.camara.calls import Subject
from throughline.line.adapters.camara.feeds import SOURCES
from throughline.line.feed.directory import directory, purpose_of
from throughline.line.feed.models import CarrierVisit
from throughline.line.models import Line
from throughline.line.ports import Outcome
from throughline.line.settings import CarrierSettings, load_settings
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

SOURCE = "camara.consent-info"
PURPOSE = Purpose.CONTINUITY


class Permission(StrEnum):
    """How it stands in the carrier's ledger."""

    GIVEN = "given"
    NEEDED = "needed"  # the person can give it on the carrier's page
    WITHHELD = "withheld"  # and the carrier names no page for it
    REFUSED = "refused"  # the carrier does not tell us
    NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class LedgerQuestion:
    """One question to a ledger. It holds the number in clear: not for logs."""

    id: UUID
    carrier: str
    number: str = field(repr=False)
    correlator: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger says. `page`: the carrier's page for this person, an address that is nobody else's."""

    permission: Permission
    page: str | None = field(default=None, repr=False)
    code: str | None = None


def carrier_with_ledger(session: Session, contact_point_id: UUID) -> str | None:
    """The carrier of a number's line, where it keeps a ledger of its own and sells what it is about; else None."""
    name = session.scalars(
        select(Line.carrier).where(Line.contact_point_id == contact_point_id)
    ).one_or_none()
    config = directory().carrier(name) if name is not None else None
    return name if config is not None and SOURCE in config.sells and _scopes(config) else None


def begin(
    session: Session,
    borrower_id: UUID,
    visit_id: UUID,
    contact_point_id: UUID,
    carrier: str,
    *,
    now: datetime,
) -> LedgerQuestion:
    """Write the question of a visit, or that it is asked anew at its end. Raises `ConsentMissing`."""
    consent_id = parties.open_consent(session, borrower_id, PURPOSE)
    if consent_id is None:
        raise parties.ConsentMissing
    number = parties.contact_value(session, contact_point_id, PURPOSE, now=now, reader="line")
    question = LedgerQuestion(visit_id, carrier, number, str(uuid4()))
    row = session.get(CarrierVisit, (borrower_id, visit_id), with_for_update=True)
    if row is None:
        row = CarrierVisit(
            borrower_id=borrower_id,
            id=visit_id,
            contact_point_id=contact_point_id,
            source=SOURCE,
            provider=carrier,
            purpose=PURPOSE,
            cost_minor=0,
        )
        session.add(row)
    row.consent_id, row.correlator, row.asked_at = consent_id, question.correlator, now
    row.answered_at = row.result = row.code = None
    session.flush()
    return question


def ask(question: LedgerQuestion, *, callback_url: str | None) -> Standing:
    """Ask the ledger; with `callback_url` also for the page. No transaction may be open. Never raises for what the
    carrier does."""
    caller = directory().caller(question.carrier)
    if caller is None or SOURCE not in caller.config.sells:
        return Standing(Permission.REFUSED, code="not set up")
    reply = consent_info.ask(
        caller,
        Subject(question.number, PURPOSE, question.correlator),
        _scopes(caller.config),
        capture=callback_url is not None,
        callback_url=callback_url,
        ends_at=time.monotonic() + load_settings().total_s,
    )
    said = reply.value
    if said is None:
        unknown = reply.outcome is Outcome.UNKNOWN
        return Standing(Permission.NO_ANSWER if unknown else Permission.REFUSED, code=reply.code)
    if said.valid:
        return Standing(Permission.GIVEN)
    if said.capture_url is not None:
        return Standing(Permission.NEEDED, said.capture_url)
    reason = ",".join(sorted(said.reasons))
    return Standing(Permission.WITHHELD, code=reason)


def record(session: Session, borrower_id: UUID, visit_id: UUID, said: Standing, *, now: datetime) -> None:
    """Write what the ledger said, unless our own consent ended meanwhile; the page is not kept."""
    row = session.get_one(CarrierVisit, (borrower_id, visit_id), with_for_update=True)
    if row.result is None:
        if parties.open_consent(session, borrower_id, PURPOSE) != row.consent_id:
            said = Standing(Permission.NO_ANSWER, code="consent ended")
        row.result, row.answered_at = said.permission, now
        row.code = said.code[:60] if said.code else None


def result_of(session: Session, borrower_id: UUID, visit_id: UUID) -> tuple[UUID, Permission] | None:
    """The address and what the ledger said last; nobody's answer yet is none. None: no such question."""
    row = session.get(CarrierVisit, (borrower_id, visit_id))
    if row is None or row.source != SOURCE:
        return None
    return row.contact_point_id, Permission(row.result or Permission.NO_ANSWER)


def with_state(page: str, state: str) -> str:
    """The carrier's page, with what it must send back with the person."""
    return f"{page}{'&' if urlsplit(page).query else '?'}{urlencode({'state': state})}"


def _scopes(config: CarrierSettings) -> tuple[str, ...]:
    """All that the carrier sells for continuity."""
    sold = (name for name in config.sells if name in SOURCES and purpose_of(name) is PURPOSE)
    return tuple(dict.fromkeys(scope for name in sold for scope in SOURCES[name].scopes))
