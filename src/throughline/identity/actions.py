"""What a person approves: an action as canonical JSON, its hash, and the challenge that binds a factor to it. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

from throughline.kernel.errors import Invalid
from throughline.kernel.i18n import N_

MAX_ACTION_BYTES = 4096
_MAX_DEPTH = 8


class BadAction(Invalid):
    """An action is a JSON object with a `kind`; amounts are integers in minor units."""

    code = "bad-action"
    title = N_("This can't be approved: it is not a well-formed action")


def canonical(action: dict[str, Any]) -> bytes:
    """The action's canonical JSON (RFC 8785). Raises `BadAction` on floats, depth, size, or no `kind`."""
    if not isinstance(action.get("kind"), str) or not _plain(action, _MAX_DEPTH):
        raise BadAction
    try:
        document = rfc8785.dumps(action)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        raise BadAction from None
    if len(document) > MAX_ACTION_BYTES:
        raise BadAction
    return document


def action_hash(action: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON, in hex. Raises `BadAction`."""
    return hashlib.sha256(canonical(action)).hexdigest()


def challenge_for(nonce: bytes, action: dict[str, Any]) -> bytes:
    """SHA-256(nonce || canonical JSON): a signature over this challenge is over the action."""
    return hashlib.sha256(nonce + canonical(action)).digest()


def _plain(value: object, depth: int) -> bool:
    # No floats: an amount that rounding could change is no amount to sign.
    if isinstance(value, str):
        return "\x00" not in value  # the database keeps the action and has no such character
    if value is None or isinstance(value, bool | int):
        return True
    if depth == 0:
        return False
    if isinstance(value, dict):
        return all(_plain(key, 0) and _plain(item, depth - 1) for key, item in value.items())
    return isinstance(value, list) and all(_plain(item, depth - 1) for item in value)
