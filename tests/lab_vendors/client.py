"""Clients of the vendors, written from their manuals' descriptions of the signatures and sharing no code with ours."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from lab_sms.running import Simulator


class Aliyun:
    """Alibaba Cloud's RPC with signature V3; parameters in the query string."""

    def __init__(self, simulator: Simulator) -> None:
        kept = json.loads(
            (simulator.home / "lab" / "keys" / "vendors" / "accounts.json").read_text(encoding="utf-8")
        )
        self.key_id, self.secret = kept["aliyun_key_id"], kept["aliyun_key_secret"]
        self.auth_code = kept["aliyun_auth_code"]
        self.http, self.host = simulator.http, f"127.0.0.1:{simulator.port}"

    def call(
        self, action: str, params: dict[str, str], *, secret: str | None = None, nonce: str | None = None
    ) -> httpx.Response:
        body = b""
        query = "&".join(
            f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(params.items())
        )
        headers = {
            "host": self.host,
            "x-acs-action": action,
            "x-acs-version": "2020-02-17",
            "x-acs-date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": nonce or uuid.uuid4().hex,
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        }
        signed = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        canonical = f"POST\n/\n{query}\n{lines}\n{signed}\n{headers['x-acs-content-sha256']}"
        to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new((secret or self.secret).encode(), to_sign.encode(), hashlib.sha256).hexdigest()
        headers["Authorization"] = (
            f"ACS3-HMAC-SHA256 Credential={self.key_id},SignedHeaders={signed},Signature={signature}"
        )
        return self.http.post(f"/?{query}", content=body, headers=headers)

    def status(
        self, mobile: str, action: str = "PhoneNumberStatusForReal", mask: str = "NORMAL"
    ) -> dict[str, Any]:
        params = {"AuthCode": self.auth_code, "InputNumber": mobile, "Mask": mask}
        found: dict[str, Any] = self.call(action, params).json()
        return found

    def recycled(self, mobile: str, start: str) -> dict[str, Any]:
        params = {"AuthCode": self.auth_code, "InputNumber": mobile, "Mask": "NORMAL", "StartTime": start}
        found: dict[str, Any] = self.call("DescribePhoneTwiceTelVerify", params).json()
        return found


class Baidu:
    """Baidu's bce-auth-v1."""

    def __init__(self, simulator: Simulator) -> None:
        kept = json.loads(
            (simulator.home / "lab" / "keys" / "vendors" / "accounts.json").read_text(encoding="utf-8")
        )
        self.key_id, self.secret = kept["baidu_key_id"], kept["baidu_key_secret"]
        self.http, self.host = simulator.http, f"127.0.0.1:{simulator.port}"

    def call(self, path: str, body: dict[str, Any], *, secret: str | None = None) -> httpx.Response:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        prefix = f"bce-auth-v1/{self.key_id}/{stamp}/1800"
        key = hmac.new((secret or self.secret).encode(), prefix.encode(), hashlib.sha256).hexdigest()
        canonical = f"POST\n{path}\n\nhost:{quote(self.host, safe='-_.~')}"
        signature = hmac.new(key.encode(), canonical.encode(), hashlib.sha256).hexdigest()
        headers = {"Authorization": f"{prefix}/host/{signature}", "host": self.host}
        return self.http.post(path, json=body, headers=headers)

    def ask(self, check: str, mobile: str, **more: str) -> Any:
        name = {"status": "phone-status", "second_hand": "second-hand"}.get(check, check)
        body = {"appkey": "app", "phone": mobile, **more}
        return self.call(f"/haoma-cloud/openapi/{name}/1.0", body).json()["result"]["state"]
