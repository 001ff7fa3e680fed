"""The doors for what HTTP providers of SMS push. A part of each address is the secret that proves the sender."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import TooLarge, Unauthenticated, Unavailable
from throughline.kernel.http import problems
from throughline.kernel.i18n import N_
from throughline.messaging import receipts, registry, tencent_pushes
from throughline.messaging.channels import aliyun_sms, tencent_sms

hooks_router = APIRouter(prefix="/hooks/messaging", tags=["hooks"])

MAX_REPORT_BYTES = 256 * 1024

Answer = dict[str, str | int]


class ReportRefused(Unauthenticated):
    """A report of receipts whose address is not the one that we gave to the provider."""

    code = "report-refused"
    title = N_("The report was not accepted")


async def _body(request: Request) -> bytes:
    body = await request.body()
    if len(body) > MAX_REPORT_BYTES:
        raise TooLarge
    return body


Token = Annotated[str, Path(max_length=200)]
Body = Annotated[bytes, Depends(_body)]


def _takes(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


ARRAY = _takes({"type": "array", "items": {"type": "object"}})
OBJECT = _takes({"type": "object"})


@hooks_router.post("/sms/{token}", responses=problems(401, 413, 503), openapi_extra=ARRAY)
def take_sms_receipts(token: Token, body: Body) -> Answer:
    """Receipts of the SMS provider (Alibaba Cloud SmsReport), acknowledged after they are stored.

    The last part of the address is the secret that proves the sender. What can't be read is counted and
    acknowledged all the same.
    """
    route = _route(aliyun_sms.NAME, token)
    receipts.take_report(route, body, lambda verb: database().run(verb, retry_s=10), now=clock.now())
    return {"code": 0, "msg": "成功"}


@hooks_router.post("/tencent-sms/{token}", responses=problems(401, 413, 503), openapi_extra=ARRAY)
def take_tencent_sms_receipts(token: Token, body: Body) -> Answer:
    """Receipts of Tencent Cloud SMS, acknowledged after they are stored.

    The last part of the address is the secret that proves the sender. What can't be read is counted and
    acknowledged all the same.
    """
    route = _route(tencent_sms.NAME, token)
    tencent_pushes.take_states(route, body, lambda verb: database().run(verb, retry_s=10), now=clock.now())
    return {"result": 0, "errmsg": "OK"}


@hooks_router.post("/tencent-sms/{token}/replies", responses=problems(401, 413, 503), openapi_extra=OBJECT)
def take_tencent_sms_replies(token: Token, body: Body) -> Answer:
    """What people answered to texts over Tencent Cloud SMS, acknowledged after it is stored."""
    route = _route(tencent_sms.NAME, token)
    tencent_pushes.take_answers(route, body, lambda verb: database().run(verb, retry_s=10), now=clock.now())
    return {"result": 0, "errmsg": "OK"}


def _route(adapter: str, token: str) -> str:
    """The route whose provider knows this token. Raises `ReportRefused`, `Unavailable`."""
    try:
        route = registry.route_of_token(adapter, token)
    except registry.NotSetUp:
        raise Unavailable from None
    if route is None:
        receipts.RECEIPTS.labels("refused").inc()
        raise ReportRefused
    return route
