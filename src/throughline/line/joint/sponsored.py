"""CAMARA sponsored_data as a joint plan (version "wip", no release: behind a flag).

The file has no security scheme: the token travels in the header `accessToken`. It gives a request no key, so a lost
answer is looked for in the campaign's list of active sponsorships, and by the end notification's token.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any
from urllib.parse import quote

import httpx

from throughline.kernel.logging import get_logger
from throughline.kernel.settings import settings
from throughline.line.joint.offers import Kind, Offer
from throughline.line.joint.ports import Order, Placed, PlanAnswer, Word
from throughline.line.joint.settings import JointSettings
from throughline.line.joint.wire import MAX_LIST_BYTES, NoKey, assertion, document_of, instant, short_text

log = get_logger(__name__)

BASE = "/sponsored-data/vwip"
SCOPE = "dpv:RequestedServiceProvision sponsored-data"
CALLBACK = "/hooks/line/sponsored-data"
_MAX_ACTIVE = 50_000
_NO_TOKEN = PlanAnswer(Word.NO_ANSWER, code="no_token")
# endReason of session-status is in lower case, `reason` of the end notification is another list in upper case.
END_REASONS = {
    "validity_expired": "expired",
    "data_exhausted": "used_up",
    "session_revoked": "staff",
    "EXPIRED": "expired",
    "TERMINATED_BY_SPONSOR": "staff",
    "DATA_EXHAUSTED": "used_up",
    "USER_DEREGISTERED": "line_cancelled",
    "NOT_AVAILABLE": "carrier",
}


class SponsoredPlan:
    """Speaks to one gateway."""

    name = "sponsored_data"

    def __init__(self, config: JointSettings) -> None:
        self._config = config
        self._base = str(config.sponsored_url).rstrip("/")
        self._http = httpx.Client(timeout=httpx.Timeout(config.timeout_s, connect=3), follow_redirects=False)
        self._token: tuple[str, float] | None = None
        self._lock = threading.Lock()

    def offer(self, offer: Offer) -> bool:
        """Sponsored data only."""
        return offer.kind is Kind.SPONSORED_DATA

    def grant(self, order: Order) -> PlanAnswer:
        """Start a session."""
        response = self._call(
            "POST",
            "/sponsorship",
            {
                "sponsorId": self._config.sponsor_id,
                "campaignId": order.campaign,
                "phoneNumber": order.number,
                "dataVolume": order.gives.megabytes,
                "duration": order.gives.minutes,
                "webhookUrl": str(settings().base_url).rstrip("/") + CALLBACK,
                "callbackToken": str(order.callback_token),
            },
        )
        if isinstance(response, PlanAnswer):
            # Without a token nothing was sent; the question after it will find nothing and say so.
            return response
        document = document_of(response)
        if response.status_code == 201:
            session_id = _session_id(document)
            if session_id is None:
                return PlanAnswer(Word.NO_ANSWER, code="malformed")
            return PlanAnswer(
                Word.GRANTED,
                remote_id=session_id,
                starts_at=instant(document, "startTime"),
                ends_at=instant(document, "endTime"),
            )
        code = short_text(document, "code")
        if response.status_code in {400, 403, 404, 409, 422} and code:
            return PlanAnswer(Word.REFUSED, code=code)
        return PlanAnswer(Word.NO_ANSWER, code=f"http_{response.status_code}")

    def status(self, placed: Placed) -> PlanAnswer:
        """Ask for the session; without its id it is looked for by the number in the campaign's list."""
        session_id = placed.remote_id
        if session_id is None:
            found = self._find(placed)
            if isinstance(found, PlanAnswer):
                return found
            session_id = found
        response = self._call("GET", f"{self._session(placed, session_id)}/session-status", None)
        if isinstance(response, PlanAnswer):
            return response
        document = document_of(response)
        if response.status_code == 404 and "code" in document:
            return PlanAnswer(Word.NOT_KNOWN, code=short_text(document, "code"))
        status = document.get("sessionStatus")
        if response.status_code != 200 or status not in {"active", "inactive"}:
            return PlanAnswer(Word.NO_ANSWER, code=f"http_{response.status_code}")
        return PlanAnswer(
            Word.GRANTED if status == "active" else Word.ENDED,
            remote_id=session_id,
            code=END_REASONS.get(str(document.get("endReason"))),
            starts_at=instant(document, "startTime"),
            ends_at=instant(document, "endTime"),
        )

    def revoke(self, placed: Placed) -> PlanAnswer:
        """End the session."""
        if placed.remote_id is None:
            return PlanAnswer(Word.NO_ANSWER, code="no_session")
        response = self._call("DELETE", f"{self._session(placed, placed.remote_id)}/revoke", None)
        if isinstance(response, PlanAnswer):
            return response
        document = document_of(response)
        if response.status_code == 200 and document.get("requestResult", "successful_revocation") == (
            "successful_revocation"
        ):
            return PlanAnswer(Word.ENDED, remote_id=placed.remote_id)
        if response.status_code in {404, 410} and "code" in document:
            return PlanAnswer(Word.NOT_KNOWN, code=short_text(document, "code"))
        if response.status_code == 422 and "code" in document:
            # It can't be revoked: it is over, or is not ours. The status tells which.
            return self.status(placed)
        return PlanAnswer(Word.NO_ANSWER, code=f"http_{response.status_code}")

    def _find(self, placed: Placed) -> PlanAnswer | str:
        path = f"/campaign/{self._of_campaign(placed)}/active-sponsorships"
        response = self._call("GET", path, None)
        if isinstance(response, PlanAnswer):
            return response
        rows = document_of(response, limit_bytes=MAX_LIST_BYTES).get("activeSponsorships")
        if response.status_code != 200 or not isinstance(rows, list) or len(rows) > _MAX_ACTIVE:
            return PlanAnswer(Word.NO_ANSWER, code=f"http_{response.status_code}")
        for row in rows:
            number = short_text(row, "phoneNumber") if isinstance(row, dict) else None
            if number is not None and placed.is_ours(number):
                return _session_id(row) or PlanAnswer(Word.NO_ANSWER, code="malformed")
        return PlanAnswer(Word.NOT_KNOWN, code="not_in_list")

    def _of_campaign(self, placed: Placed) -> str:
        return f"{quote(self._config.sponsor_id or '', safe='')}/{quote(placed.campaign or '', safe='')}"

    def _session(self, placed: Placed, session_id: str) -> str:
        return f"/sponsorship/{self._of_campaign(placed)}/{quote(session_id, safe='')}"

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response | PlanAnswer:
        token = self._access_token()
        if token is None:
            return _NO_TOKEN
        # The correlator must be a UUID of version 4.
        headers = {"accessToken": token, "x-correlator": str(uuid.uuid4())}
        try:
            response = self._http.request(method, self._base + BASE + path, json=body, headers=headers)
        except httpx.HTTPError as error:
            log.warning("the sponsored-data gateway was not reached", error=type(error).__name__)
            return PlanAnswer(Word.NO_ANSWER, code="not_reached")
        if response.status_code == 401:
            with self._lock:
                self._token = None
        return response

    def _access_token(self) -> str | None:
        with self._lock:
            if self._token and self._token[1] > time.monotonic() + 30:
                return self._token[0]
        endpoint = f"{self._base}/oauth2/token"
        try:
            ours = assertion(self._config, endpoint)
        except NoKey:
            log.exception("no token can be asked for")
            return None
        try:
            response = self._http.post(
                endpoint,
                data={
                    "grant_type": "client_credentials",
                    "scope": SCOPE,
                    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    "client_assertion": ours,
                },
            )
        except httpx.HTTPError as error:
            log.warning("the gateway's token endpoint was not reached", error=type(error).__name__)
            return None
        document = document_of(response)
        token, lifetime_s = document.get("access_token"), document.get("expires_in", 60)
        if response.status_code != 200 or not isinstance(token, str) or not isinstance(lifetime_s, int):
            log.warning("the gateway refused a token", status=response.status_code)
            return None
        with self._lock:
            self._token = (token, time.monotonic() + min(lifetime_s, 3600))
        return token


def _session_id(document: dict[str, Any]) -> str | None:
    try:
        return str(uuid.UUID(short_text(document, "sessionId") or ""))
    except ValueError:
        return None
