"""Reading what a carrier sends: small JSON objects with short texts and instants; everything else is nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from throughline.kernel.clock import real_now
from throughline.kernel.ids import new_id
from throughline.line.joint.settings import JointSettings

MAX_ANSWER_BYTES = 64 * 1024
MAX_LIST_BYTES = 4 * 1024 * 1024  # active-sponsorships has no pages
MAX_TEXT = 200


class NoKey(Exception):
    """Our key can't be read, so nothing can be signed."""


def assertion(config: JointSettings, audience: str, **claims: str) -> str:
    """A JWT (ES256) of ours, for one use within a minute. Raises `NoKey`."""
    now_s = int(real_now().timestamp())
    document = {
        "iss": config.client_id,
        "sub": config.client_id,
        "aud": audience,
        "jti": str(new_id()),
        "iat": now_s,
        "exp": now_s + 60,
        **claims,
    }
    try:
        if config.client_key is None:
            raise NoKey
        key = ECKey.import_key(config.client_key.read_text(encoding="ascii"))
        return jwt.encode({"alg": "ES256"}, document, key)
    except (OSError, ValueError, JoseError) as error:
        # Without the cause: its text may repeat the key.
        raise NoKey(type(error).__name__) from None


def document_of(response: httpx.Response, *, limit_bytes: int = MAX_ANSWER_BYTES) -> dict[str, Any]:
    """The JSON object of an answer; an empty one for anything else."""
    return parse_object(response.content, limit_bytes=limit_bytes)


def parse_object(body: bytes, *, limit_bytes: int = MAX_ANSWER_BYTES) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    if len(body) > limit_bytes:
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def short_text(document: Mapping[str, Any], name: str) -> str | None:
    """A member that is a text of a sane length, without U+0000, which the database can't keep."""
    value = document.get(name)
    if isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable():
        return value
    return None


def instant(document: Mapping[str, Any], name: str) -> datetime | None:
    """A member that is an instant with its zone, in a century that rows can hold."""
    value = short_text(document, name)
    if value is None:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    if at.tzinfo is None or not 2000 < at.year < 2200:
        return None
    return at.astimezone(UTC)
