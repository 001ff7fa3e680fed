"""Orders of contract-level offers: bridging credit, plan discounts. There is no standard API for them.

The interface is ours and as small as the field allows; a carrier with another one is another file beside this:

    PUT    {url}/orders/{key}   place the order; the same key again is the same order
    GET    {url}/orders/{key}   what became of it; 404 with code ORDER_NOT_FOUND: never seen
    DELETE {url}/orders/{key}   end it

Answers are `{"orderId", "state": granted | pending | refused | ended, "code", "startsAt", "endsAt"}`. Each request is
signed: a JWT (ES256) binds method, path, time, one use, and the hash of the body.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx

from throughline.kernel.logging import get_logger
from throughline.line.joint.offers import Kind, Offer
from throughline.line.joint.ports import Order, Placed, PlanAnswer, Word
from throughline.line.joint.settings import JointSettings
from throughline.line.joint.wire import NoKey, assertion, document_of, instant, short_text

log = get_logger(__name__)

_WORDS = {"granted": Word.GRANTED, "pending": Word.PENDING, "refused": Word.REFUSED, "ended": Word.ENDED}
_ENDS = {"expired": "expired", "used_up": "used_up", "revoked": "staff", "line_cancelled": "line_cancelled"}


class ContractPlan:
    """Speaks to one carrier's order desk."""

    name = "contract"

    def __init__(self, config: JointSettings) -> None:
        self._config = config
        self._base = str(config.contract_url).rstrip("/")
        self._http = httpx.Client(timeout=httpx.Timeout(config.timeout_s, connect=3), follow_redirects=False)

    def offer(self, offer: Offer) -> bool:
        """Everything but sponsored data."""
        return offer.kind in {Kind.BRIDGING_CREDIT, Kind.PLAN_DISCOUNT}

    def grant(self, order: Order) -> PlanAnswer:
        """Place the order."""
        body = {
            "offer": order.offer_id,
            "kind": order.kind.value,
            "phoneNumber": order.number,
            "amountMinor": order.gives.amount_minor,
            "currency": order.currency,
            "days": order.gives.days,
        }
        return self._call("PUT", order.key, body)

    def status(self, placed: Placed) -> PlanAnswer:
        """Ask for the order."""
        return self._call("GET", placed.key, None)

    def revoke(self, placed: Placed) -> PlanAnswer:
        """End the order."""
        return self._call("DELETE", placed.key, None)

    def _call(self, method: str, key: str, document: dict[str, Any] | None) -> PlanAnswer:
        path = f"/orders/{key}"
        body = json.dumps(document, separators=(",", ":")).encode() if document is not None else b""
        try:
            signature = assertion(
                self._config,
                self._base,
                method=method,
                path=path,
                body_sha256=hashlib.sha256(body).hexdigest(),
            )
        except NoKey:
            log.exception("orders can't be signed")
            return PlanAnswer(Word.NO_ANSWER, code="no_key")
        headers = {"Authorization": f"Bearer {signature}"}
        if body:
            headers["Content-Type"] = "application/json"
        try:
            response = self._http.request(method, self._base + path, content=body, headers=headers)
        except httpx.HTTPError as error:
            log.warning("the carrier's order desk was not reached", error=type(error).__name__)
            return PlanAnswer(Word.NO_ANSWER, code="not_reached")
        return read_answer(method, response)


def read_answer(method: str, response: httpx.Response) -> PlanAnswer:
    """What an answer of the order desk says. What is not plainly said is NO_ANSWER, never a refusal."""
    document = document_of(response)
    code = short_text(document, "code")
    if response.status_code in {200, 201}:
        word = _WORDS.get(str(document.get("state")))
        if word is None:
            return PlanAnswer(Word.NO_ANSWER, code="malformed")
        if word is Word.ENDED:
            code = _ENDS.get(code or "", "carrier")
        return PlanAnswer(
            word,
            remote_id=short_text(document, "orderId"),
            code=code,
            starts_at=instant(document, "startsAt"),
            ends_at=instant(document, "endsAt"),
        )
    if response.status_code == 404 and code == "ORDER_NOT_FOUND":
        return PlanAnswer(Word.NOT_KNOWN, code=code)
    if method == "PUT" and response.status_code in {400, 403, 409, 422} and code:
        return PlanAnswer(Word.REFUSED, code=code)
    return PlanAnswer(Word.NO_ANSWER, code=f"http_{response.status_code}")
