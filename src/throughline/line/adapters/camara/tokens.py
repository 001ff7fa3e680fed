"""Access tokens of one carrier: OpenID Connect with private_key_jwt (RFC 7523), one token for one purpose.

2-legged tokens are kept by purpose and scopes. 3-legged ones come from the borrower's refresh token, which was
collected at onboarding, or from the code that the person's browser brought, and are not kept: a suspended line can't
be asked for its consent (CIBA reaches the user over that very line). A refresh that fails is "unknown", never a state of the line, and never a reason to ask
2-legged instead.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from throughline.kernel.clock import real_now
from throughline.kernel.ids import new_id
from throughline.kernel.logging import get_logger
from throughline.line.adapters import reading
from throughline.line.adapters.camara import sign_on
from throughline.line.adapters.http import Answer, NoAnswer, exchange
from throughline.line.adapters.reading import Malformed
from throughline.line.settings import CarrierSettings
from throughline.parties.purposes import Purpose

log = get_logger(__name__)

# W3C DPV: the purpose stands among the scopes. Two purposes are two tokens, never one with both.
DPV = {
    Purpose.CONTINUITY: "dpv:RequestedServiceProvision",
    Purpose.IDENTITY: "dpv:FraudPreventionAndDetection",
    Purpose.CREDIT: "dpv:CreditChecking",
}
EARLY_S = 30
LONGEST_S = 3_600
ASSERTION_S = 60
MAX_KEPT = 500


class NoToken(Exception):
    """The carrier gave no token. The text is fit for a log."""


class CodeRefused(NoToken):
    """The carrier knows no such code: it is used, too old, or of another visit."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A token; `refresh_token` is set where the carrier changed the borrower's."""

    access_token: str
    refresh_token: str | None = None


class Tokens:
    """The tokens of one carrier in this process."""

    def __init__(self, config: CarrierSettings) -> None:
        self._config = config
        self._kept: dict[tuple[str, tuple[str, ...]], tuple[str, float]] = {}
        self._lock = threading.Lock()

    def take(
        self, purpose: str, scopes: tuple[str, ...], refresh_token: str | None, *, ends_at: float
    ) -> Grant:
        """A token for these scopes and this purpose alone. Raises NoToken."""
        scope = " ".join(
            ("openid", DPV[Purpose(purpose)], *scopes) if refresh_token else (DPV[Purpose(purpose)], *scopes)
        )
        if refresh_token is not None:
            grant, _ = self._ask(
                {"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": scope}, ends_at
            )
            return grant
        key = (purpose, tuple(sorted(scopes)))
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept[1] > time.monotonic() + EARLY_S:
            return Grant(kept[0])
        grant, lifetime_s = self._ask({"grant_type": "client_credentials", "scope": scope}, ends_at)
        with self._lock:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[key] = (grant.access_token, time.monotonic() + lifetime_s)
        return Grant(grant.access_token)

    def forget(self, purpose: str, scopes: tuple[str, ...]) -> None:
        """The carrier did not take this token: the next call asks for another."""
        with self._lock:
            self._kept.pop((purpose, tuple(sorted(scopes))), None)

    def redeem(self, code: str, verifier: str, nonce: str, redirect_uri: str, *, ends_at: float) -> Grant:
        """The token for a code that a browser brought. Never asked twice: a code is good once.

        Raises NoToken; CodeRefused where the code is none.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        try:
            answer = self._post(form, ends_at)
            if answer.status == 400 and _error(answer) == "invalid_grant":
                raise CodeRefused("invalid_grant")
            if answer.status != 200:
                raise NoToken(f"status {answer.status}")
            document = reading.mapping(reading.document(answer.body, answer.headers.get("content-type")))
            id_token = reading.word(document, "id_token", sign_on.MAX_TOKEN)
            sign_on.check_id_token(id_token, self._config, nonce, now=real_now())
            return _granted(answer)[0]
        except (NoAnswer, Malformed) as error:
            raise NoToken(str(error)) from error

    def _ask(self, form: dict[str, str], ends_at: float) -> tuple[Grant, int]:
        try:
            answer = self._post(form, ends_at)
            if answer.status != 200:
                raise NoToken(f"status {answer.status}")
            return _granted(answer)
        except (NoAnswer, Malformed) as error:
            raise NoToken(str(error)) from error

    def _post(self, form: dict[str, str], ends_at: float) -> Answer:
        body = urlencode(
            form
            | {
                "client_id": self._config.client_id,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": self._assertion(),
            }
        ).encode("ascii")
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return exchange("POST", self._config.token_endpoint, headers, body, ends_at=ends_at)

    def _assertion(self) -> str:
        now_s = int(real_now().timestamp())
        claims = {
            "iss": self._config.client_id,
            "sub": self._config.client_id,
            "aud": self._config.audience,
            "jti": str(new_id()),
            "iat": now_s,
            "exp": now_s + ASSERTION_S,
        }
        try:
            key = ECKey.import_key(self._config.key_file.read_text(encoding="ascii"))
            return jwt.encode({"alg": "ES256"}, claims, key)
        except (OSError, ValueError, JoseError) as error:
            raise NoToken("the client's key can't be used") from error


def _granted(answer: Answer) -> tuple[Grant, int]:
    document = reading.mapping(reading.document(answer.body, answer.headers.get("content-type")))
    if reading.word(document, "token_type", 20).lower() != "bearer":
        raise Malformed("token_type is not bearer")
    token = reading.word(document, "access_token", 8_000)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Malformed("access_token is no token")
    lifetime_s = 60 if "expires_in" not in document else reading.whole(document, "expires_in", 1, 10**9)
    fresh = reading.word(document, "refresh_token", 8_000) if document.get("refresh_token") else None
    return Grant(token, fresh), min(lifetime_s, LONGEST_S)


def _error(answer: Answer) -> str | None:
    """The code of an OAuth error (RFC 6749, 5.2); None where the body is none."""
    try:
        document = reading.mapping(reading.document(answer.body, answer.headers.get("content-type")))
        return reading.word(document, "error", 60)
    except Malformed:
        return None
