"""What each event changed: true to the day of its recording, and replayed no more often than needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from support.loans import usual_loan
from throughline.kernel import clock
from throughline.kernel.ids import new_id
from throughline.kernel.settings import settings
from throughline.lending import effects as module
from throughline.lending import service as lending
from throughline.lending.history import EventType, LoanEvent
from throughline.lending.replay import replay
from throughline.lending.state import LoanState
from throughline.lending.terms import LoanTerms


def test_events_of_one_day_are_replayed_once_each(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    today = clock.local_date(clock.now(), settings().zone)
    start = today - timedelta(days=20)
    loan_id = lending.open_loan(session, usual_loan(new_id(), start), now=clock.now())

    def record(kind: EventType, on: date, amount: int) -> None:
        new = lending.NewEvent(kind, on, str(new_id()), amount_minor=amount)
        lending.record_event(session, loan_id, new, now=clock.now())

    record(EventType.DISBURSEMENT, start, 300_000)
    for ago in (9, 6, 3, 0):
        record(EventType.REPAYMENT, today - timedelta(days=ago), 10_000)
    rows = lending.event_rows(session, loan_id, limit=50)
    asked: list[int] = []

    def counted(terms: LoanTerms, events: Sequence[LoanEvent], *, as_of: date) -> LoanState:
        asked.append(len(events))
        return replay(terms, events, as_of=as_of)

    monkeypatch.setattr(module, "replay", counted)
    found: dict[Any, lending.Effect] = lending.effects(session, loan_id, rows)
    assert asked == [0, 1, 2, 3, 4, 5]
    assert [found[row.id].outstanding_minor < 0 for row in rows] == [False, True, True, True, True]
    # A page that begins in the middle knows its first event's day before as well.
    alone = lending.effects(session, loan_id, rows[2:])
    assert alone[rows[2].id] == found[rows[2].id]
