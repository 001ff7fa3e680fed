"""What line believes reaches the contact point, and messaging stops there until the number is proved anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.line import privacy, service
from throughline.line.models import Line
from throughline.line.signals import Signal
from throughline.messaging import standing as messages
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose
from throughline.parties.records import ContactPoint, NewPerson

START = datetime(2026, 3, 1, tzinfo=UTC)
BOTH = {"voiceSmsIn": "suspended", "voiceSmsOut": "suspended", "dataService": "suspended"}
ACTIVE = {"voiceSmsIn": "active", "voiceSmsOut": "active", "dataService": "active"}


@pytest.fixture
def line(session: Session) -> UUID:
    """A watched line of a carrier without a file of its own."""
    new = NewPerson(
        "王小明", "11010519491231002X", "+8613800138000", "w@example.com", "zh-CN", "Asia/Shanghai"
    )
    borrower = parties.register_person(session, new, now=START)
    parties.give_consents(session, borrower, [Purpose.CONTINUITY], {"page": "test"}, now=START)
    phone = parties.contact_points(session, borrower)[0].id
    found = service.register(session, borrower, phone, now=START)
    assert found is not None
    return found


def hear(session: Session, line: UUID, at: datetime, **said: Any) -> None:
    signal = Signal(at, "camara.subscription-status", "simulator", None, said)
    service.ingest(session, line, [signal], now=at)


def point(session: Session, line: UUID) -> ContactPoint:
    row = session.scalars(select(Line).where(Line.id == line)).one()
    return parties.contact_point(session, row.contact_point_id)


def test_a_line_that_was_off_too_long_stays_stopped_when_it_is_back(session: Session, line: UUID) -> None:
    hear(session, line, START, **ACTIVE)
    off = START + timedelta(days=1)
    for day in (0, 20, 44):
        hear(session, line, off + timedelta(days=day), **BOTH)
    assert point(session, line).frozen_at is None
    assert messages.obstacle(point(session, line), now=off + timedelta(days=44)) == messages.LINE_OFF
    # It is called otherwise now, and has been off all the time.
    hear(session, line, off + timedelta(days=46), reason="pre_cancelled", **BOTH)
    known = point(session, line)
    assert known.suspended_at == off
    assert known.frozen_reason == privacy.LONG_OFF
    # A stranger who has the number is as well as its owner was.
    back = off + timedelta(days=50)
    for hours in (0, 12, 24):
        hear(session, line, back + timedelta(hours=hours), **ACTIVE)
    known = point(session, line)
    assert known.suspended_at is None
    assert messages.obstacle(known, now=back) == messages.FROZEN
    parties.verify_contact_point(session, known.id, now=back + timedelta(days=2))
    hear(session, line, back + timedelta(days=3), **ACTIVE)
    assert messages.obstacle(point(session, line), now=back + timedelta(days=3)) is None


def test_a_cancelled_number_is_frozen_at_once(session: Session, line: UUID) -> None:
    hear(session, line, START, **ACTIVE)
    ended = START + timedelta(days=1)
    for hours in (0, 12):
        hear(session, line, ended + timedelta(hours=hours), reason="cancelled", **BOTH)
    assert point(session, line).frozen_reason == privacy.ENDED


def test_a_proof_counts_on_while_somebody_tells_of_the_line(session: Session, line: UUID) -> None:
    known = point(session, line)
    parties.verify_contact_point(session, known.id, now=START)

    def until() -> int:
        session.expire_all()
        end = point(session, line).content_until
        assert end is not None
        return (end - START).days

    def said(day: int) -> bool:
        known, at = point(session, line), START + timedelta(days=day)
        return messages.ceiling(known, now=at) > messages.ContentClass.C0

    assert until() == 45
    # A receipt proves nobody: the new owner receives as well.
    receipt = Signal(START + timedelta(days=20), "sms.receipt", "cn.gateway", "DELIVRD", {})
    service.ingest(session, line, [receipt], now=receipt.observed_at)
    assert until() == 45
    hear(session, line, START + timedelta(days=40), **ACTIVE)
    assert until() == 85
    assert (said(84), said(86)) == (True, False)
    # Not told for so long that somebody else may have got it in between: one word more mends nothing.
    hear(session, line, START + timedelta(days=90), **ACTIVE)
    assert until() == 85
    parties.verify_contact_point(session, known.id, now=START + timedelta(days=91))
    assert until() == 136
    assert said(130)
    # A word that speaks for a new owner keeps no proof alive.
    recycled = Signal(
        START + timedelta(days=100), "camara.number-recycling", "simulator", None, {"recycled": True}
    )
    service.ingest(session, line, [recycled], now=recycled.observed_at)
    assert until() == 136
    assert point(session, line).frozen_reason == privacy.REASSIGNED
