"""One HTTP exchange with a provider: limited in time and size, never repeated, never redirected."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from throughline.kernel.logging import get_logger

log = get_logger(__name__)

MAX_ANSWER_BYTES = 2 * 1024 * 1024
CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """A pool of connections to one provider. `call_timeout_s` bounds a whole exchange."""

    def __init__(self, base_url: str, *, call_timeout_s: float) -> None:
        self._call_timeout_s = call_timeout_s
        read_s = min(READ_TIMEOUT_S, call_timeout_s)
        self._client = httpx.Client(
            base_url=base_url.rstrip("/"),
            timeout=httpx.Timeout(read_s, connect=min(CONNECT_TIMEOUT_S, call_timeout_s)),
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=20),
            follow_redirects=False,
            trust_env=False,  # a netrc entry would replace our Authorization header
        )

    def exchange(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply | None:
        """Send one request and read its whole answer; None when the network leaves the outcome open."""
        ends_at = time.monotonic() + self._call_timeout_s
        try:
            with self._client.stream(method, path, headers=dict(headers), content=body) as answer:
                chunks, size = [], 0
                for chunk in answer.iter_bytes():
                    size += len(chunk)
                    if size > MAX_ANSWER_BYTES or time.monotonic() > ends_at:
                        log.warning("provider's answer is too long", path=path.split("?")[0], bytes=size)
                        return None
                    chunks.append(chunk)
                return Reply(answer.status_code, answer.headers, b"".join(chunks))
        except httpx.HTTPError as error:
            log.warning("provider not reached", path=path.split("?")[0], error=type(error).__name__)
            return None
