"""What a carrier tells of changed SIMs, phones and owners: noted once, and told to whom it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.events import publish
from throughline.line.events import NumberReassignmentSuspected, SimOrDeviceChanged
from throughline.line.feed.models import LineSwap
from throughline.line.models import Line
from throughline.line.ports import Swap
from throughline.line.signals import Signal


def note(
    session: Session, borrower_id: UUID, line_id: UUID, swap: Swap, source: str, *, now: datetime
) -> None:
    """A SIM or a device was changed. Told once, and not if it was before we knew the line."""
    line = session.get(Line, (borrower_id, line_id), with_for_update=True)
    if line is None:
        return
    fresh = session.execute(
        insert(LineSwap)
        .values(
            borrower_id=borrower_id,
            line_id=line_id,
            kind=swap.kind,
            changed_at=swap.at,
            source=source,
            seen_at=now,
        )
        .on_conflict_do_nothing()
        .returning(LineSwap.line_id)
    ).first()
    if fresh is None or swap.at < line.registered_at:
        return
    publish(
        session,
        SimOrDeviceChanged(line.id, borrower_id, line.contact_point_id, swap.kind, swap.at),
        aggregate_type="line",
        aggregate_id=line.id,
        borrower_id=borrower_id,
    )


def note_recycling(
    session: Session, borrower_id: UUID, line_id: UUID, signals: Sequence[Signal], *, now: datetime
) -> None:
    """A source said that the number has another owner: told at once, whatever the belief is."""
    said = [one for one in signals if _recycled(one)]
    line = session.get(Line, (borrower_id, line_id)) if said else None
    if line is None:
        return
    publish(
        session,
        NumberReassignmentSuspected(
            line.id, borrower_id, line.contact_point_id, "1.0000", said[0].source, now
        ),
        aggregate_type="line",
        aggregate_id=line.id,
        borrower_id=borrower_id,
    )


def known(session: Session, borrower_id: UUID, line_id: UUID) -> list[LineSwap]:
    """The changes that are known of a line, newest first (at most 200)."""
    rows = select(LineSwap).where(LineSwap.borrower_id == borrower_id, LineSwap.line_id == line_id)
    return list(session.scalars(rows.order_by(LineSwap.changed_at.desc()).limit(200)))


def _recycled(signal: Signal) -> bool:
    if signal.source == "camara.number-recycling":
        return signal.attributes.get("recycled") is True
    return signal.attributes.get("check") == "second_hand" and signal.code == "1"
