"""What people see of the routes: how each is set up, how it stands, what has happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel.errors import NotFound
from throughline.kernel.i18n import N_
from throughline.messaging import registry
from throughline.messaging.routes import book
from throughline.messaging.routes.config import RouteSettings, routes
from throughline.messaging.routes.weight import Weight


class RouteUnknown(NotFound):
    """No route of that name is set up."""

    code = "route-unknown"
    title = N_("There is no such route")


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route. `share_percent`: how much of the traffic that its priority gives it reaches it now. `ready`: whether
    its adapter can be made; `missing`: what it lacks. `until`: when its phase ends by itself."""

    name: str
    channel: str
    adapter: str
    priority: int
    window: int
    rate_per_s: float | None
    classes: tuple[str, ...] | None
    ready: bool
    missing: str
    phase: str
    share_percent: int
    until: datetime | None
    why: str
    falls: int


@dataclass(frozen=True, slots=True)
class RouteEventView:
    """Something that happened to a route."""

    id: UUID
    at: datetime
    phase: str
    share_percent: int
    why: str


def all_routes(session: Session) -> list[RouteView]:
    """All routes (at most 50), by channel and priority."""
    found = sorted(routes(), key=lambda one: (one.channel.value, one.priority, one.name))
    standing = book.weights(session, [one.name for one in found])
    return [_view(one, standing[one.name]) for one in found]


def one_route(session: Session, name: str) -> RouteView:
    """One route. Raises `RouteUnknown`."""
    route = registry.route_named(name)
    if route is None:
        raise RouteUnknown
    return _view(route, book.weights(session, [name])[name])


def events_of(session: Session, name: str, *, after: UUID | None, limit: int) -> list[RouteEventView]:
    """What happened to a route, the newest first. Raises `RouteUnknown`."""
    if registry.route_named(name) is None:
        raise RouteUnknown
    return [
        RouteEventView(row.id, row.at, row.phase, row.share_percent, row.why)
        for row in book.events(session, name, before=after, limit=limit)
    ]


def _view(route: RouteSettings, weight: Weight) -> RouteView:
    missing = registry.missing(route)
    return RouteView(
        name=route.name,
        channel=route.channel.value,
        adapter=route.adapter,
        priority=route.priority,
        window=route.window,
        rate_per_s=route.rate_per_s,
        classes=tuple(sorted(one.value for one in route.classes)) if route.classes is not None else None,
        ready=not missing,
        missing=missing,
        phase=weight.phase.value,
        share_percent=round(weight.share * 100),
        until=weight.until,
        why=weight.why,
        falls=len(weight.trips),
    )
