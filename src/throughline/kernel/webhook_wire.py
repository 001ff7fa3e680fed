"""What a webhook looks like on the wire, and where it may go. Pure.

Headers and signature: Standard Webhooks 1.0 (symmetric, `v1`). Body: CloudEvents 1.0 in structured
JSON mode; `id` is the event's id and stays the same over all attempts, so a receiver can drop repeats.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import re
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from urllib.parse import SplitResult, urlsplit

from throughline.kernel.events import StoredEvent

MAX_URL = 500
MAX_TYPES = 50
SECRET_BYTES = 32
GIVE_UP_AFTER = timedelta(hours=24)
DISABLE_AFTER = timedelta(days=3)  # without one success
CONTENT_TYPE = "application/cloudevents+json"

# Waits before the second, third, … attempt; the last one repeats until a day has passed.
_WAITS_S = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400)
_TYPE = re.compile(r"\*|[a-z][a-z_]*(\.[a-z][a-z_]*)*\.(\*|v[1-9][0-9]?)")
_PREFIX = "whsec_"
# Ranges that lead into private networks although `is_global` says otherwise (RFC 6052, RFC 3056, RFC 4380).
_TUNNELS = tuple(ipaddress.ip_network(net) for net in ("64:ff9b::/96", "2002::/16", "2001::/32"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def new_secret() -> str:
    """A signing secret in the form that Standard Webhooks libraries take."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """`v1,` and the base64 HMAC-SHA256 of "id.timestamp.body" (Standard Webhooks, "Signature scheme")."""
    key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode("ascii")


def headers(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of one attempt."""
    timestamp_s = int(at.timestamp())
    return {
        "content-type": CONTENT_TYPE,
        "user-agent": "Throughline-Webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": signature(secret, message_id, timestamp_s, body),
    }


def body_of(event: StoredEvent, source: str) -> bytes:
    """The CloudEvents document of an event; `sequence` counts within its subject, without holes."""
    document = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": source,
        "type": event.type,
        "subject": f"{event.aggregate_type}/{event.aggregate_id}",
        "time": event.recorded_at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "sequence": str(event.seq),
        "data": event.payload,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def wants(patterns: Collection[str], event_type: str) -> bool:
    """Whether an endpoint's patterns take a type: the type itself, "package.*", or "*"."""
    return any(
        pattern in ("*", event_type) or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
        for pattern in patterns
    )


def is_pattern(text: str) -> bool:
    """Whether a text can stand in an endpoint's list of types."""
    return len(text) <= 100 and _TYPE.fullmatch(text) is not None


def url_problem(url: str, *, demo: bool) -> str | None:
    """What is wrong with an endpoint's address, or None. Where its name leads is checked at each connection."""
    parts = _parts(url)
    if parts is None:
        return "not a URL"
    if parts.scheme == "http":
        if not (demo and _is_loopback_name(parts.hostname or "")):
            return "must begin with https://"
    elif parts.scheme != "https":
        return "must begin with https://"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "must not carry a user name, a password or a fragment"
    literal = _literal(parts.hostname or "")
    if literal is not None and not may_connect(literal, demo=demo):
        return "leads into a private network"
    return None


def _parts(url: str) -> SplitResult | None:
    if len(url) > MAX_URL or not url.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", url):
        return None
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _is_loopback_name(host: str) -> bool:
    literal = _literal(host)
    return host == "localhost" or (literal is not None and literal.is_loopback)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def may_connect(address: Address, *, demo: bool) -> bool:
    """Whether a webhook may go to this address: public ones only; in demo mode also loopback and private ones.

    Link-local addresses are refused always: cloud machines keep their credentials there.
    """
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    if address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved:
        return False
    if any(address in net for net in _TUNNELS if net.version == address.version):
        return False
    return address.is_global or (demo and (address.is_loopback or address.is_private))


def next_wait(attempts: int, retry_after_s: int | None, draw: float) -> timedelta:
    """How long to wait after this many attempts: the table with ±20 % by `draw` in 0..1.

    A receiver's Retry-After counts when it asks for more, up to four hours.
    """
    base_s = _WAITS_S[min(attempts, len(_WAITS_S)) - 1]
    wait_s = base_s * (0.8 + 0.4 * draw)
    return timedelta(seconds=max(wait_s, min(retry_after_s or 0, _WAITS_S[-1])))


def retry_after_s(header: str | None) -> int | None:
    """Seconds of a Retry-After header; its date form is not used by those who mean seconds, so it is ignored."""
    return int(header) if header is not None and re.fullmatch(r"[0-9]{1,6}", header) else None
