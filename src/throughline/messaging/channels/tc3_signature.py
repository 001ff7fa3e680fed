"""Tencent Cloud's request signature v3 (TC3-HMAC-SHA256) for API 3.0. Pure.

https://cloud.tencent.com/document/api/382/52072 and, with another product in the same words,
https://www.tencentcloud.com/document/product/1154/48911
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

ALGORITHM = "TC3-HMAC-SHA256"
CONTENT_TYPE = "application/json; charset=utf-8"
_END = "tc3_request"


def signed_headers(
    *,
    host: str,
    service: str,
    action: str,
    version: str,
    region: str,
    body: bytes,
    secret_id: str,
    secret_key: str,
    at: datetime,
) -> dict[str, str]:
    """All headers of a POST to "/" with a JSON body. `at`: now; the provider refuses what is five minutes off."""
    signed = {"content-type": CONTENT_TYPE, "host": host, "x-tc-action": action}
    stamp = str(int(at.timestamp()))
    return signed | {
        "x-tc-version": version,
        "x-tc-region": region,
        "x-tc-timestamp": stamp,
        "authorization": authorization(
            signed, body, service=service, secret_id=secret_id, secret_key=secret_key, at=at
        ),
    }


def authorization(
    headers: Mapping[str, str], body: bytes, *, service: str, secret_id: str, secret_key: str, at: datetime
) -> str:
    """The header of that name, over these headers (names in small letters) and the body."""
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name].strip().lower()}\n" for name in sorted(headers))
    request = "\n".join(("POST", "/", "", lines, names, hashlib.sha256(body).hexdigest()))
    day = at.astimezone(UTC).strftime("%Y-%m-%d")
    scope = f"{day}/{service}/{_END}"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    to_sign = f"{ALGORITHM}\n{int(at.timestamp())}\n{scope}\n{hashed}"
    key = f"TC3{secret_key}".encode()
    for part in (day, service, _END):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return f"{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={names}, Signature={signature}"
