"""Lines as rows, without the people behind them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.ids import new_id
from throughline.line import beliefs, fold
from throughline.line.models import Line, LineBelief
from throughline.line.signals import Signal
from throughline.line.track import Shown, Tracks

START = datetime(2026, 3, 1, tzinfo=UTC)
ACTIVE = {"voiceSmsIn": "active", "voiceSmsOut": "active", "dataService": "active"}
BOTH = {"voiceSmsIn": "suspended", "voiceSmsOut": "suspended", "dataService": "suspended"}


def hours(number: float) -> datetime:
    return START + timedelta(hours=number)


def lines(
    session: Session,
    count: int,
    *,
    carrier: str = "simulator",
    region: str | None = None,
    registered_at: datetime = START,
) -> list[UUID]:
    """New watched lines of borrowers of their own."""
    made = []
    for _ in range(count):
        borrower_id, line_id, point_id = new_id(), new_id(), new_id()
        session.add(
            Line(
                borrower_id=borrower_id,
                id=line_id,
                contact_point_id=point_id,
                number_index=point_id.bytes,
                carrier=carrier,
                home_region=region,
                registered_at=registered_at,
                state="unknown",
                probability="0",
                since=registered_at,
                alarm=False,
                evidence=[],
            )
        )
        session.add(
            LineBelief(
                borrower_id=borrower_id, line_id=line_id, next_look_at=registered_at + timedelta(hours=1)
            )
        )
        made.append(line_id)
    session.flush()
    return made


def told(session: Session, line_id: UUID) -> Line:
    return session.scalars(
        select(Line).where(Line.id == line_id).execution_options(populate_existing=True)
    ).one()


def believed(session: Session, line_id: UUID, at: datetime) -> tuple[Tracks[bytes], Shown]:
    """The stored track of a line, and what it shows at an instant."""
    batch = beliefs.peek(session, [line_id])
    assert not batch.stale
    at_s = np.maximum(batch.tracks.rows[:, fold.AT], at.timestamp())
    return batch.tracks, batch.tracks.shown(at_s, batch.by, batch.spans)


def status(at: datetime, flags: dict[str, str]) -> Signal:
    return Signal(at, "camara.subscription-status", "carrier", None, flags)


def push(at: datetime, flags: dict[str, str]) -> Signal:
    return Signal(at, "carrier.push", "carrier", None, flags)


def beat(at: datetime, transport: str = "cellular") -> Signal:
    return Signal(at, "app.heartbeat", "app", None, {"transport": transport})


def receipt(at: datetime, code: str) -> Signal:
    return Signal(at, "sms.receipt", "cn.gateway", code, {})


def reach(at: datetime, reachable: bool) -> Signal:
    return Signal(at, "camara.device-reachability", "carrier", None, {"reachable": reachable})
