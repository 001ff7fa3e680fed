"""Outages that were over before we knew of them: told once, by late evidence only, with their times."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from line.watched import ACTIVE, BOTH, hours, lines, status
from throughline.kernel.events import OutboxEvent
from throughline.line import service
from throughline.line.events import OutageLearned


def learned(session: Session) -> list[dict[str, object]]:
    session.flush()
    rows = session.scalars(select(OutboxEvent.payload).where(OutboxEvent.type == OutageLearned.TYPE))
    return list(rows)


def test_an_outage_that_is_learned_of_afterwards_is_told_with_its_times(session: Session) -> None:
    (one,) = lines(session, 1)
    service.ingest(session, one, [status(hours(2), ACTIVE)], now=hours(2))
    now = hours(24 * 14)
    late = [status(hours(24), BOTH), status(hours(30), BOTH), status(hours(24 * 4), ACTIVE)]
    service.ingest(session, one, late, now=now)
    (told,) = learned(session)
    assert told["line_id"] == str(one)
    assert told["state"] == "suspended"
    assert float(str(told["cannot_receive"])) >= 0.9
    assert told["from_at"] == hours(24).isoformat()
    assert told["to_at"] == hours(24 * 4).isoformat()
    service.ingest(session, one, late, now=now)  # the same again is no news
    assert len(learned(session)) == 1


def test_what_is_told_as_it_happens_is_not_told_again(session: Session) -> None:
    (one,) = lines(session, 1)
    for at, word in ((2, ACTIVE), (24, BOTH), (25, BOTH), (96, ACTIVE), (97, ACTIVE)):
        service.ingest(session, one, [status(hours(at), word)], now=hours(at) + timedelta(minutes=1))
    assert learned(session) == []


def test_a_short_or_weak_hint_is_no_outage(session: Session) -> None:
    (one,) = lines(session, 1)
    service.ingest(session, one, [status(hours(2), ACTIVE)], now=hours(2))
    late = [status(hours(24), BOTH), status(hours(24 + 3), ACTIVE)]
    service.ingest(session, one, late, now=hours(24 * 14))
    assert learned(session) == []
