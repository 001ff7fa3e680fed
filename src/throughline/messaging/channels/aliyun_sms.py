"""SMS over Alibaba Cloud's short message service (Dysmsapi 2017-05-25): SendSms and QuerySendDetails.

The provider keeps the texts: we name a registered template and its parameters. `OutId` carries our own
reference, comes back in the receipt, and is how a message of unknown end is found again.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx

from throughline.kernel.clock import real_now
from throughline.kernel.logging import get_logger
from throughline.messaging.channels.acs_signature import canonical_query, signed_headers
from throughline.messaging.lattice import AttemptState
from throughline.messaging.ports import Finding, Outbound, Question, SubmitResult, Verdict

log = get_logger(__name__)

NAME = "aliyun-sms"
VERSION = "2017-05-25"
MAX_ANSWER_BYTES = 256 * 1024
PAGE = 50
ZONE = ZoneInfo("Asia/Shanghai")  # in which the provider counts days

_THROTTLED = frozenset(
    {
        "isv.BUSINESS_LIMIT_CONTROL",
        "isv.DAY_LIMIT_CONTROL",
        "isv.MONTH_LIMIT_CONTROL",
        "isv.SMS_TEST_NUMBER_LIMIT",
    }
)
# The account or the moment, not the message: worth another try, and nothing was sent.
_LATER = frozenset(
    {
        "isv.AMOUNT_NOT_ENOUGH",
        "isv.OUT_OF_SERVICE",
        "isv.ACCOUNT_ABNORMAL",
        "isp.RAM_PERMISSION_DENY",
        "ServiceUnavailable",
        "SignatureDoesNotMatch",
        "SignatureNonceUsed",
        "InvalidTimeStamp.Expired",
        "InvalidAccessKeyId.NotFound",
        "InvalidAccessKeyId.Inactive",
    }
)
_STATES = MappingProxyType({1: AttemptState.ACCEPTED, 2: AttemptState.FAILED, 3: AttemptState.DELIVERED})


class AliyunSms:
    """One account of the provider."""

    up = True  # a call makes its connection itself

    def __init__(
        self,
        base_url: str,
        *,
        key_id: str,
        key_secret: str,
        sign_name: str,
        call_timeout_s: float,
        connections: int = 20,
    ) -> None:
        self._host = urlsplit(base_url).netloc
        self._key_id, self._key_secret = key_id, key_secret
        self._sign_name = sign_name
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            timeout=httpx.Timeout(call_timeout_s, connect=min(3.0, call_timeout_s)),
            limits=httpx.Limits(
                max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=20
            ),
            follow_redirects=False,
            trust_env=False,
        )

    async def open(self) -> None:
        """Nothing to make ready."""

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def submit(self, message: Outbound) -> SubmitResult:
        """SendSms for one number."""
        try:
            answer = await self._call(
                "SendSms",
                {
                    "PhoneNumbers": _number(message.address),
                    "SignName": self._sign_name,
                    "TemplateCode": message.template_code,
                    "TemplateParam": json.dumps(dict(message.params), ensure_ascii=False),
                    "OutId": message.client_ref,
                },
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return SubmitResult(Verdict.NOT_SENT, code=type(error).__name__)
        except httpx.HTTPError as error:
            log.warning("provider left it open", error=type(error).__name__)
            return SubmitResult(Verdict.UNKNOWN, code=type(error).__name__)
        status, body = answer
        code = _text(body, "Code")
        return SubmitResult(verdict_of(status, code), _text(body, "BizId") or None, code or f"HTTP {status}")

    async def query(self, question: Question) -> Finding | None:
        """QuerySendDetails of that number and day; the message is known by our reference."""
        day = question.submitted_at.astimezone(ZONE).strftime("%Y%m%d")
        params = {
            "PhoneNumber": _number(question.address),
            "SendDate": day,
            "PageSize": str(PAGE),
            "CurrentPage": "1",
        }
        if question.provider_ref:
            params["BizId"] = question.provider_ref
        try:
            status, body = await self._call("QuerySendDetails", params)
        except httpx.HTTPError as error:
            log.warning("provider not reached", error=type(error).__name__)
            return None
        if status != httpx.codes.OK or _text(body, "Code") != "OK":
            return None
        return _found(body, question.client_ref)

    async def _call(self, action: str, params: Mapping[str, str]) -> tuple[int, Any]:
        query = canonical_query(params)
        headers = signed_headers(
            host=self._host,
            action=action,
            version=VERSION,
            query=query,
            key_id=self._key_id,
            key_secret=self._key_secret,
            at=real_now(),
            nonce=secrets.token_hex(16),
        )
        async with self._client.stream("POST", f"/?{query}", headers=headers) as answer:
            body = b""
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise httpx.ReadError("the answer is too long")
        try:
            return answer.status_code, json.loads(body)
        except (ValueError, RecursionError):
            return answer.status_code, None


def verdict_of(status: int, code: str) -> Verdict:
    """The verdict of an answer. What is not clearly a refusal leaves a doubt."""
    if code == "OK" and status == httpx.codes.OK:
        return Verdict.ACCEPTED
    if code in _THROTTLED or code.startswith("Throttling") or status == httpx.codes.TOO_MANY_REQUESTS:
        return Verdict.THROTTLED
    if code in _LATER:
        return Verdict.REJECTED_RETRY
    if not code or code == "OK" or status >= 500 or code.startswith("isp."):
        return Verdict.UNKNOWN
    return Verdict.REJECTED_FINAL


def _found(body: Any, client_ref: str) -> Finding | None:
    outer = body.get("SmsSendDetailDTOs") if isinstance(body, dict) else None
    rows = outer.get("SmsSendDetailDTO") if isinstance(outer, dict) else None
    if not isinstance(rows, list):
        return None
    for row in rows[:PAGE]:
        if isinstance(row, dict) and row.get("OutId") == client_ref:
            state = row.get("SendStatus")
            if isinstance(state, int) and state in _STATES:
                return Finding(_STATES[state], _text(row, "ErrCode"))
            return None
    # A full page may have a second one behind it: then nothing is known.
    return Finding(None) if len(rows) < PAGE else None


def _number(e164: str) -> str:
    # Numbers of the mainland go without country code, others with it but without the plus sign.
    return e164.removeprefix("+86") if e164.startswith("+86") else e164.removeprefix("+")


def _text(body: Any, name: str) -> str:
    value = body.get(name) if isinstance(body, dict) else None
    return "".join(char for char in value[:100] if char.isprintable()) if isinstance(value, str) else ""
