"""The provider's side of request signature V3 (ACS3-HMAC-SHA256), written from its public description.

https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from throughline.lab.sms.answers import Refused

_ALGORITHM = "ACS3-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential=([^,\s]+),\s*SignedHeaders=([a-z0-9;-]+),\s*Signature=([0-9a-f]{{64}})"
)
_WINDOW = timedelta(minutes=15)
# Every header that a signature must cover, beside whatever else begins with x-acs-.
_NEEDED = frozenset(
    {
        "host",
        "x-acs-action",
        "x-acs-version",
        "x-acs-date",
        "x-acs-signature-nonce",
        "x-acs-content-sha256",
    }
)


def check(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    key_id: str,
    key_secret: str,
    at: datetime,
) -> str:
    """The nonce of a request that is signed as it should be. Raises `Refused`."""
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", "").strip())
    if found is None:
        raise Refused("IncompleteSignature")
    credential, signed, signature = found.groups()
    if not hmac.compare_digest(credential.encode(), key_id.encode()):
        raise Refused("InvalidAccessKeyId.NotFound")
    names = signed.split(";")
    owed = _NEEDED | {name for name in headers if name.startswith("x-acs-")}
    if names != sorted(set(names)) or not owed.issubset(names) or not headers.keys() >= set(names):
        raise Refused("IncompleteSignature")
    _check_date(headers["x-acs-date"], at)
    digest = hashlib.sha256(body).hexdigest()
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    canonical = "\n".join((method, path, _canonical_query(query), lines, signed, digest))
    to_sign = f"{_ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    right = hmac.new(key_secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    if headers["x-acs-content-sha256"] != digest or not hmac.compare_digest(right, signature):
        raise Refused("SignatureDoesNotMatch")
    return headers["x-acs-signature-nonce"]


def _check_date(text: str, at: datetime) -> None:
    try:
        dated = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refused("IncompleteSignature") from None
    if abs(at - dated) > _WINDOW:
        raise Refused("InvalidTimeStamp.Expired")


def _canonical_query(query: str) -> str:
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
