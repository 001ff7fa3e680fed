"""The CAMARA client: questions that never raise; an unanswered question is "no information"."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from throughline.kernel import clock
from throughline.kernel.clock import real_now
from throughline.kernel.ids import new_id
from throughline.kernel.logging import get_logger
from throughline.line.settings import LineSettings
from throughline.line.signals import Signal

log = get_logger(__name__)

STATUS_BASE = "/subscription-status/v0.1"
# The first is the spelling of the file, the second that of other CAMARA documents.
STATUS_PATHS = ("/retrive-subscription-status", "/retrieve-subscription-status")
REACHABILITY = "/device-reachability-status-subscriptions/v0.8/subscriptions"
EVENT_PREFIX = "org.camaraproject.device-reachability-status-subscriptions.v0."
EVENT_TYPES = tuple(
    EVENT_PREFIX + kind for kind in ("reachability-data", "reachability-sms", "reachability-disconnected")
)
PURPOSE = "dpv:RequestedServiceProvision"  # service continuity; never the purpose of fraud prevention
STATUS_SCOPE = "subscription-status:retrive-subscription-status"
SUBSCRIBE_SCOPE = " ".join(f"device-reachability-status-subscriptions:{kind}:create" for kind in EVENT_TYPES)
MANAGE_SCOPE = "device-reachability-status-subscriptions:delete"
_FLAGS = {
    "voiceSmsIn": {"active", "suspended"},
    "voiceSmsOut": {"active", "suspended"},
    "dataService": {"active", "suspended", "throttled"},
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: the signal if there is information, and what to write in the query's row."""

    outcome: str  # answered | unknown | refused | error
    signal: Signal | None = None


class CarrierClient:
    """Speaks to one carrier. Tokens are kept until shortly before they expire, one for each scope."""

    def __init__(self, config: LineSettings) -> None:
        self._config = config
        self._base = str(config.api_url).rstrip("/")
        self._http = httpx.Client(timeout=httpx.Timeout(config.timeout_s, connect=3), follow_redirects=False)
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def status(self, number: str) -> Answer:
        """Ask for the subscription status of a number in E.164."""
        for path in STATUS_PATHS:
            response = self._post(STATUS_BASE + path, STATUS_SCOPE, {"phoneNumber": number})
            if response is None:
                return Answer("unknown")
            document = _document(response)
            if response.status_code == 404 and "code" not in document:
                continue  # not the carrier's word on the number: this spelling of the path is not served
            return self._status_answer(response.status_code, document)
        return Answer("error")

    def _status_answer(self, status: int, document: Mapping[str, Any]) -> Answer:
        if status == 200:
            flags = {name: document.get(name) for name in _FLAGS}
            if any(flags[name] not in allowed for name, allowed in _FLAGS.items()):
                log.warning("malformed subscription status", members=sorted(document)[:10])
                return Answer("unknown")
            return Answer("answered", _signal("camara.subscription-status", None, flags))
        if status == 404 and document.get("code") == "IDENTIFIER_NOT_FOUND":
            return Answer("answered", _signal("camara.subscription-status", "IDENTIFIER_NOT_FOUND", {}))
        if status in {401, 403, 422}:
            return Answer("refused")
        # 429, 5xx and whatever else: no information. The next planned question comes soon enough.
        return Answer("unknown")

    def subscribe(
        self, number: str, event_type: str, *, sink: str, sink_token: str, expires_at: datetime
    ) -> tuple[str, datetime | None] | None:
        """Subscribe to one event type of a number; the carrier's id and its expiry, or None."""
        response = self._post(
            REACHABILITY,
            SUBSCRIBE_SCOPE,
            {
                "protocol": "HTTP",
                "sink": sink,
                "sinkCredential": {
                    "credentialType": "ACCESSTOKEN",
                    "accessToken": sink_token,
                    "accessTokenExpiresUtc": _instant(expires_at),
                    "accessTokenType": "bearer",
                },
                "types": [event_type],
                "config": {
                    "subscriptionDetail": {"device": {"phoneNumber": number}},
                    "subscriptionExpireTime": _instant(expires_at),
                    "initialEvent": True,
                },
            },
        )
        if response is None or response.status_code not in {201, 202}:
            return None
        document = _document(response)
        remote_id = document.get("id") or document.get("subscriptionId")
        if not isinstance(remote_id, str) or len(remote_id) > 200:
            return None
        expiry = document.get("expiresAt")
        try:
            return remote_id, datetime.fromisoformat(expiry) if isinstance(expiry, str) else None
        except ValueError:
            return remote_id, None

    def unsubscribe(self, remote_id: str) -> bool:
        """End a subscription; True if it is gone (also when it was gone before)."""
        token = self._token(MANAGE_SCOPE)
        if token is None:
            return False
        try:
            response = self._http.delete(
                f"{self._base}{REACHABILITY}/{remote_id}",
                headers={"Authorization": f"Bearer {token}", "x-correlator": str(new_id())},
            )
        except httpx.HTTPError as error:
            log.warning("carrier not reached", error=type(error).__name__)
            return False
        return response.status_code in {202, 204, 404, 410}

    def _post(self, path: str, scope: str, body: Mapping[str, Any]) -> httpx.Response | None:
        token = self._token(scope)
        if token is None:
            return None
        headers = {"Authorization": f"Bearer {token}", "x-correlator": str(new_id())}
        try:
            response = self._http.post(self._base + path, json=body, headers=headers)
        except httpx.HTTPError as error:
            log.warning("carrier not reached", error=type(error).__name__)
            return None
        if response.status_code == 401:
            with self._lock:
                self._tokens.pop(scope, None)
        return response

    def _token(self, scope: str) -> str | None:
        """A client-credentials token by private_key_jwt. A refusal is never read as a state of the line."""
        with self._lock:
            known = self._tokens.get(scope)
            if known and known[1] > time.monotonic() + 30:
                return known[0]
        endpoint = f"{self._base}/oauth2/token"
        now_s = int(real_now().timestamp())
        claims = {
            "iss": self._config.client_id,
            "sub": self._config.client_id,
            "aud": endpoint,
            "jti": str(new_id()),
            "iat": now_s,
            "exp": now_s + 60,
        }
        key = ECKey.import_key(self._config.key_file.read_text(encoding="ascii"))
        try:
            response = self._http.post(
                endpoint,
                data={
                    "grant_type": "client_credentials",
                    "scope": f"{PURPOSE} {scope}",
                    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    "client_assertion": jwt.encode({"alg": "ES256"}, claims, key),
                },
            )
        except httpx.HTTPError as error:
            log.warning("carrier's token endpoint not reached", error=type(error).__name__)
            return None
        document = _document(response)
        token, lifetime_s = document.get("access_token"), document.get("expires_in", 60)
        if response.status_code != 200 or not isinstance(token, str) or not isinstance(lifetime_s, int):
            log.warning("carrier refused a token", status=response.status_code)
            return None
        with self._lock:
            self._tokens[scope] = (token, time.monotonic() + min(lifetime_s, 3600))
        return token


def _document(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer; an empty one for anything else. Answers are small: 64 KiB is a limit."""
    if len(response.content) > 64 * 1024:
        return {}
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _signal(source: str, code: str | None, attributes: Mapping[str, Any]) -> Signal:
    return Signal(clock.now(), source, "carrier", code, attributes)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
