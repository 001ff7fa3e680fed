"""Access tokens: whose, for what, and for which number. Kept in memory: after a restart the client asks anew."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass

LIFE_S = 300
_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `phone` None is a 2-legged one; `network` says that the mobile network knew the device."""

    scopes: frozenset[str]
    purpose: str
    phone: str | None
    network: bool
    expires_s: float


class Tokens:
    """The tokens of one carrier."""

    def __init__(self) -> None:
        self._known: dict[str, Token] = {}
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def issue(self, scopes: frozenset[str], purpose: str, phone: str | None, *, network: bool = False) -> str:
        """A new access token."""
        made, now_s = secrets.token_urlsafe(24), time.time()
        with self._lock:
            if len(self._known) >= _KEPT:
                self._known = {key: one for key, one in self._known.items() if one.expires_s > now_s}
            self._known[made] = Token(scopes, purpose, phone, network, now_s + LIFE_S)
        return made

    def find(self, authorization: str) -> Token | None:
        """The living token of an Authorization header."""
        kind, _, value = authorization.partition(" ")
        known = self._known.get(value.strip()) if kind.lower() == "bearer" else None
        return known if known and known.expires_s > time.time() else None

    def use_once(self, jti: str, until_s: float) -> bool:
        """Whether this is the first use of an assertion's id."""
        now_s = time.time()
        with self._lock:
            if len(self._used) >= _KEPT:
                self._used = {key: end for key, end in self._used.items() if end > now_s}
            if jti in self._used:
                return False
            self._used[jti] = until_s
            return True

    def forget(self) -> None:
        """Every token ends at once."""
        with self._lock:
            self._known.clear()
