"""The platform's HTTP face: native orders, query, close, certificates, the payer's page, the control desk."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from throughline.kernel.clock import now
from throughline.lab.simulator import DroppedAnswer, control_routes, with_ticker
from throughline.lab.wechat.crypto import Platform, dumps
from throughline.lab.wechat.keys import ensure_keys
from throughline.lab.wechat.notices import FAULTS as NOTICE_FAULTS
from throughline.lab.wechat.notices import Notifier, transaction
from throughline.lab.wechat.orders import TradeRefused, Trades
from throughline.lab.wechat.page import render

_ANSWER_FAULTS = ("drop_answer", "error_500", "unsigned", "forged", "wrong_serial", "stale", "delay")
_FAULTS = frozenset(
    {
        *_ANSWER_FAULTS,
        *NOTICE_FAULTS,
        "drop_request",
        "not_found",
        "rate_limit",
        "wrong_amount",
        "wrong_merchant",
    }
)
_SETTINGS = frozenset({"sign_with", "down"})  # certificate, public_key, new_certificate


def build(home: Path, merchant: str = "", public_url: str = "http://127.0.0.1:8102") -> Starlette:
    """The platform over its books in `home`/lab/wechat.sqlite.

    `merchant` is the name that payers see; `public_url` is what the QR code leads to.
    """
    platform, trades = Platform(ensure_keys(home)), Trades(home)
    desk = _Desk(trades, platform, Notifier(trades, platform), merchant, public_url.rstrip("/"))
    return with_ticker(
        desk.notifier.deliver_due,
        [
            Route("/v3/pay/transactions/native", desk.native, methods=["POST"]),
            Route("/v3/pay/transactions/out-trade-no/{out_trade_no}", desk.query, methods=["GET"]),
            Route("/v3/pay/transactions/out-trade-no/{out_trade_no}/close", desk.close, methods=["POST"]),
            Route("/v3/certificates", desk.certificates, methods=["GET"]),
            Route("/pay/{code}", desk.page, methods=["GET"]),
            Route("/pay/{code}", desk.press_pay, methods=["POST"]),
            Route("/control/trades", desk.show_trades, methods=["GET"]),
            Route("/control/payments", desk.show_payments, methods=["GET"]),
            Route("/control/notice/{out_trade_no}", desk.show_notice, methods=["GET"]),
            Route("/control/{act}/{out_trade_no}", desk.act, methods=["POST"]),
            *control_routes(trades.ledger, faults=_FAULTS, settings=_SETTINGS),
        ],
        ledger=trades.ledger,
    )


class _Desk:
    def __init__(
        self, trades: Trades, platform: Platform, notifier: Notifier, merchant: str, public_url: str
    ) -> None:
        self._trades = trades
        self._platform = platform
        self.notifier = notifier
        self._merchant = merchant
        self._public_url = public_url

    async def native(self, request: Request) -> Response | DroppedAnswer:
        """Place an order; the answer is what the QR code shows."""
        body = await request.body()
        mchid = self._platform.merchant_of(request, body)
        if mchid is None:
            return self._error(401, "SIGN_ERROR")
        if self._trades.ledger.take_fault("drop_request"):
            return DroppedAnswer()
        if self._trades.ledger.take_fault("rate_limit"):
            return self._error(429, "FREQUENCY_LIMITED")
        try:
            trade = await asyncio.to_thread(self._trades.place, mchid, json.loads(body))
        except TradeRefused as error:
            return self._error(error.status, error.code)
        except ValueError:
            return self._error(400, "PARAM_ERROR")
        return await self._answer({"code_url": f"{self._public_url}/pay/{trade['code']}"})

    async def query(self, request: Request) -> Response | DroppedAnswer:
        """One order by the merchant's number."""
        mchid = self._platform.merchant_of(request, b"")
        if mchid is None:
            return self._error(401, "SIGN_ERROR")
        trade = self._trades.find(out_trade_no=request.path_params["out_trade_no"])
        hidden = self._trades.ledger.take_fault("not_found") is not None
        if trade is None or hidden or request.query_params.get("mchid") != mchid:
            return self._error(404, "ORDER_NOT_EXIST")
        wrong = self._trades.ledger.take_fault("wrong_amount")
        shown = transaction(trade, added=1 if wrong else 0)
        if self._trades.ledger.take_fault("wrong_merchant"):
            shown["mchid"] = "1900000999"
        return await self._answer(shown)

    async def close(self, request: Request) -> Response | DroppedAnswer:
        """End an unpaid order."""
        if self._platform.merchant_of(request, await request.body()) is None:
            return self._error(401, "SIGN_ERROR")
        try:
            await asyncio.to_thread(self._trades.close, request.path_params["out_trade_no"])
        except TradeRefused as error:
            return self._error(error.status, error.code)
        return await self._answer(None)

    async def certificates(self, request: Request) -> Response:
        """The platform's certificates, encrypted."""
        if self._platform.merchant_of(request, b"") is None:
            return self._error(401, "SIGN_ERROR")
        return self._signed(200, dumps({"data": self._platform.certificates()}))

    async def page(self, request: Request) -> Response:
        """What a payer sees."""
        trade = self._trades.find(code=request.path_params["code"])
        if trade is None:
            return HTMLResponse("没有此订单 No such order", status_code=404)
        expired = trade["expires_at"] is not None and now() > datetime.fromisoformat(trade["expires_at"])
        return HTMLResponse(render(trade, self._merchant or trade["mchid"], expired=expired))

    async def press_pay(self, request: Request) -> Response:
        """Anybody may pay."""
        trade = self._trades.find(code=request.path_params["code"])
        if trade is not None:
            await asyncio.to_thread(self._trades.pay, trade["out_trade_no"])
        return RedirectResponse(request.url.path, status_code=303)

    async def act(self, request: Request) -> Response:
        """pay, refund or remind, without a page (control)."""
        verbs: dict[str, Any] = {
            "pay": self._trades.pay,
            "refund": self._trades.refund,
            "remind": self._trades.remind,
        }
        verb = verbs.get(request.path_params["act"])
        if verb is None:
            return JSONResponse({"acts": sorted(verbs)}, status_code=404)
        done = await asyncio.to_thread(verb, request.path_params["out_trade_no"])
        return JSONResponse({"done": done is not False}, status_code=409 if done is False else 200)

    async def show_trades(self, request: Request) -> Response:
        """All orders as they stand (control)."""
        del request
        return JSONResponse(self._trades.ledger.rows("SELECT * FROM trade ORDER BY out_trade_no"))

    async def show_payments(self, request: Request) -> Response:
        """All payments and refunds: the truth to compare with (control)."""
        del request
        return JSONResponse(self._trades.ledger.rows("SELECT * FROM payment ORDER BY at, transaction_id"))

    async def show_notice(self, request: Request) -> Response:
        """The newest notification of an order, signed now, to be replayed by a test (control)."""
        number = request.path_params["out_trade_no"]
        found = self._trades.ledger.rows(
            "SELECT * FROM notice WHERE out_trade_no = ? ORDER BY id DESC LIMIT 1", (number,)
        )
        trade = self._trades.find(out_trade_no=number)
        if not found or trade is None:
            return Response(status_code=404)
        body = self.notifier.body(found[0], trade)
        return Response(body, headers=self.notifier.headers(body, request.query_params.get("fault", "")))

    async def _answer(self, document: dict[str, Any] | None) -> Response | DroppedAnswer:
        fault = self._trades.ledger.take_fault(*_ANSWER_FAULTS)
        name, params = fault or ("", {})
        if name == "delay":
            await asyncio.sleep(float(params.get("after_s", 1)))
        if name == "drop_answer":
            return DroppedAnswer()
        if name == "error_500":
            return Response(status_code=500)
        status, body = (200, dumps(document)) if document is not None else (204, b"")
        if name == "unsigned":
            return Response(body, status_code=status)
        return self._signed(status, body, fault=name)

    def _error(self, status: int, code: str) -> Response:
        return self._signed(status, dumps({"code": code, "message": code}))

    def _signed(self, status: int, body: bytes, *, fault: str = "") -> Response:
        headers = self._platform.headers(
            body, self._trades.ledger.setting("sign_with", "certificate"), fault=fault
        )
        return Response(body, status_code=status, headers=headers, media_type="application/json")
