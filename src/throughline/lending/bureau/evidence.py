"""What speaks for and against negative reports, read for many loans at once: notices, letters, holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.lending.bureau import policy
from throughline.lending.bureau.guard import Doubt, Notice, ReportHold, Way
from throughline.lending.bureau.models import DarkSpanRow, LetterRow
from throughline.lending.models import LoanRow, ReportHoldRow
from throughline.messaging import service as messaging
from throughline.messaging.standing import STRANGER_ABOVE
from throughline.parties import service as parties
from throughline.parties.contact import ContactKind

Spans = dict[UUID, list[tuple[datetime, datetime | None]]]


@dataclass(slots=True)
class Evidence:
    """What is known for one loan. `undelivered`: notices of which nothing shows that they arrived."""

    notices: list[Notice] = field(default_factory=list)
    undelivered: int = 0
    holds: list[ReportHold] = field(default_factory=list)


def evidence_of(
    session: Session, loans: Sequence[LoanRow], *, looking_back: bool = False
) -> dict[UUID, Evidence]:
    """The evidence for loans, by loan.

    A number that probably has another owner now is no proof for a new report. `looking_back` at a report that
    has left it says nothing about then: messages stop before a number is so doubtful.
    """
    found = {row.id: Evidence() for row in loans}
    if not loans:
        return found
    _holds(session, loans, found)
    _letters(session, loans, found)
    _messages(session, loans, found, looking_back=looking_back)
    return found


def _holds(session: Session, loans: Sequence[LoanRow], found: dict[UUID, Evidence]) -> None:
    rows = session.scalars(
        select(ReportHoldRow)
        .where(
            ReportHoldRow.borrower_id.in_({row.borrower_id for row in loans}),
            ReportHoldRow.loan_id.in_(list(found)),
            ReportHoldRow.released_at.is_(None),
        )
        .order_by(ReportHoldRow.id)
        .execution_options(populate_existing=True)
    )
    for row in rows:
        found[row.loan_id].holds.append(ReportHold(row.source, row.from_date, row.until_date, row.reason))


def _letters(session: Session, loans: Sequence[LoanRow], found: dict[UUID, Evidence]) -> None:
    zones = {row.id: row.zone for row in loans}
    rows = session.scalars(
        select(LetterRow)
        .where(
            LetterRow.borrower_id.in_({row.borrower_id for row in loans}), LetterRow.loan_id.in_(list(found))
        )
        .order_by(LetterRow.id)
    )
    for row in rows:
        at = datetime.combine(row.handed_over_on, time(12), tzinfo=ZoneInfo(zones[row.loan_id]))
        found[row.loan_id].notices.append(Notice(row.id, Way.LETTER, row.posted_on, at, row.handed_over_on))


def _messages(
    session: Session, loans: Sequence[LoanRow], found: dict[UUID, Evidence], *, looking_back: bool
) -> None:
    subjects = {f"loan:{row.id}": row for row in loans}
    told = messaging.told_about(
        session, [row.borrower_id for row in loans], list(subjects), policy.NOTICE_TEMPLATES
    )
    points = list({one.contact_point_id for each in told for one in each.arrivals})
    standings = parties.address_standings(session, points)
    dark = _dark_spans(session, {one.borrower_id for one in told}, points)
    for one in told:
        loan = subjects[one.subject]
        if loan.borrower_id != one.borrower_id:
            continue
        known = found[loan.id]
        notices = list(_notices(one, loan, standings, dark, looking_back=looking_back))
        known.notices += notices
        known.undelivered += not notices


def _notices(
    told: messaging.Told,
    loan: LoanRow,
    standings: dict[UUID, parties.AddressStanding],
    dark: Spans,
    *,
    looking_back: bool,
) -> Iterator[Notice]:
    asked_on = clock.local_date(told.asked_at, loan.zone)
    if told.read_at is not None:
        yield Notice(
            told.intent_id, Way.READ, asked_on, told.read_at, clock.local_date(told.read_at, loan.zone)
        )
    for one in told.arrivals:
        yield Notice(
            told.intent_id,
            Way(one.channel),
            asked_on,
            one.at,
            clock.local_date(one.at, loan.zone),
            one.contact_point_id,
            _doubts(one, standings.get(one.contact_point_id), dark, looking_back=looking_back),
        )


def _doubts(
    arrival: messaging.Arrival, point: parties.AddressStanding | None, dark: Spans, *, looking_back: bool
) -> tuple[Doubt, ...]:
    """What speaks against an address at the time at which a message arrived there."""
    if point is None or point.owner != "self":
        return (Doubt.NOT_OWN,)
    found = []
    if point.frozen_at is not None and point.frozen_at <= arrival.at:
        found.append(Doubt.FROZEN)
    if point.kind is ContactKind.PHONE:
        spans = [*dark.get(arrival.contact_point_id, ())]
        if point.suspended_at is not None:
            spans.append((point.suspended_at, None))
        if any(since <= arrival.at and (until is None or arrival.at < until) for since, until in spans):
            found.append(Doubt.SUSPENDED)
        if point.reassigned_probability > STRANGER_ABOVE and not looking_back:
            found.append(Doubt.STRANGER)
    return tuple(found)


def _dark_spans(session: Session, borrower_ids: set[UUID], points: Sequence[UUID]) -> Spans:
    found: Spans = defaultdict(list)
    if points:
        rows = session.execute(
            select(DarkSpanRow.contact_point_id, DarkSpanRow.from_at, DarkSpanRow.until_at).where(
                DarkSpanRow.borrower_id.in_(borrower_ids), DarkSpanRow.contact_point_id.in_(points)
            )
        )
        for point, since, until in rows:
            found[point].append((since, until))
    return found
