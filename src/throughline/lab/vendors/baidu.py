"""Baidu 号码认证服务 (PNVS): line status, recycled numbers and tenure.

Sourced: that these three products exist; the status codes 01 normal, 02 单停 or 停机 in one code, 03 not enabled or on
net but unusable, 04 cancelled, 05 off; the bands of tenure; the signature `bce-auth-v1`; and from the public call
description POST /haoma-cloud/openapi/<product>/1.0 with `version` in the query, `appkey` and `phone` in the body, and
{code, msg, result} with the code "10000" for success.

Assumed, because the products' own pages could not be read: the names of the products in the paths, `date`, the member
of `result`, that `phone` may be a SHA-256, and the error codes. A client for the real service must take them from its
own contract.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from throughline.kernel.clock import now, real_now
from throughline.lab.simulator import DroppedAnswer
from throughline.lab.vendors.keys import Accounts
from throughline.lab.vendors.view import Number, View

NAME = "baidu"
FAULTS = ("baidu_throttle", "baidu_500", "baidu_malformed", "baidu_lost_answer", "baidu_new_status")
_BASE = "/haoma-cloud/openapi"
PATHS = {
    f"{_BASE}/phone-status/1.0": "status",
    f"{_BASE}/second-hand/1.0": "second_hand",
    f"{_BASE}/tenure/1.0": "tenure",
}
SUCCESS = "10000"
PRICE_MINOR = 10
_AUTH = re.compile(
    r"bce-auth-v1/([^/\s]+)/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)/(\d{1,6})/([a-z0-9;-]*)/([0-9a-f]{64})"
)
_MOBILE = re.compile(r"1\d{10}")
_HASH = re.compile(r"[0-9a-f]{64}")
_STATUS = {
    "active": "01",
    "reassigned": "01",
    "out_suspended": "02",
    "suspended": "02",
    "pre_cancelled": "02",
    "cancelled": "04",
    "off": "05",
}
# From so many months on net, the band of tenure.
_BANDS = ((24, "24+"), (12, "12-24"), (6, "6-12"), (3, "3-6"), (0, "0-3"))


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Baidu:
    """The three paths."""

    def __init__(self, view: View, accounts: Accounts) -> None:
        self._view = view
        self._accounts = accounts

    async def ask(self, request: Request) -> Response | DroppedAnswer:
        """One question: {"appkey": …, "phone": "138…"}, for second_hand with {"date": "20240131"}."""
        body = await request.body()
        name, _ = self._view.ledger.take_fault(*FAULTS) or ("", {})
        try:
            self._check(request)
            if name == "baidu_throttle" or self._view.too_fast(NAME, 100):
                raise _Refused(429, "RequestLimitExceeded", "The request limit is exceeded")
            if name == "baidu_500":
                raise _Refused(500, "InternalError", "We encountered an internal error, please try again")
            wish = _document(body)
            status = await run_in_threadpool(self._found, PATHS[request.url.path], wish)
        except _Refused as refused:
            document = {"code": refused.code, "msg": refused.message, "requestId": str(uuid.uuid4())}
            return JSONResponse(document, status_code=refused.status)
        if name == "baidu_lost_answer":
            return DroppedAnswer()
        if name == "baidu_malformed":
            return Response(b'{"code": "10000", "result": [', media_type="application/json")
        if name == "baidu_new_status":
            status = "17"
        return JSONResponse(
            {"code": SUCCESS, "msg": "success", "requestId": str(uuid.uuid4()), "result": {"state": status}}
        )

    def _found(self, check: str, wish: Mapping[str, Any]) -> str:
        if not wish.get("appkey"):
            raise _Refused(400, "InvalidParameter", "appkey")
        mobile = str(wish.get("phone", ""))
        if _HASH.fullmatch(mobile):
            # A hash that matches no record is nobody's number.
            mobile = self._view.mobile_of(mobile, "SHA256") or ""
            if not mobile:
                raise _Refused(200, "NoRecord", "The carrier gave no answer")
        if not _MOBILE.fullmatch(mobile):
            raise _Refused(400, "InvalidParameter", "phone")
        day = _day(wish.get("date")) if check == "second_hand" else None
        number = self._view.number(mobile)
        if number is None:
            raise _Refused(200, "NoRecord", "The carrier gave no answer")
        answer = _answered(check, number, day)
        self._view.keep(NAME, check, mobile, answer, PRICE_MINOR)
        return answer

    def _check(self, request: Request) -> None:
        """bce-auth-v1: the key of a day and hour signs method, path, query and the named headers."""
        found = _AUTH.fullmatch(request.headers.get("authorization", ""))
        if found is None:
            raise _Refused(403, "AccessDenied", "The authorization is missing")
        key_id, stamp, life_s, names, given = found.groups()
        if not hmac.compare_digest(key_id.encode(), self._accounts.baidu_key_id.encode()):
            raise _Refused(403, "InvalidAccessKeyId", "The access key is not known")
        signed_at = datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        if not signed_at - timedelta(minutes=15) <= real_now() <= signed_at + timedelta(seconds=int(life_s)):
            raise _Refused(403, "RequestExpired", "The request has expired")
        if "host" not in names.split(";"):
            raise _Refused(403, "SignatureDoesNotMatch", "host must be signed")
        prefix = f"bce-auth-v1/{key_id}/{stamp}/{life_s}"
        right = sign(
            self._accounts.baidu_key_secret,
            prefix,
            request.method,
            request.url.path,
            request.scope["query_string"].decode("ascii", "replace"),
            {name: request.headers.get(name, "") for name in names.split(";")},
        )
        if not hmac.compare_digest(right, given):
            raise _Refused(403, "SignatureDoesNotMatch", "The signature does not match")


def sign(secret: str, prefix: str, method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
    """The signature of a request as the manual describes it."""
    pairs = sorted(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name.lower() != "authorization"
    )
    lines = sorted(
        f"{quote(name.lower(), safe='-_.~')}:{quote(value.strip(), safe='-_.~')}"
        for name, value in headers.items()
    )
    canonical = "\n".join((method, quote(path, safe="/-_.~"), "&".join(pairs), "\n".join(lines)))
    key = hmac.new(secret.encode(), prefix.encode(), hashlib.sha256).hexdigest()
    return hmac.new(key.encode(), canonical.encode(), hashlib.sha256).hexdigest()


def _answered(check: str, number: Number, day: date | None) -> str:
    if check == "status":
        known = _STATUS[number.state]
        return "05" if known == "01" and not number.covered else known
    if number.opened is None:
        return "3" if check == "second_hand" else "0-3"
    if check == "second_hand":
        return "1" if day is not None and day < number.opened else "2"
    months = (now().astimezone(UTC).date() - number.opened).days / 30.4
    return next(band for least, band in _BANDS if months >= least or not least)


def _document(body: bytes) -> dict[str, Any]:
    try:
        wish = json.loads(body)
    except (ValueError, RecursionError):
        wish = None
    if not isinstance(wish, dict):
        raise _Refused(400, "MalformedJSON", "The JSON is malformed")
    return wish


def _day(given: Any) -> date:
    try:
        return datetime.strptime(str(given), "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise _Refused(400, "InvalidParameter", "date") from None
