"""One HTTP exchange with an outside company, bounded in time and size. No redirects, no cookies, no compression.

A redirect would carry our token to an address that we did not choose, so it is an answer like any other. We ask
for plain bodies and take nothing else, so that no answer can be larger in memory than it was on the wire.
"""

from __future__ import annotations

import contextvars
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpcore

MAX_ANSWER_BYTES = 64 * 1024
CONNECT_S = 3.0
_ends_at: contextvars.ContextVar[float] = contextvars.ContextVar("ends_at")


class NoAnswer(Exception):
    """Nothing usable came back. The text is one of a few fixed words, fit for a log."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `headers` with lower-case names, the body in full."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after_s(self) -> float | None:
        """Retry-After in seconds (RFC 9110); None without one. A date is not taken: their clock is not ours."""
        text = self.headers.get("retry-after", "").strip()
        return float(text) if text.isdecimal() and len(text) <= 9 else None


def exchange(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, ends_at: float
) -> Answer:
    """Send a request and read its answer until `ends_at` (of `time.monotonic`) at the latest. Raises NoAnswer."""
    left_s = ends_at - time.monotonic()
    if left_s <= 0:
        raise NoAnswer("no time left")
    token = _ends_at.set(ends_at)
    try:
        with _pool().stream(
            method,
            url,
            headers=[*headers.items(), ("Accept-Encoding", "identity")],
            content=body,
            extensions={
                "timeout": {
                    "connect": min(CONNECT_S, left_s), "read": left_s, "write": left_s, "pool": left_s,
                }
            },
        ) as answer:  # fmt: skip
            fields = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers
            }
            if fields.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
                raise NoAnswer("compressed")
            return Answer(answer.status, fields, _read(answer.iter_stream()))
    except httpcore.TimeoutException as error:
        raise NoAnswer("timed out") from error
    except httpcore.ConnectError as error:
        raise NoAnswer("no connection") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise NoAnswer("broken answer") from error
    finally:
        _ends_at.reset(token)


def _read(chunks: Iterable[bytes]) -> bytes:
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise NoAnswer("too large")
    return body


@lru_cache(maxsize=1)
def _pool() -> httpcore.ConnectionPool:
    return httpcore.ConnectionPool(
        ssl_context=ssl.create_default_context(),
        max_connections=64,
        max_keepalive_connections=16,
        keepalive_expiry=30,
        network_backend=_TimedNetwork(),
    )


class _TimedNetwork(httpcore.NetworkBackend):
    """Every read and write ends with the whole exchange: a body that drips can't hold us longer."""

    def __init__(self) -> None:
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._plain.connect_tcp(
            host, port, timeout=timeout, local_address=local_address, socket_options=socket_options
        )
        return _TimedStream(stream)


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _shorter(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _shorter(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _shorter(timeout: float | None, too_late: type[httpcore.TimeoutException]) -> float:
    left_s = _ends_at.get() - time.monotonic()
    if left_s <= 0:
        raise too_late
    return left_s if timeout is None else min(timeout, left_s)
