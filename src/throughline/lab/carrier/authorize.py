"""Authorization code with PKCE, for a browser whose line the mobile network sees; nobody is ever asked anything.

Over whose data connection a request came is said here by the header `lab-device`, else by the setting `device_line`;
by neither: the browser is on Wi-Fi, and the network knows nobody.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from throughline.lab.carrier import consents
from throughline.lab.carrier.company import Company
from throughline.lab.carrier.grants import Refused, scopes_of
from throughline.lab.carrier.keys import CLIENT_ID
from throughline.lab.carrier.outbox import LOOPBACK
from throughline.lab.carrier.tokens import LIFE_S

# Another error than would be due (`error`), an answer too late, of another visit or server, or none.
FAULTS = ("authorize_error", "authorize_500", "slow_authorize", "wrong_state", "wrong_issuer", "late_code")
# Of the ID token that a code is redeemed for.
TOKEN_FAULTS = ("wrong_nonce", "no_id_token")
_CODE_LIFE_S = 60
_CHALLENGE_CHARS = 43  # SHA-256 in base64url


@dataclass(frozen=True, slots=True)
class Code:
    """A code that was given to a browser, and for what."""

    phone: str
    scopes: frozenset[str]
    purpose: str
    challenge: str
    redirect_uri: str
    nonce: str
    expires_s: float


@dataclass
class Authorization:
    """The authorization endpoint of one carrier."""

    company: Company
    _key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    _codes: dict[str, Code] = field(default_factory=dict)

    async def keys(self, request: Request) -> Response:
        """The public key of the ID tokens."""
        del request
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    async def authorize(self, request: Request) -> Response:
        """Send the browser back with a code, or with an error."""
        query = dict(request.query_params)
        redirect = query.get("redirect_uri", "")
        if urlsplit(redirect).hostname not in LOOPBACK or query.get("client_id") != CLIENT_ID:
            return JSONResponse({"error": "invalid_request"}, status_code=400)
        name, wish = self.company.ledger.take_fault(*FAULTS) or ("", {})
        if name == "authorize_500":
            return HTMLResponse("<h1>Internal Server Error</h1>", status_code=500)
        if name == "slow_authorize":
            await asyncio.sleep(float(wish.get("after_s", 10)))
        back = {"iss": issuer(self.company, request)}
        if "state" in query:
            back["state"] = query["state"]
        try:
            if name == "authorize_error":
                raise Refused(str(wish.get("error", "access_denied")))
            back["code"] = self._code(request, query, 0 if name == "late_code" else _CODE_LIFE_S)
        except Refused as refused:
            back["error"] = refused.error
        if name == "wrong_state":
            back["state"] = secrets.token_urlsafe(48)
        if name == "wrong_issuer":
            back["iss"] = "https://elsewhere.example"
        joint = "&" if urlsplit(redirect).query else "?"
        return RedirectResponse(f"{redirect}{joint}{urlencode(back)}", status_code=302)

    def redeem(self, form: Mapping[str, str]) -> Code:
        """Take a code, which is good once, by its verifier. Raises Refused."""
        known = self._codes.pop(form.get("code", ""), None)
        if (
            known is None
            or known.expires_s <= time.time()
            or known.challenge != _challenge(form.get("code_verifier", ""))
            or form.get("redirect_uri") != known.redirect_uri
        ):
            raise Refused("invalid_grant")
        return known

    def id_token(self, request: Request, code: Code) -> dict[str, str]:
        """Who came, under a name for this client alone: never the number."""
        name, _ = self.company.ledger.take_fault(*TOKEN_FAULTS) or ("", {})
        if name == "no_id_token":
            return {}
        now_s = int(time.time())
        claims: dict[str, Any] = {
            "iss": issuer(self.company, request),
            "sub": hashlib.sha256(f"{CLIENT_ID} {code.phone}".encode()).hexdigest(),
            "aud": CLIENT_ID,
            "iat": now_s,
            "exp": now_s + LIFE_S,
        }
        if code.nonce:
            claims["nonce"] = secrets.token_urlsafe(16) if name == "wrong_nonce" else code.nonce
        return {"id_token": jwt.encode({"alg": "ES256"}, claims, self._key)}

    def _code(self, request: Request, query: Mapping[str, str], life_s: float) -> str:
        """A code for the line that the request came over. Raises Refused."""
        if (
            query.get("response_type") != "code"
            or query.get("code_challenge_method") != "S256"
            or len(query.get("code_challenge", "")) != _CHALLENGE_CHARS
        ):
            raise Refused("invalid_request")
        scopes, purpose = scopes_of(query)
        phone = request.headers.get("lab-device") or self.company.ledger.setting("device_line", None)
        # Without a data connection of this carrier's the network knows nobody, and nobody may be asked.
        if (
            phone is None
            or self.company.market.carrier_of(phone) != self.company.name
            or "DATA" not in self.company.books.connectivity(phone)
        ):
            raise Refused("login_required")
        # A person's act at the network is a consent, unless they said no to this before.
        states = {consents.state_of(self.company.books, phone, one, purpose)[0] for one in scopes}
        if states & {"DENIED", "OBJECTED"}:
            raise Refused("consent_required")
        made, now_s = secrets.token_urlsafe(24), time.time()
        self._codes = {key: one for key, one in self._codes.items() if one.expires_s > now_s}
        self._codes[made] = Code(
            phone,
            scopes,
            purpose,
            query["code_challenge"],
            query["redirect_uri"],
            query.get("nonce", ""),
            now_s + life_s,
        )
        return made


def issuer(company: Company, request: Request) -> str:
    """The issuer of a carrier, at the address where it was asked."""
    return f"{request.url.scheme}://{request.url.netloc}{company.carrier.base}"


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
