"""The provider's HTTP face: SendSms, QuerySendDetails, the page of the phones, the control desk."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from throughline.kernel.clock import real_now
from throughline.lab.simulator import DroppedAnswer, control_routes, with_ticker
from throughline.lab.sms import signature
from throughline.lab.sms.answers import Refused, status_and_words
from throughline.lab.sms.books import Books, local
from throughline.lab.sms.delivery import FAULTS as RECEIPT_FAULTS
from throughline.lab.sms.delivery import Delivery
from throughline.lab.sms.keys import Account, read_account
from throughline.lab.sms.page import render
from throughline.lab.sms.texts import as_shown

VERSION = "2017-05-25"
_SEND_FAULTS = ("lost_answer", "throttle", "error_500", "refuse")
_FAULTS = frozenset({*_SEND_FAULTS, *RECEIPT_FAULTS, "query_error"})
_SETTINGS = frozenset({"delivery_delay_s", "daily_limit", "err_codes", "down"})
_SEND_STATUS = {"taken": 1, "failed": 2, "delivered": 3}
_FORM = "application/x-www-form-urlencoded"


def build(home: Path, hook_url: str = "http://localhost:8000/hooks/messaging/sms") -> Starlette:
    """The provider over its books in `home`/lab/sms.sqlite; receipts go to `hook_url`/<callback_token>."""
    account, books = read_account(home), Books(home)
    desk = _Desk(books, account)
    delivery = Delivery(books, hook_url, account.callback_token)
    return with_ticker(
        delivery.tick,
        [
            Route("/", desk.rpc, methods=["GET", "POST"]),
            Route("/control/messages", desk.show_messages, methods=["GET"]),
            Route("/control/templates", desk.register, methods=["POST"]),
            *control_routes(books.ledger, faults=_FAULTS, settings=_SETTINGS),
        ],
        ledger=books.ledger,
    )


class _Desk:
    def __init__(self, books: Books, account: Account) -> None:
        self._books = books
        self._account = account

    async def rpc(self, request: Request) -> Response | DroppedAnswer:
        """One operation, named by a header; a visitor without one sees the phones."""
        if request.method == "GET" and "x-acs-action" not in request.headers:
            policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
            return HTMLResponse(render(self._books.messages()), headers=policy)
        body = await request.body()
        query = request.scope["query_string"].decode("ascii", "replace")
        try:
            self._check(request, query, body)
            params = dict(parse_qsl(query, keep_blank_values=True))
            if request.headers.get("content-type", "").startswith(_FORM):
                params |= parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
            match request.headers.get("x-acs-action"):
                case "SendSms":
                    return await self._send(params)
                case "QuerySendDetails":
                    return self._details(params)
                case _:
                    raise Refused("InvalidAction.NotFound")
        except Refused as refusal:
            return _answer(refusal.code)

    def _check(self, request: Request, query: str, body: bytes) -> None:
        nonce = signature.check(
            request.method,
            request.url.path,
            query,
            {name.lower(): value for name, value in request.headers.items()},
            body,
            key_id=self._account.access_key_id,
            key_secret=self._account.access_key_secret,
            at=real_now(),
        )
        if request.headers["x-acs-version"] != VERSION:
            raise Refused("InvalidVersion")
        self._books.use_nonce(nonce)

    async def _send(self, params: dict[str, str]) -> Response | DroppedAnswer:
        name, wish = self._books.ledger.take_fault(*_SEND_FAULTS) or ("", {})
        if name == "throttle":
            raise Refused("Throttling.User")
        if name == "refuse":
            raise Refused(str(wish.get("code", "isv.BLACK_KEY_CONTROL_LIMIT")))
        if name == "error_500" and not wish.get("taken"):
            raise Refused("InternalError")
        # Committed here; only then is there an answer.
        biz_id = await asyncio.to_thread(self._books.take, params, self._account.sign_name)
        if name == "error_500":
            raise Refused("InternalError")
        if name == "lost_answer":
            return DroppedAnswer()
        return _answer("OK", BizId=biz_id)

    def _details(self, params: dict[str, str]) -> Response:
        if self._books.ledger.take_fault("query_error"):
            raise Refused("ServiceUnavailable")
        count, rows = self._books.details(params)
        found = [
            {
                "PhoneNum": as_shown(row["phone"]),
                "SendStatus": _SEND_STATUS[row["state"]],
                "ErrCode": row["err_code"],
                "TemplateCode": row["template"],
                "Content": row["text"],
                "SendDate": local(row["sent_at"]),
                "ReceiveDate": local(row["reported_at"]),
                "OutId": row["out_id"],
            }
            for row in rows
        ]
        return _answer("OK", TotalCount=str(count), SmsSendDetailDTOs={"SmsSendDetailDTO": found})

    # --- control

    async def show_messages(self, request: Request) -> Response:
        """What was taken, delivered or not; `?phone=` for one number, however it is written."""
        return JSONResponse({"messages": self._books.messages(request.query_params.get("phone"))})

    async def register(self, request: Request) -> Response:
        """Approve a template: {"code": "SMS_…", "text": "… ${place} …"}."""
        wish = await request.json()
        code, text = (wish.get("code"), wish.get("text")) if isinstance(wish, dict) else (None, None)
        if not (isinstance(code, str) and code and isinstance(text, str) and text):
            return JSONResponse({"needs": ["code", "text"]}, status_code=422)
        self._books.register(code, text)
        return JSONResponse({"code": code, "text": text}, status_code=201)


def _answer(code: str, **more: Any) -> Response:
    status, words = status_and_words(code)
    document = {"Code": code, "Message": words, "RequestId": str(uuid.uuid4()).upper(), **more}
    return JSONResponse(document, status_code=status)
