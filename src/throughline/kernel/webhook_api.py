"""JSON API of outgoing webhooks, for staff and services with the scope `kernel:write`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock, webhooks
from throughline.kernel.http import (
    Caller,
    Paged,
    PageParams,
    Reading,
    Writing,
    paged,
    problems,
    require_scope,
)
from throughline.kernel.webhook_wire import MAX_TYPES, MAX_URL

router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"])
Allowed = Annotated[Caller, Depends(require_scope("kernel:write"))]
State = Literal["pending", "delivered", "dead", "cancelled"]
EventType = Annotated[str, Field(min_length=1, max_length=100)]


class EndpointIn(BaseModel):
    """A new endpoint. `event_types`: "line.state_changed.v1", "line.*" or "*"."""

    url: str = Field(max_length=MAX_URL, description="https; in demo mode also http on loopback")
    event_types: list[EventType] = Field(min_length=1, max_length=MAX_TYPES)
    description: str = Field("", max_length=200)


class EndpointOut(BaseModel):
    """An endpoint. `failing_since`: nothing has arrived from then on."""

    id: UUID
    url: str
    description: str
    event_types: list[str]
    active: bool
    failing_since: datetime | None
    created_at: datetime


class NewEndpointOut(EndpointOut):
    """A new endpoint with its signing secret (Standard Webhooks, `whsec_…`), shown this once."""

    secret: str


class SwitchIn(BaseModel):
    """Switch an endpoint on or off."""

    active: bool


class DeliveryOut(BaseModel):
    """One event on its way to one endpoint. `status` is the receiver's last answer, null if there was none."""

    id: UUID
    event_id: UUID
    event_type: str
    state: State
    attempts: int
    last_attempt_at: datetime | None
    next_attempt_at: datetime
    status: int | None
    error: str | None
    created_at: datetime
    finished_at: datetime | None


class AlarmOut(BaseModel):
    """An endpoint that was switched off for its failures; open while `cleared_at` is null."""

    id: UUID
    endpoint_id: UUID
    reason: dict[str, str]
    raised_at: datetime
    cleared_at: datetime | None


@router.post(
    "/endpoints", status_code=201, response_model=NewEndpointOut, responses=problems(401, 403, 409, 422)
)
def add_endpoint(body: EndpointIn, write: Writing, caller: Allowed) -> Response:
    """Add an endpoint; it hears of events from now on."""
    del caller

    def verb(session: Session) -> NewEndpointOut:
        added = webhooks.add_endpoint(
            session, body.url, body.event_types, body.description, now=clock.real_now()
        )
        row = EndpointOut.model_validate(webhooks.endpoint(session, added.id), from_attributes=True)
        return NewEndpointOut(**row.model_dump(), secret=added.secret)

    return write.once(verb, status=201)


@router.get("/endpoints", responses=problems(401, 403, 422))
def list_endpoints(session: Reading, page: PageParams, caller: Allowed) -> Paged[EndpointOut]:
    """All endpoints in order of their making."""
    del caller
    rows = webhooks.endpoints(session, after=page.after, limit=page.limit + 1)
    return paged(
        [EndpointOut.model_validate(row, from_attributes=True) for row in rows], page, lambda it: it.id
    )


@router.get("/endpoints/{endpoint_id}", responses=problems(401, 403, 404, 422))
def get_endpoint(endpoint_id: UUID, session: Reading, caller: Allowed) -> EndpointOut:
    """One endpoint."""
    del caller
    return EndpointOut.model_validate(webhooks.endpoint(session, endpoint_id), from_attributes=True)


@router.patch("/endpoints/{endpoint_id}", response_model=EndpointOut, responses=problems(401, 403, 404, 422))
def switch_endpoint(endpoint_id: UUID, body: SwitchIn, write: Writing, caller: Allowed) -> Response:
    """Switch an endpoint on (which clears its alarm) or off."""
    del caller
    return write.once(
        lambda session: EndpointOut.model_validate(
            webhooks.set_active(session, endpoint_id, body.active, now=clock.real_now()), from_attributes=True
        )
    )


@router.get("/endpoints/{endpoint_id}/deliveries", responses=problems(401, 403, 404, 422))
def list_deliveries(
    endpoint_id: UUID,
    session: Reading,
    page: PageParams,
    caller: Allowed,
    state: Annotated[State | None, Query()] = None,
) -> Paged[DeliveryOut]:
    """Deliveries of an endpoint in order of their making."""
    del caller
    rows = webhooks.deliveries(session, endpoint_id, state=state, after=page.after, limit=page.limit + 1)
    return paged(
        [DeliveryOut.model_validate(row, from_attributes=True) for row in rows], page, lambda it: it.id
    )


@router.post(
    "/deliveries/{delivery_id}/send-again",
    response_model=DeliveryOut,
    responses=problems(401, 403, 404, 422),
)
def send_again(delivery_id: UUID, write: Writing, caller: Allowed) -> Response:
    """Send a delivery again, for another day of attempts."""
    del caller
    return write.once(
        lambda session: DeliveryOut.model_validate(
            webhooks.send_again(session, delivery_id, now=clock.real_now()), from_attributes=True
        )
    )


@router.get("/alarms", responses=problems(401, 403, 422))
def list_alarms(session: Reading, page: PageParams, caller: Allowed) -> Paged[AlarmOut]:
    """Endpoints that were switched off for their failures."""
    del caller
    rows = webhooks.alarms(session, after=page.after, limit=page.limit + 1)
    return paged([AlarmOut.model_validate(row, from_attributes=True) for row in rows], page, lambda it: it.id)
