"""SMS over Tencent Cloud's SMS (API 3.0, 2021-01-11): SendSms and PullSmsSendStatusByPhoneNumber.

The provider keeps the texts: we name a registered template and the values of its places {1}, {2}, … in the order in
which our own text names them. `SessionContext` carries our reference.

https://cloud.tencent.com/document/api/382/55981 (SendSms),
https://cloud.tencent.com/document/product/382/55976 (PullSmsSendStatusByPhoneNumber)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx

from throughline.kernel.clock import demo_shift, real_now
from throughline.kernel.logging import get_logger
from throughline.messaging.channels.tc3_signature import signed_headers
from throughline.messaging.channels.tencent_verdicts import OK, verdict_of
from throughline.messaging.lattice import AttemptState
from throughline.messaging.ports import Finding, Outbound, Question, SubmitResult, Verdict

log = get_logger(__name__)

NAME = "tencent-sms"
SERVICE, VERSION = "sms", "2021-01-11"
MAX_ANSWER_BYTES = 256 * 1024
MOST_STATUSES = 100  # the provider gives no more, and no second page
LOOK_BACK = timedelta(days=7) - timedelta(minutes=5)  # it remembers seven days
CLOCKS_DIFFER = timedelta(minutes=5)
LONGEST_REF = 100
_STATES = MappingProxyType({"SUCCESS": AttemptState.DELIVERED, "FAIL": AttemptState.FAILED})


class TencentSms:
    """One application of an account. `template_ids`: by the names of our texts ("<text>.<locale>")."""

    up = True  # a call makes its connection itself

    def __init__(
        self,
        base_url: str,
        *,
        secret_id: str,
        secret_key: str,
        app_id: str,
        sign_name: str,
        region: str,
        template_ids: Mapping[str, str],
        call_timeout_s: float,
        connections: int = 20,
    ) -> None:
        self._host = urlsplit(base_url).netloc
        self._secret_id, self._secret_key = secret_id, secret_key
        self._app_id, self._sign_name, self._region = app_id, sign_name, region
        self._template_ids = template_ids
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
        template_id = self._template_ids.get(message.template)
        if template_id is None:
            return SubmitResult(Verdict.NOT_SENT, code="no-template-id")
        try:
            status, said = await self._call(
                "SendSms",
                {
                    "PhoneNumberSet": [message.address],
                    "SmsSdkAppId": self._app_id,
                    "SignName": self._sign_name,
                    "TemplateId": template_id,
                    "TemplateParamSet": list(message.params.values()),
                    "SessionContext": message.client_ref,
                },
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return SubmitResult(Verdict.NOT_SENT, code=type(error).__name__)
        except httpx.HTTPError as error:
            log.warning("provider left it open", error=type(error).__name__)
            return SubmitResult(Verdict.UNKNOWN, code=type(error).__name__)
        one = _only(said.get("SendStatusSet"))
        code = _text(one, "Code") or _refusal(said)
        ref = _text(one, "SerialNo") if code == OK else ""
        return SubmitResult(verdict_of(status, code), ref or None, code or f"HTTP {status}")

    async def query(self, question: Question) -> Finding | None:
        """The status of that message among those of its number; it is known by our reference or the provider's.

        The provider lists messages whose end it knows. One that is not among them may still be on its way, so
        "not found" says no more than silence, and the class decides.
        """
        sent_at = question.submitted_at - demo_shift()
        begin = max(sent_at - CLOCKS_DIFFER, real_now() - LOOK_BACK)
        try:
            status, said = await self._call("PullSmsSendStatusByPhoneNumber", self._asked(question, begin))
        except httpx.HTTPError as error:
            log.warning("provider not reached", error=type(error).__name__)
            return None
        rows = said.get("PullSmsSendStatusSet")
        if status != httpx.codes.OK or _refusal(said) or not isinstance(rows, list):
            return None
        return _found(rows, question)

    def _asked(self, question: Question, begin: datetime) -> dict[str, Any]:
        return {
            "BeginTime": int(begin.timestamp()),
            "Offset": 0,
            "Limit": MOST_STATUSES,
            "PhoneNumber": question.address,
            "SmsSdkAppId": self._app_id,
        }

    async def _call(self, action: str, params: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """HTTP status and `Response` of an answer, {} for one that can't be read. Raises `httpx.HTTPError`."""
        body = json.dumps(params, ensure_ascii=False).encode()
        headers = signed_headers(
            host=self._host,
            service=SERVICE,
            action=action,
            version=VERSION,
            region=self._region,
            body=body,
            secret_id=self._secret_id,
            secret_key=self._secret_key,
            at=real_now(),
        )
        # Packed answers are not asked for and not unpacked: some bytes could become very many.
        headers["accept-encoding"] = "identity"
        async with self._client.stream("POST", "/", content=body, headers=headers) as answer:
            got = b""
            async for chunk in answer.aiter_raw():
                got += chunk
                if len(got) > MAX_ANSWER_BYTES:
                    raise httpx.ReadError("the answer is too long")
        try:
            document = json.loads(got)
        except (ValueError, RecursionError):
            return answer.status_code, {}
        said = document.get("Response") if isinstance(document, dict) else None
        return answer.status_code, said if isinstance(said, dict) else {}


def _only(rows: Any) -> Any:
    """The one status of an answer; anything but one is none."""
    return rows[0] if isinstance(rows, list) and len(rows) == 1 else None


def _refusal(said: Mapping[str, Any]) -> str:
    return _text(said.get("Error"), "Code")


def _found(rows: list[Any], question: Question) -> Finding | None:
    for row in rows[:MOST_STATUSES]:
        if not isinstance(row, dict):
            continue
        ref = _text(row, "SerialNo")
        ours = _text(row, "SessionContext") == question.client_ref
        if ours or (ref and ref == question.provider_ref):
            state = _STATES.get(_text(row, "ReportStatus"))
            return Finding(state, _text(row, "Description"), ref or None) if state is not None else None
    # Of a full list the rest is not known.
    return Finding(None) if len(rows) < MOST_STATUSES else None


def _text(body: Any, name: str) -> str:
    """A short printable word; anything else is none."""
    value = body.get(name) if isinstance(body, dict) else None
    if (
        not isinstance(value, str)
        or len(value) > LONGEST_REF
        or not value.isascii()
        or not value.isprintable()
    ):
        return ""
    return value
