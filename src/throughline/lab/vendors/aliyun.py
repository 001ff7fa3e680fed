"""Alibaba Cloud 号码百科 (Dytnsapi, version 2020-02-17): number status and recycled numbers.

Sourced, from the vendor's public manual and SDK models: the actions, AuthCode / InputNumber / Mask / StartTime, the
envelope {Code, Message, RequestId, Data {Status | VerifyResult, Carrier}}, the statuses, the codes OK, OperatorLimit,
RequestFrequencyLimit, PortabilityNumberNotSupported, RequestNumberNotSupported, AuthCodeNotExist, DateTimeIllegal and
EncryptTypeIllegal with HTTP 400, 300 queries a second (100 for recycled numbers), 0.1 CNY for an answer that is not
UNKNOWN, `PhoneStatus` instead of `Data` in the old DescribePhoneNumberStatus, T+7 and T+5 days of data lag, and that
both kinds of suspension are SHUTDOWN. The signature is ACS3-HMAC-SHA256.

Assumed: HTTP 200 for the codes that a carrier causes and no Data with them; the wait before a number may be asked
again; InvalidParameter for a malformed number; 3 s after which a carrier's answer is given up (UNKNOWN); which of
POWER_OFF and SUSPECTED_POWER_OFF is said (the second, when the cells of a region are down).
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from throughline.kernel.clock import real_now
from throughline.lab.simulator import DroppedAnswer
from throughline.lab.sms import signature
from throughline.lab.sms.answers import Refused, status_and_words
from throughline.lab.vendors.keys import Accounts
from throughline.lab.vendors.view import Number, View

NAME = "aliyun"
VERSION = "2020-02-17"
FAULTS = (
    "aliyun_throttle",
    "aliyun_frequency",
    "aliyun_unknown",
    "aliyun_new_status",
    "aliyun_500",
    "aliyun_malformed",
    "aliyun_lost_answer",
    "aliyun_no_data",
)
STATUS_ACTIONS = frozenset(
    f"PhoneNumberStatusFor{kind}" for kind in ("Real", "Public", "Account", "Sms", "Voice")
)
OLD_STATUS, RECYCLED = "DescribePhoneNumberStatus", "DescribePhoneTwiceTelVerify"
GIVE_UP_S = 3.0
PRICE_MINOR = 10
_ZONE = ZoneInfo("Asia/Shanghai")
_MOBILE = re.compile(r"1\d{10}")
_LENGTHS = {"MD5": 32, "SHA256": 64, "SM3": 64}
_WORDS = {
    "AuthCodeNotExist": (400, "The authorization code does not exist."),
    "EncryptTypeIllegal": (400, "Invalid encryption type."),
    "DateTimeIllegal": (400, "Date format error."),
    "InvalidParameter": (400, "The specified parameter is invalid."),
    "OperatorLimit": (200, "The number is limited by the operator."),
    "RequestFrequencyLimit": (200, "Request frequency limit."),
    "PortabilityNumberNotSupported": (200, "The ported number is not supported."),
    "RequestNumberNotSupported": (200, "The number is not supported."),
}
_STATUS = {
    "active": "NORMAL",
    "reassigned": "NORMAL",
    "out_suspended": "SHUTDOWN",
    "suspended": "SHUTDOWN",
    "pre_cancelled": "SHUTDOWN",
    "cancelled": "NOT_EXIST",
    "off": "POWER_OFF",
}


class Aliyun:
    """The RPC endpoint."""

    def __init__(self, view: View, accounts: Accounts) -> None:
        self._view = view
        self._accounts = accounts

    async def rpc(self, request: Request) -> Response | DroppedAnswer:
        """One operation, named by the header x-acs-action."""
        body = await request.body()
        query = request.scope["query_string"].decode("ascii", "replace")
        name, _ = self._view.ledger.take_fault(*FAULTS) or ("", {})
        try:
            self._check(request, query, body)
            params = dict(parse_qsl(query, keep_blank_values=True))
            if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
                params |= parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
            codes = {
                "aliyun_throttle": "Throttling.User",
                "aliyun_frequency": "RequestFrequencyLimit",
                "aliyun_500": "InternalError",
            }
            if name in codes:
                raise Refused(codes[name])
            document = await self._answer(request.headers["x-acs-action"], params, name)
        except Refused as refusal:
            status, words = _WORDS.get(refusal.code) or status_and_words(refusal.code)
            return JSONResponse(_envelope(refusal.code, words), status_code=status)
        if name == "aliyun_lost_answer":
            return DroppedAnswer()
        if name == "aliyun_malformed":
            return Response(b'{"Code": "OK", "Data": {"Status"', media_type="application/json")
        return JSONResponse(document)

    def _check(self, request: Request, query: str, body: bytes) -> None:
        nonce = signature.check(
            request.method,
            request.url.path,
            query,
            {key.lower(): value for key, value in request.headers.items()},
            body,
            key_id=self._accounts.aliyun_key_id,
            key_secret=self._accounts.aliyun_key_secret,
            at=real_now(),
        )
        if request.headers["x-acs-version"] != VERSION:
            raise Refused("InvalidVersion")
        if not self._view.first_use(nonce):
            raise Refused("SignatureNonceUsed")

    async def _answer(self, action: str, params: Mapping[str, str], fault: str) -> dict[str, Any]:
        recycled = action == RECYCLED
        if not (recycled or action == OLD_STATUS or action in STATUS_ACTIONS):
            raise Refused("InvalidAction.NotFound")
        if self._view.too_fast(NAME, 100 if recycled else 300):
            raise Refused("Throttling.User")
        mobile = await asyncio.to_thread(self._mobile, action, params)
        opened_by = _start_time(params) if recycled else None
        if self._view.asked_lately(NAME, mobile):
            raise Refused("RequestFrequencyLimit")
        if mobile.startswith("192"):  # China Broadnet
            raise Refused("RequestNumberNotSupported" if recycled else "OperatorLimit")
        number = await self._number(mobile)
        if fault == "aliyun_unknown":
            number = None
        if recycled:
            answer = _verified(number, opened_by)
            unknown = "0"
        else:
            answer = "SILENT_NUMBER" if fault == "aliyun_new_status" else _status(number)
            unknown = "UNKNOWN"
        self._view.keep(NAME, action, mobile, answer, 0 if answer == unknown else PRICE_MINOR)
        if fault == "aliyun_no_data":
            return _envelope("OK", "OK")
        member = "VerifyResult" if recycled else "Status"
        data = {member: answer, "Carrier": number.carrier if number else "UNKNOW"}
        if action == OLD_STATUS:
            return _envelope("OK", "OK") | {"PhoneStatus": data | {"SerialId": str(uuid.uuid4().int)[:13]}}
        return _envelope("OK", "OK") | {"Data": data}

    def _mobile(self, action: str, params: Mapping[str, str]) -> str:
        """The 11 digits that a request is about. Raises Refused."""
        if action == OLD_STATUS:
            given, mask = params.get("PhoneNumber", ""), "NORMAL"
        else:
            if params.get("AuthCode") != self._accounts.aliyun_auth_code:
                raise Refused("AuthCodeNotExist")
            given, mask = params.get("InputNumber", ""), params.get("Mask", "")
        if mask == "NORMAL":
            if not _MOBILE.fullmatch(given):
                raise Refused("InvalidParameter")
            return given
        if mask not in _LENGTHS or (mask == "SM3" and action == RECYCLED):
            raise Refused("EncryptTypeIllegal")
        if len(given) != _LENGTHS[mask] or not re.fullmatch(r"[0-9a-fA-F]+", given):
            raise Refused("InvalidParameter")
        # A hash that matches no record is nobody's number.
        return self._view.mobile_of(given, mask) or given.lower()

    async def _number(self, mobile: str) -> Number | None:
        """What the carrier says within 3 s."""
        takes_s = float(self._view.ledger.setting("carrier_answer_s", 0))
        await asyncio.sleep(min(takes_s, GIVE_UP_S))
        if takes_s > GIVE_UP_S or not _MOBILE.fullmatch(mobile):
            return None
        return await asyncio.to_thread(self._view.number, mobile)


def _status(number: Number | None) -> str:
    if number is None:
        return "UNKNOWN"
    known = _STATUS[number.state]
    return "SUSPECTED_POWER_OFF" if known == "NORMAL" and not number.covered else known


def _verified(number: Number | None, registered: datetime | None) -> str:
    if number is None or registered is None:
        return "0"
    if number.ported:
        raise Refused("PortabilityNumberNotSupported")
    if number.opened is None:
        return "3"
    return "1" if registered.astimezone(_ZONE).date() < number.opened else "2"


def _start_time(params: Mapping[str, str]) -> datetime:
    try:
        made = datetime.strptime(params.get("StartTime", ""), "%Y-%m-%d %H:%M:%S").replace(tzinfo=_ZONE)
    except ValueError:
        raise Refused("DateTimeIllegal") from None
    if made <= datetime(1970, 1, 1, tzinfo=_ZONE):
        raise Refused("DateTimeIllegal")
    return made


def _envelope(code: str, words: str) -> dict[str, Any]:
    return {"Code": code, "Message": words, "RequestId": str(uuid.uuid4()).upper()}
