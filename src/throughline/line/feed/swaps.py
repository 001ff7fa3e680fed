"""What a carrier tells of changed SIMs, phones and owners: noted once, and told to whom it concerns."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.events import publish
from throughline.line.events import SimOrDeviceChanged
from throughline.line.feed.models import LineSwap
from throughline.line.models import Line
from throughline.line.ports import Swap


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


def known(session: Session, borrower_id: UUID, line_id: UUID) -> list[LineSwap]:
    """The changes that are known of a line, newest first (at most 200)."""
    rows = select(LineSwap).where(LineSwap.borrower_id == borrower_id, LineSwap.line_id == line_id)
    return list(session.scalars(rows.order_by(LineSwap.changed_at.desc()).limit(200)))
