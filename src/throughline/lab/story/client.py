"""A borrower's browser for stories: the platform's JSON API with cookies, keys and patience."""

from __future__ import annotations

import time
from http.cookies import SimpleCookie
from typing import Any

import httpx

from throughline.kernel.ids import new_id

PATIENCE_S = 180  # a platform that was killed is started again within this time
PAUSE_S = 0.25
_TRANSIENT = frozenset({502, 503})


class StoryError(Exception):
    """The story can't go on; the message says where and why."""


class Browser:
    """One browser. Keeps cookies itself: a jar would send `__Host-` cookies over https only.

    A write is sent again with the same Idempotency-Key while the platform does not answer, so that a story
    outlives a platform that is killed in the middle of it.
    """

    def __init__(self, base_url: str, language: str, name: str) -> None:
        self.origin = base_url.rstrip("/")
        self.name = name
        self.language = language
        self._cookies: dict[str, str] = {}
        self._http = httpx.Client(base_url=self.origin, timeout=30, trust_env=False)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def continue_as(self, cookies: dict[str, str]) -> None:
        """Take over the session of another program, such as a real browser."""
        self._cookies = dict(cookies)

    def get(self, path: str, **query: str) -> Any:
        """The JSON of a resource."""
        return self._send("GET", path, query=query).json()

    def bytes_of(self, path: str) -> bytes:
        """The bytes of a resource."""
        return self._send("GET", path).content

    def post(self, path: str, body: Any = None) -> Any:
        """Write once, however often it has to be sent; the JSON of the answer, None if it has none."""
        answer = self._send("POST", path, body={} if body is None else body, key=str(new_id()))
        return answer.json() if answer.content else None

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, str] | None = None,
        body: Any = None,
        key: str | None = None,
    ) -> httpx.Response:
        headers = {
            "Accept-Language": self.language,
            "User-Agent": f"Throughline story ({self.name})",
            "Origin": self.origin,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
        }
        if key is not None:
            headers["Idempotency-Key"] = key
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self._http.request(
                    method, f"/api/v1{path}", params=query, json=body, headers=headers
                )
            except httpx.TransportError as error:
                if time.monotonic() >= deadline:
                    raise StoryError(f"{self.origin} does not answer: {type(error).__name__}") from error
            else:
                if answer.status_code not in _TRANSIENT or time.monotonic() >= deadline:
                    return self._read(answer, f"{method} {path}")
            time.sleep(PAUSE_S)

    def _read(self, answer: httpx.Response, what: str) -> httpx.Response:
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self._cookies[name] = morsel.value
        if answer.is_error:
            raise StoryError(f"{what}: {answer.status_code} {answer.text[:400]}")
        return answer
