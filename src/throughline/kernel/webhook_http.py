"""Sending one webhook: to checked addresses only, without redirects and proxies, within one time limit."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore

from throughline.kernel.webhook_wire import may_connect

CONNECT_S = 5.0
TOTAL_S = 15.0
MAX_ANSWER_BYTES = 4_096

Resolve = Callable[[str, int], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the HTTP status, or None and a short word for what went wrong instead."""

    status: int | None
    error: str | None = None
    retry_after: str | None = None

    @property
    def arrived(self) -> bool:
        """Standard Webhooks: any 2xx means taken; a redirect does not."""
        return self.status is not None and 200 <= self.status < 300


class Refused(Exception):
    """The name of an endpoint leads to an address where webhooks must not go."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def post(
    url: str, headers: Mapping[str, str], body: bytes, *, demo: bool, resolver: Resolve = resolve
) -> Answer:
    """Send one attempt and wait for its answer, `TOTAL_S` at most. Never raises for what the other side does."""
    backend = _CheckedNetwork(demo=demo, resolver=resolver, ends_at=time.monotonic() + TOTAL_S)
    # No proxy, no environment, no redirects: a pool of httpcore has none of them.
    try:
        with (
            httpcore.ConnectionPool(
                ssl_context=ssl.create_default_context(), network_backend=backend, max_connections=1
            ) as pool,
            pool.stream(
                "POST", url, headers=list(headers.items()), content=body, extensions={"timeout": _TIMEOUTS}
            ) as answer,
        ):
            fields = {name.lower(): value for name, value in answer.headers}
            _read_some(answer.iter_stream())
            return Answer(answer.status, None, fields.get(b"retry-after", b"").decode("latin-1") or None)
    except Refused:
        return Answer(None, "private address")
    except httpcore.TimeoutException:
        return Answer(None, "timed out")
    except httpcore.ConnectError as error:
        return Answer(None, "TLS refused" if isinstance(error.__context__, ssl.SSLError) else "no connection")
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol):
        return Answer(None, "broken answer")


_TIMEOUTS = {"connect": CONNECT_S, "read": TOTAL_S, "write": TOTAL_S, "pool": CONNECT_S}


def _read_some(chunks: Iterable[bytes]) -> None:
    # The body is of no interest, but a receiver that is cut off in its answer may call it a failure.
    seen = 0
    for chunk in chunks:
        seen += len(chunk)
        if seen > MAX_ANSWER_BYTES:
            return


class _CheckedNetwork(httpcore.NetworkBackend):
    """Resolves names itself and connects to the very address that it has checked (DNS rebinding)."""

    def __init__(self, *, demo: bool, resolver: Resolve, ends_at: float) -> None:
        self._demo = demo
        self._resolve = resolver
        self._ends_at = ends_at
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in self._resolve(host, port)]
        except (OSError, ValueError, UnicodeError) as error:
            raise httpcore.ConnectError("the name is not known") from error
        # One bad address is enough: which of them a later connection would take is not ours to choose.
        if not addresses or not all(may_connect(one, demo=self._demo) for one in addresses):
            raise Refused(host)
        stream = self._plain.connect_tcp(
            str(addresses[0]),
            port,
            timeout=timeout,
            local_address=local_address,
            socket_options=socket_options,
        )
        return _TimedStream(stream, self._ends_at)


class _TimedStream(httpcore.NetworkStream):
    """One limit for the whole attempt: a receiver that answers byte by byte holds no worker for ever."""

    def __init__(self, stream: httpcore.NetworkStream, ends_at: float) -> None:
        self._stream = stream
        self._ends_at = ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._left_s(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._stream.start_tls(ssl_context, server_hostname, self._left_s(timeout))
        return _TimedStream(inner, self._ends_at)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def _left_s(self, timeout: float | None) -> float:
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise httpcore.ReadTimeout("the time for this attempt is over")
        return left_s if timeout is None else min(left_s, timeout)
