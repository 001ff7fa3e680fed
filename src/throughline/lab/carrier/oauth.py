"""The carrier's authorization server: tokens of one client by private_key_jwt.

2-legged: client credentials. 3-legged: JWT bearer and refresh token (offline), CIBA in poll mode (the person answers
on the line, if the line works), authorization code with PKCE (the mobile network knows the device: `authorize.py`).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from throughline.lab.carrier import consents
from throughline.lab.carrier.authorize import Authorization
from throughline.lab.carrier.authorize import issuer as issuer_of
from throughline.lab.carrier.company import Company
from throughline.lab.carrier.grants import Refused, scopes_of, split
from throughline.lab.carrier.keys import CLIENT_ID
from throughline.lab.carrier.tokens import LIFE_S

FAULTS = ("token_503", "token_refused", "token_malformed", "slow_token")
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CIBA = "urn:openid:params:grant-type:ciba"
_ASSERTION_LIFE_S = 300
_CIBA_LIFE_S, _CIBA_INTERVAL_S = 120, 1


@dataclass(slots=True)
class _Asked:
    """A backchannel request, waiting for the person."""

    phone: str
    scopes: frozenset[str]
    purpose: str
    expires_s: float
    answer_s: float
    polled_s: float = 0.0


@dataclass
class AuthorizationServer:
    """The OAuth endpoints of one carrier."""

    company: Company
    client_key: ECKey
    browsers: Authorization
    _asked: dict[str, _Asked] = field(default_factory=dict)

    async def metadata(self, request: Request) -> Response:
        """OpenID discovery."""
        issuer = issuer_of(self.company, request)
        return JSONResponse(
            {
                "issuer": issuer,
                "token_endpoint": f"{issuer}/oauth2/token",
                "authorization_endpoint": f"{issuer}/oauth2/authorize",
                "backchannel_authentication_endpoint": f"{issuer}/oauth2/bc-authorize",
                "backchannel_token_delivery_modes_supported": ["poll"],
                "grant_types_supported": [
                    "client_credentials",
                    "authorization_code",
                    "refresh_token",
                    JWT_BEARER,
                    CIBA,
                ],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "jwks_uri": f"{issuer}/oauth2/jwks",
                "id_token_signing_alg_values_supported": ["ES256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def token(self, request: Request) -> Response:
        """The token endpoint."""
        name, wish = self.company.ledger.take_fault(*FAULTS) or ("", {})
        if name == "slow_token":
            await asyncio.sleep(float(wish.get("after_s", 10)))
        if name == "token_503":
            return Response(status_code=503)
        if name == "token_malformed":
            return Response(b'{"access_token": ', media_type="application/json")
        form = {key: str(value) for key, value in (await request.form()).items()}
        try:
            self._client(request, form, "token")
            if name == "token_refused":
                raise Refused("invalid_grant")
            return JSONResponse(self._granted(request, form), headers={"Cache-Control": "no-store"})
        except Refused as refused:
            return JSONResponse({"error": refused.error}, status_code=refused.status)

    async def backchannel(self, request: Request) -> Response:
        """CIBA: ask the person on the line. Only poll mode, only `login_hint=tel:+…`."""
        form = {key: str(value) for key, value in (await request.form()).items()}
        try:
            self._client(request, form, "bc-authorize")
            scopes, purpose = scopes_of(form)
            phone = _phone(form.get("login_hint"))
            if self.company.books.facts(phone).flags is None or (
                self.company.market.carrier_of(phone) != self.company.name
            ):
                raise Refused("unknown_user_id")
        except Refused as refused:
            return JSONResponse({"error": refused.error}, status_code=refused.status)
        setting, now_s, made = self.company.ledger.setting, time.time(), secrets.token_urlsafe(24)
        life_s = float(setting("ciba_life_s", _CIBA_LIFE_S))
        self._asked = {key: one for key, one in self._asked.items() if one.expires_s + 600 > now_s}
        self._asked[made] = _Asked(
            phone, scopes, purpose, now_s + life_s, now_s + float(setting("ciba_answer_after_s", 0))
        )
        return JSONResponse({"auth_req_id": made, "expires_in": int(life_s), "interval": _CIBA_INTERVAL_S})

    # --- parts

    def _client(self, request: Request, form: Mapping[str, str], endpoint: str) -> None:
        """private_key_jwt: signature, audience, lifetime and single use."""
        issuer = issuer_of(self.company, request)
        audiences = {issuer, f"{issuer}/oauth2/token", f"{issuer}/oauth2/{endpoint}"}
        claims = self._claims(form.get("client_assertion", ""), "invalid_client", 401)
        if (
            claims.get("iss") != CLIENT_ID
            or claims.get("sub") != CLIENT_ID
            or not _meant_for(claims, audiences)
        ):
            raise Refused("invalid_client", 401)
        if not self.company.tokens.use_once(str(claims.get("jti")), float(claims["exp"])):
            raise Refused("invalid_client", 401)

    def _claims(self, assertion: str, error: str, status: int = 400) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(assertion, self.client_key, algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            raise Refused(error, status) from None
        now_s, ends = time.time(), claims.get("exp")
        if not isinstance(ends, int) or not now_s < ends <= now_s + _ASSERTION_LIFE_S or "jti" not in claims:
            raise Refused(error, status)
        return claims

    def _granted(self, request: Request, form: Mapping[str, str]) -> dict[str, Any]:
        match form.get("grant_type", "client_credentials"):
            case "client_credentials":
                scopes, purpose = scopes_of(form)
                return self._answer(scopes, purpose, None)
            case "urn:ietf:params:oauth:grant-type:jwt-bearer":
                return self._by_assertion(request, form)
            case "refresh_token":
                return self._by_refresh(form)
            case "urn:openid:params:grant-type:ciba":
                return self._by_ciba(form)
            case "authorization_code":
                return self._by_code(request, form)
            case _:
                raise Refused("unsupported_grant_type")

    def _by_assertion(self, request: Request, form: Mapping[str, str]) -> dict[str, Any]:
        issuer = issuer_of(self.company, request)
        claims = self._claims(form.get("assertion", ""), "invalid_grant")
        if claims.get("iss") != CLIENT_ID or not _meant_for(claims, {issuer, f"{issuer}/oauth2/token"}):
            raise Refused("invalid_grant")
        phone = self._served(_phone(claims.get("sub")))
        if not self.company.tokens.use_once(f"grant {claims['jti']}", float(claims["exp"])):
            raise Refused("invalid_grant")
        scopes, purpose = scopes_of(form)
        return self._answer(scopes, purpose, phone)

    def _by_refresh(self, form: Mapping[str, str]) -> dict[str, Any]:
        rows = self.company.ledger.rows(
            "SELECT * FROM refresh WHERE token = ?", (form.get("refresh_token", ""),)
        )
        if not rows:
            raise Refused("invalid_grant")
        phone = self._served(str(rows[0]["phone"]))
        scopes, purpose = split(frozenset(json.loads(rows[0]["scopes"])))
        if not self._consented(phone, scopes, purpose):
            raise Refused("invalid_grant")
        return self._answer(scopes, purpose, phone)

    def _by_ciba(self, form: Mapping[str, str]) -> dict[str, Any]:
        key, now_s = form.get("auth_req_id", ""), time.time()
        asked = self._asked.get(key)
        if asked is None:
            raise Refused("invalid_grant")
        if now_s > asked.expires_s:
            del self._asked[key]
            raise Refused("expired_token")
        if now_s < asked.polled_s + _CIBA_INTERVAL_S:
            raise Refused("slow_down")
        asked.polled_s = now_s
        answer = str(self.company.ledger.setting("ciba_answer", "yes"))
        # The question reaches the person on the line: when it takes nothing, nobody answers.
        if answer == "none" or now_s < asked.answer_s or not self.company.books.takes_sms(asked.phone):
            raise Refused("authorization_pending")
        del self._asked[key]
        state = "GRANTED" if answer == "yes" else "DENIED"
        consents.decide(self.company.books, asked.phone, asked.scopes, asked.purpose, state)
        if answer != "yes":
            raise Refused("access_denied")
        return self._answer(asked.scopes, asked.purpose, asked.phone)

    def _by_code(self, request: Request, form: Mapping[str, str]) -> dict[str, Any]:
        code = self.browsers.redeem(form)
        given = self._answer(code.scopes, code.purpose, code.phone, network=True)
        return given | self.browsers.id_token(request, code)

    def _answer(
        self, scopes: frozenset[str], purpose: str, phone: str | None, *, network: bool = False
    ) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "access_token": self.company.tokens.issue(scopes, purpose, phone, network=network),
            "token_type": "Bearer",  # nosec B105 - a kind of token, no secret
            "expires_in": LIFE_S,
            "scope": " ".join(sorted(scopes | {purpose})),
        }
        if phone is not None and not network:
            shown["refresh_token"] = secrets.token_urlsafe(24)
            with self.company.ledger.transaction() as db:
                db.execute(
                    "INSERT INTO refresh VALUES (?, ?, ?)",
                    (shown["refresh_token"], phone, json.dumps(sorted(scopes | {purpose}))),
                )
        return shown

    def _served(self, phone: str) -> str:
        company = self.company
        if company.market.carrier_of(phone) != company.name or company.books.facts(phone).flags is None:
            raise Refused("invalid_grant")
        return phone

    def _consented(self, phone: str, scopes: frozenset[str], purpose: str) -> bool:
        books = self.company.books
        return all(consents.state_of(books, phone, one, purpose)[0] == "GRANTED" for one in scopes)


def _meant_for(claims: Mapping[str, Any], audiences: set[str]) -> bool:
    given = claims.get("aud")
    return bool(audiences & set(given if isinstance(given, list) else [given]))


def _phone(given: Any) -> str:
    text = str(given or "")
    if not text.startswith("tel:+") or not text[5:].isdigit() or not 5 <= len(text[5:]) <= 15:
        raise Refused("invalid_grant" if given is not None else "invalid_request")
    return text.removeprefix("tel:")
