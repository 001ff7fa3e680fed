"""Where routes stand, kept in the database for all senders; every change of traffic is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.kernel.ids import new_id
from throughline.messaging.models import MsgRoute, MsgRouteEvent
from throughline.messaging.routes.weight import Phase, Weight, probed, ticked, tripped


def weights(session: Session, names: Iterable[str]) -> dict[str, Weight]:
    """The weights of routes; one that nobody has ever judged is healthy."""
    wanted = list(names)
    rows = session.scalars(select(MsgRoute).where(MsgRoute.name.in_(wanted)))
    return {name: Weight() for name in wanted} | {row.name: _weight(row) for row in rows}


def trip(session: Session, name: str, why: str, *, now: datetime) -> Weight:
    """A route has failed, as this sender sees it; the weight that it has now."""
    return _change(session, name, lambda weight: tripped(weight, why, now), now)


def probe_arrived(session: Session, name: str, *, now: datetime) -> Weight:
    """The message that tried a route was taken; the weight that it has now."""
    return _change(session, name, lambda weight: probed(weight, now), now)


def tick(session: Session, names: Iterable[str], *, now: datetime) -> dict[str, Weight]:
    """Let time pass for routes that are not well; the weights of all of them."""
    found = weights(session, names)
    for name, weight in found.items():
        if weight.until is not None and now >= weight.until:
            found[name] = _change(session, name, lambda one: ticked(one, now), now)
    return found


def events(
    session: Session, name: str, *, before: UUID | None = None, limit: int = 50
) -> list[MsgRouteEvent]:
    """What happened to a route, the newest first."""
    query = select(MsgRouteEvent).where(MsgRouteEvent.route == name)
    if before is not None:
        query = query.where(MsgRouteEvent.id < before)
    return list(session.scalars(query.order_by(MsgRouteEvent.id.desc()).limit(limit)))


def _change(session: Session, name: str, verb: Callable[[Weight], Weight], now: datetime) -> Weight:
    session.execute(
        insert(MsgRoute).values(_columns(Weight(), now) | {"name": name}).on_conflict_do_nothing()
    )
    row = session.scalars(
        select(MsgRoute)
        .where(MsgRoute.name == name)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    before = _weight(row)
    after = verb(before)
    if after == before:
        return before
    for column, value in _columns(after, now).items():
        setattr(row, column, value)
    session.add(
        MsgRouteEvent(
            id=new_id(),
            route=name,
            at=now,
            phase=after.phase.value,
            share_percent=row.share_percent,
            why=after.why,
        )
    )
    return after


def _weight(row: MsgRoute) -> Weight:
    trips = tuple(datetime.fromisoformat(at) for at in row.trips)
    return Weight(Phase(row.phase), row.share_percent / 100, row.until, row.moved_at, trips, row.why)


def _columns(weight: Weight, now: datetime) -> dict[str, object]:
    return {
        "phase": weight.phase.value,
        "share_percent": round(weight.share * 100),
        "until": weight.until,
        "moved_at": weight.moved_at,
        "trips": [at.isoformat() for at in weight.trips],
        "why": weight.why,
        "changed_at": now,
    }
