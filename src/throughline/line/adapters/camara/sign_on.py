"""OpenID Connect, authorization code with PKCE: the address at the carrier, and what comes back. Pure.

`prompt=none`: the network knows the browser by its data connection, or nobody is asked anything. The address names
no phone number: addresses stand in histories and logs. The ID token comes from the token endpoint itself over TLS,
which stands for its signature (OpenID Connect Core 1.0, 3.1.3.7, step 6); issuer, audience, time and nonce are checked.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from throughline.line.adapters import reading
from throughline.line.adapters.reading import Malformed
from throughline.line.settings import CarrierSettings

MAX_TOKEN = 8_000
CLOCKS_DIFFER_S = 300


class Return(StrEnum):
    """What an error in the address of return means for the person."""

    NOT_ON_NETWORK = "not_on_network"
    DENIED = "denied"
    DOWN = "down"
    REFUSED = "refused"


_ERRORS = {
    "login_required": Return.NOT_ON_NETWORK,
    "interaction_required": Return.NOT_ON_NETWORK,
    "account_selection_required": Return.NOT_ON_NETWORK,
    "access_denied": Return.DENIED,
    "consent_required": Return.DENIED,
    "server_error": Return.DOWN,
    "temporarily_unavailable": Return.DOWN,
}


def address(
    config: CarrierSettings,
    scopes: tuple[str, ...],
    *,
    redirect_uri: str,
    state: str,
    nonce: str,
    challenge: str,
) -> str:
    """Where the browser goes. `scopes` hold one purpose (`dpv:…`) and no other."""
    members = {
        "response_type": "code",
        "client_id": config.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(("openid", *scopes)),
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "prompt": "none",
    }
    joint = "&" if "?" in config.authorize_endpoint else "?"
    return f"{config.authorize_endpoint}{joint}{urlencode(members)}"


def error(code: str) -> Return:
    """The meaning of an error; one that nobody knows is a refusal."""
    return _ERRORS.get(code, Return.REFUSED)


def check_id_token(token: str, config: CarrierSettings, nonce: str, *, now: datetime) -> None:
    """That an ID token is this carrier's, for us, of now and of this visit. Raises Malformed."""
    claims = _claims(token)
    audience = claims.get("aud")
    if reading.word(claims, "iss", 2_000).rstrip("/") != config.issued_by:
        raise Malformed("an ID token of another issuer")
    if config.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise Malformed("an ID token for somebody else")
    if claims.get("azp", config.client_id) != config.client_id:
        raise Malformed("an ID token for somebody else")
    if reading.whole(claims, "exp", 0, 10**11) <= now.timestamp() - CLOCKS_DIFFER_S:
        raise Malformed("an ID token of before")
    if not hmac.compare_digest(reading.word(claims, "nonce", 200).encode("utf-8", "replace"), nonce.encode()):
        raise Malformed("an ID token of another visit")


def _claims(token: str) -> Mapping[str, Any]:
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3:
        raise Malformed("the ID token is none")
    try:
        body = base64.b64decode(parts[1] + "=" * (-len(parts[1]) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the ID token is none") from None
    return reading.mapping(reading.document(body, "application/json"), "ID token")
