"""Alibaba Cloud's request signature V3 (ACS3-HMAC-SHA256) for RPC-style operations. Pure.

https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"
_EMPTY_BODY = hashlib.sha256(b"").hexdigest()


def canonical_query(params: Mapping[str, str]) -> str:
    """Parameters in the order of their names, each percent-encoded by RFC 3986."""
    return "&".join(f"{_encoded(name)}={_encoded(params[name])}" for name in sorted(params))


def signed_headers(
    *,
    host: str,
    action: str,
    version: str,
    query: str,
    key_id: str,
    key_secret: str,
    at: datetime,
    nonce: str,
) -> dict[str, str]:
    """All headers of a POST without a body whose parameters stand in the query."""
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": _EMPTY_BODY,
        "x-acs-date": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-version": version,
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join(("POST", "/", query, lines, names, _EMPTY_BODY))
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(key_secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"{ALGORITHM} Credential={key_id},SignedHeaders={names},Signature={signature}"
    return headers


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")
