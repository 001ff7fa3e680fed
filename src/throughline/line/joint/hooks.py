"""The end notification of sponsored data: no CloudEvent, authenticated by the token that we gave with the request."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import Problem, Unauthenticated
from throughline.kernel.http import problems
from throughline.kernel.i18n import N_
from throughline.line.joint import orders, states
from throughline.line.joint.budget import book_after_all
from throughline.line.joint.models import JointGrant
from throughline.line.joint.sponsored import END_REASONS
from throughline.line.joint.states import State
from throughline.line.joint.wire import instant, parse_object, short_text

router = APIRouter()


class CallbackTokenRefused(Unauthenticated):
    """No grant has this token."""

    code = "callback-token-refused"
    title = N_("The token of this notification is not valid")


class NotificationRefused(Problem):
    """The notification can't be read, or is of another session than its token."""

    status = 400
    code = "notification-malformed"
    title = N_("The notification can't be read")


@router.post(
    "/sponsored-data",
    status_code=204,
    responses=problems(400, 401),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    },
)
async def sponsorship_ended(
    request: Request,
    token: Annotated[str | None, Header(alias="x-callbackToken", max_length=200)] = None,
) -> Response:
    """A sponsorship has ended. Answered after it is stored; a repeat is answered alike."""
    body = await request.body()
    await run_in_threadpool(
        lambda: database().run(lambda session: hear_end(session, body, token, now=clock.now()), retry_s=10)
    )
    return Response(status_code=204)


def hear_end(session: Session, body: bytes, token: str | None, *, now: datetime) -> bool:
    """Take in an end notification; False for a repeat. Raises `CallbackTokenRefused`, `NotificationRefused`.

    It also tells what became of an order whose answer was lost: what has ended was granted.
    """
    grant_id = session.execute(
        select(JointGrant.id).where(JointGrant.token_hash == orders.token_hash(token or ""))
    ).scalar_one_or_none()
    if not token or grant_id is None:
        raise CallbackTokenRefused
    said = parse_object(body)
    reason = END_REASONS.get(str(said.get("reason")))
    try:
        session_id = str(UUID(short_text(said, "sessionId") or ""))
    except ValueError:
        raise NotificationRefused from None
    grant = orders.locked(session, grant_id)
    if reason is None or (grant.remote_id is not None and grant.remote_id != session_id):
        raise NotificationRefused
    if grant.state == State.ENDED:
        return False
    if grant.state not in states.OPEN:
        book_after_all(session, grant)
    grant.remote_id = session_id
    grant.starts_at = grant.starts_at or grant.sent_at
    grant.ends_at = instant(said, "endTimestamp") or grant.ends_at
    code = grant.revoke_code if reason == "staff" and grant.revoke_code else reason
    orders.end(session, grant, code, now=now)
    return True
