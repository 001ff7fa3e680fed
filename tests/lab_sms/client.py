"""A client that signs by hand, so that it can also sign wrongly."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from lab_sms.running import Simulator


class Client:
    """One account; `changed` headers are put in after signing."""

    def __init__(self, centre: Simulator) -> None:
        path = centre.home / "lab" / "keys" / "sms" / "account.json"
        self.account: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        self._centre = centre

    def call(
        self, action: str, params: dict[str, str], *, form: bool = False, method: str = "POST",
        secret: str | None = None, at: datetime | None = None, nonce: str | None = None,
        changed: dict[str, str] | None = None, version: str = "2017-05-25",
    ) -> httpx.Response:  # fmt: skip
        body = urlencode(params).encode() if form else b""
        query = (
            ""
            if form
            else "&".join(f"{quote(k, safe='')}={quote(params[k], safe='')}" for k in sorted(params))
        )
        headers = {
            "host": f"127.0.0.1:{self._centre.port}",
            "x-acs-action": action,
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-acs-date": (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": nonce or secrets.token_hex(16),
            "x-acs-version": version,
        }
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = "\n".join((method, "/", query, lines, names, headers["x-acs-content-sha256"]))
        to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
        key = (secret or self.account["access_key_secret"]).encode()
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (
            f"ACS3-HMAC-SHA256 Credential={self.account['access_key_id']},SignedHeaders={names},Signature={signature}"
        )
        if form:
            headers["content-type"] = "application/x-www-form-urlencoded"
        headers |= changed or {}
        return self._centre.http.request(
            method, f"/?{query}" if query else "/", content=body, headers=headers
        )

    def send(self, phone: str, out_id: str = "", **changed: Any) -> httpx.Response:
        wish = {
            "PhoneNumbers": phone,
            "SignName": self.account["sign_name"],
            "TemplateCode": "SMS_480000003",
            "TemplateParam": '{"count": "3"}',
            "OutId": out_id,
        } | changed  # fmt: skip
        return self.call("SendSms", wish)

    def details(self, phone: str, day: str, **more: str) -> Any:
        wish = {"PhoneNumber": phone, "SendDate": day, "PageSize": "50", "CurrentPage": "1"} | more
        return self.call("QuerySendDetails", wish).json()
