"""WeChat Pay, native orders: a QR code that anybody may pay, with no login and no phone of the borrower.

Endpoints and states: WeChat Pay APIv3, "Native" (order, query by merchant's number, close) and
"certificates". Decisions go by signed bodies and by `code`, never by `message`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from throughline.kernel.clock import real_now
from throughline.kernel.i18n import N_
from throughline.kernel.logging import get_logger
from throughline.payments.ports import Capabilities, Instruction, Notice, Refused, Report
from throughline.payments.rails.transport import Reply, Transport
from throughline.payments.rails.wechat_signature import MerchantKey, PlatformKeys, open_resource
from throughline.payments.states import Direction, Outcome

log = get_logger(__name__)

NAME = "wechat_native"
CERTIFICATES = "/v3/certificates"
# What the payer reads beside the amount. It shows no debt: anybody may pay, and others may look on.
DESCRIPTION = "付款"
MAX_AMOUNT_MINOR = 5_000_000
_REFRESH_AT_MOST_EVERY = timedelta(minutes=1)

_CLOSED = N_("The order was closed before anybody had paid")
_REFUSED = N_("The payment provider refused the order")
_PAYER_FAILED = N_("The payer's payment did not go through")

# trade_state of the query, after the APIv3 documentation of "query order by out_trade_no", from memory: confirm
_STATES = {
    "SUCCESS": Outcome.SUCCEEDED,
    "REFUND": Outcome.TAKEN_BACK,
    "NOTPAY": Outcome.PENDING_USER,
    "USERPAYING": Outcome.PENDING_USER,
    "CLOSED": Outcome.FAILED,
    "REVOKED": Outcome.FAILED,
    "PAYERROR": Outcome.FAILED,
}
# Refusals of the order call after which no order exists under this number, same documentation.
_FINAL_REFUSALS = frozenset({"PARAM_ERROR", "NO_AUTH", "APPID_MCHID_NOT_MATCH", "MCH_NOT_EXISTS"})
_NOT_THERE = frozenset({"ORDER_NOT_EXIST", "ORDERNOTEXIST"})  # both spellings are documented


class WechatRail:
    """One merchant number of WeChat Pay."""

    name = NAME

    def __init__(
        self,
        transport: Transport,
        key: MerchantKey,
        platform: PlatformKeys,
        *,
        mchid: str,
        appid: str,
        api_v3_key: bytes,
        notify_url: str,
    ) -> None:
        if len(api_v3_key) != 32:
            raise ValueError("the API v3 key has 32 bytes")
        self._transport = transport
        self._key = key
        self._platform = platform
        self._appid = appid
        self._api_v3_key = api_v3_key
        self._notify_url = notify_url
        self._refresh_lock = threading.Lock()
        self._refreshed_at: datetime | None = None
        self.merchant = mchid

    def capabilities(self) -> Capabilities:
        """Money in, in CNY; the same out_trade_no is paid once."""
        return Capabilities(
            Direction.IN, "CNY", MAX_AMOUNT_MINOR, needs_payee_action=False, same_ref_idempotent=True
        )

    def create(self, instruction: Instruction) -> Report:
        """Place the order; the answer carries the address that the QR code shows."""
        document = {
            "appid": self._appid,
            "mchid": self.merchant,
            "description": DESCRIPTION,
            "out_trade_no": instruction.out_ref,
            "notify_url": self._notify_url,
            "amount": {"total": instruction.amount_minor, "currency": instruction.currency},
        }
        if instruction.expires_at is not None:
            document["time_expire"] = instruction.expires_at.astimezone(UTC).isoformat(timespec="seconds")
        answer = self._signed("POST", "/v3/pay/transactions/native", document)
        if answer is None:
            return Report(Outcome.UNKNOWN)
        status, content = answer
        if status == 200 and isinstance(content.get("code_url"), str):
            return Report(Outcome.PENDING_USER, provider_state="NOTPAY", code_url=content["code_url"][:500])
        code = _text(content, "code")
        outcome = Outcome.FAILED if 400 <= status < 500 and code in _FINAL_REFUSALS else Outcome.UNKNOWN
        return Report(outcome, provider_state=str(status), error_code=code, reason=_REFUSED)

    def query(self, out_ref: str) -> Report:
        """Ask by our own number."""
        answer = self._signed(
            "GET", f"/v3/pay/transactions/out-trade-no/{quote(out_ref)}?mchid={self.merchant}"
        )
        if answer is None:
            return Report(Outcome.UNKNOWN)
        status, content = answer
        if status == 404 and _text(content, "code") in _NOT_THERE:
            return Report(Outcome.NOT_FOUND, provider_state="404", error_code=_text(content, "code"))
        if status != 200 or content.get("out_trade_no") != out_ref:
            return Report(Outcome.UNKNOWN, provider_state=str(status), error_code=_text(content, "code"))
        return self._transaction(content)

    def _transaction(self, content: Mapping[str, Any]) -> Report:
        state = _text(content, "trade_state") or ""
        outcome = _STATES.get(state, Outcome.UNKNOWN)
        amount = content.get("amount")
        amount = amount if isinstance(amount, dict) else {}
        total = amount.get("total")
        merchant = _text(content, "mchid")
        if content.get("appid", self._appid) != self._appid:
            merchant = f"{merchant}/{_text(content, 'appid')}"  # never equals ours: not booked
        return Report(
            outcome,
            provider_state=state,
            provider_ref=_text(content, "transaction_id"),
            amount_minor=total if isinstance(total, int) and not isinstance(total, bool) else None,
            currency=_text(amount, "currency"),
            merchant=merchant,
            value_at=_instant(_text(content, "success_time")),
            reason=(_PAYER_FAILED if state == "PAYERROR" else _CLOSED) if outcome is Outcome.FAILED else None,
        )

    def cancel(self, out_ref: str) -> None:
        """Close an unpaid order. Whether it is closed, the next query tells."""
        path = f"/v3/pay/transactions/out-trade-no/{quote(out_ref)}/close"
        answer = self._signed("POST", path, {"mchid": self.merchant})
        if answer is None or answer[0] != 204:
            log.info("order not closed yet", out_ref=out_ref, status=answer[0] if answer else None)

    def read_notice(self, headers: Mapping[str, str], raw_body: bytes, *, at: datetime) -> Notice:
        """Verify and open a notification. It only tells which order to ask about."""
        self._learn_key(headers.get("wechatpay-serial", ""))
        serial = self._platform.check(headers, raw_body, at=at)
        document = _object(raw_body)
        resource = document.get("resource")
        if not isinstance(resource, dict) or resource.get("algorithm") != "AEAD_AES_256_GCM":
            raise Refused("bad_resource")
        content = _object(self._open(resource))
        event_id, out_ref = _text(document, "id"), _text(content, "out_trade_no")
        if not event_id or not out_ref or len(event_id) > 64 or len(out_ref) > 32:
            raise Refused("incomplete")
        return Notice(event_id, (_text(document, "event_type") or "")[:64], serial, out_refs=(out_ref,))

    def fetch_notices(self, after: str | None) -> tuple[Sequence[tuple[Notice, bytes]], str | None]:
        """Nothing waits here: notifications are pushed, and each order is asked about."""
        return (), after

    def _open(self, resource: Mapping[str, Any]) -> bytes:
        return open_resource(
            self._api_v3_key,
            _text(resource, "nonce") or "",
            _text(resource, "associated_data") or "",
            _text(resource, "ciphertext") or "",
        )

    def _signed(
        self, method: str, path: str, document: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]] | None:
        """Status and JSON of an answer with the platform's valid signature; else None: the outcome is open."""
        reply = self._call(method, path, document)
        if reply is None:
            return None
        self._learn_key(reply.headers.get("wechatpay-serial", ""))
        try:
            self._platform.check(reply.headers, reply.body, at=real_now())
            return reply.status, _object(reply.body) if reply.body else {}
        except Refused as error:
            log.warning(
                "answer without the platform's valid signature; a proxy may strip Wechatpay-* headers",
                status=reply.status,
                why=error.why,
            )
            return None

    def _call(self, method: str, path: str, document: dict[str, Any] | None) -> Reply | None:
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() if document else b""
        headers = {
            "Authorization": self._key.authorization(method, path, body, at=real_now()),
            "Accept": "application/json",
            "User-Agent": "throughline",
        }
        if body:
            headers["Content-Type"] = "application/json"
        return self._transport.exchange(method, path, headers=headers, body=body)

    def _learn_key(self, serial: str) -> None:
        """Fetch the platform's certificates when a serial number is new; at most once a minute.

        They come encrypted under our API v3 key, which only the platform and we have; that, and a valid
        signature by one of them over the same answer, is why they are trusted.
        """
        if not serial or self._platform.knows(serial):
            return
        with self._refresh_lock:
            if self._refreshed_at and real_now() - self._refreshed_at < _REFRESH_AT_MOST_EVERY:
                return
            self._refreshed_at = real_now()
            reply = self._call("GET", CERTIFICATES, None)
            if reply is None or reply.status != 200:
                return
            try:
                fresh = PlatformKeys({})
                pems = [self._open(item["encrypt_certificate"]) for item in _object(reply.body)["data"][:20]]
                for pem in pems:
                    fresh.add_certificate(pem)
                fresh.check(reply.headers, reply.body, at=real_now())
                for pem in pems:
                    log.info("platform certificate learned", serial=self._platform.add_certificate(pem))
            except (Refused, KeyError, TypeError, ValueError) as error:
                log.warning("certificates of the platform refused", error=type(error).__name__)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        raise Refused("not_json") from None
    if not isinstance(content, dict):
        raise Refused("not_json")
    return content


def _text(content: Mapping[str, Any], name: str) -> str | None:
    value = content.get(name)
    return value[:20_000] if isinstance(value, str) else None


def _instant(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None
