"""What staff read of lines: lists, and for one the questions about it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.errors import NotFound
from throughline.kernel.i18n import N_
from throughline.line import service
from throughline.line.feed.health import stale_carriers
from throughline.line.models import Line, LineQuery
from throughline.line.service import LineView
from throughline.line.state import PublicState


class LineUnknown(NotFound):
    code = "line-unknown"
    title = N_("There is no such line")


def line_row(session: Session, line_id: UUID) -> Line:
    """The row of a line. Raises LineUnknown."""
    row = session.scalars(select(Line).where(Line.id == line_id)).one_or_none()
    if row is None:
        raise LineUnknown
    return row


def line(session: Session, line_id: UUID) -> LineView:
    """A line as others see it. Raises LineUnknown."""
    row = line_row(session, line_id)
    return service.view(session, row, stale=row.carrier in stale_carriers(session))


def lines(
    session: Session,
    *,
    after: UUID | None,
    limit: int,
    state: PublicState | None = None,
    alarm: bool | None = None,
) -> list[LineView]:
    """Lines, the newest first, those with a state or an alarm only if asked so."""
    query = select(Line)
    if state is not None:
        query = query.where(Line.state == state)
    if alarm is not None:
        query = query.where(Line.alarm.is_(alarm))
    if after is not None:
        query = query.where(Line.id < after)
    rows = session.scalars(query.order_by(Line.id.desc()).limit(limit)).all()
    stale = stale_carriers(session)
    return [service.view(session, row, stale=row.carrier in stale) for row in rows]


def queries(session: Session, line_id: UUID, *, limit: int = 50) -> list[LineQuery]:
    """The questions about a line, the newest first."""
    return list(
        session.scalars(
            select(LineQuery)
            .where(LineQuery.line_id == line_id)
            .order_by(LineQuery.asked_at.desc(), LineQuery.id.desc())
            .limit(limit)
        )
    )
