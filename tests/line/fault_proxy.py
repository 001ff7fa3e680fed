"""A real HTTP proxy between our client and a carrier that spoils what passes through it, in named ways.

`FAULTS` maps a name to what is done to the answer of an operation, `TOKEN_FAULTS` to that of the token endpoint.
"""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

HTML = b"<!DOCTYPE html><html><body>The site is under maintenance</body></html>"


@dataclass(frozen=True, slots=True)
class Passing:
    """An answer on its way, and how often this path was asked (from 1)."""

    status: int
    headers: dict[str, str]
    body: bytes
    path: str
    count: int

    @property
    def document(self) -> Any:
        return json.loads(self.body) if self.body else {}

    def json(self, document: Any, status: int | None = None) -> Passing:
        headers = self.headers | {"Content-Type": "application/json"}
        return replace(
            self, status=status or self.status, headers=headers, body=json.dumps(document).encode()
        )

    def error(self, status: int, code: str, said: int | None = None) -> Passing:
        return self.json({"status": said or status, "code": code, "message": "no"}, status)


Spoil = Callable[[Passing], Passing]
Act = Callable[[Passing, socket.socket], None]


def _members(passing: Passing, change: Callable[[Any], Any]) -> Passing:
    document = passing.document
    if isinstance(document, list):
        return passing.json([change(one) for one in document])
    # Names of things are free: nobody can tell a wrong one from a right one.
    return passing.json(
        {name: value if name.lower().endswith("id") else change(value) for name, value in document.items()}
    )


def _other_type(value: Any) -> Any:
    match value:
        case bool():
            return "false" if value else "true"
        case str():
            return 17
        case int():
            return str(value)
        case _:
            return "x"


def _strange_word(value: Any) -> Any:
    return "perhaps" if isinstance(value, str) else (["perhaps"] if isinstance(value, list) else value)


def _raw(text: bytes) -> Spoil:
    return lambda passing: replace(
        passing, headers=passing.headers | {"Content-Type": "application/json"}, body=text
    )


def _times(year: str) -> Spoil:
    def change(value: Any) -> Any:
        return (
            f"{year}{value[4:]}" if isinstance(value, str) and value[4:5] == "-" and "T" in value else value
        )

    return lambda passing: _members(passing, change)


def _with_header(passing: Passing, name: str, value: str) -> Passing:
    return replace(passing, headers=passing.headers | {name: value})


def _swap_unknown(passing: Passing) -> Passing:
    if "retrieve-date" not in passing.path:
        return passing
    member = "latestSimChange" if "sim-swap" in passing.path else "latestDeviceChange"
    return passing.json({member: None, "monitoredPeriod": 30})


def _twice(passing: Passing) -> Passing:
    text = passing.body.decode()
    first = next(iter(passing.document)) if isinstance(passing.document, dict) and passing.document else None
    return replace(passing, body=text.replace("{", f'{{"{first}": null, ', 1).encode()) if first else passing


def _first_time_only(spoil: Spoil) -> Spoil:
    return lambda passing: spoil(passing) if passing.count == 1 else passing


def _head(passing: Passing, length: int | None = None, chunked: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {passing.status} X", *(f"{name}: {value}" for name, value in passing.headers.items())]
    lines.append(
        "Transfer-Encoding: chunked"
        if chunked
        else f"Content-Length: {len(passing.body) if length is None else length}"
    )
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _drip(data: bytes, connection: socket.socket) -> None:
    for number in range(len(data)):
        connection.sendall(data[number : number + 1])
        time.sleep(0.05)


def _act_reset_in_body(passing: Passing, connection: socket.socket) -> None:
    connection.sendall(_head(passing, len(passing.body) + 10) + passing.body[: len(passing.body) // 2])
    _reset(connection)


def _act_bomb(passing: Passing, connection: socket.socket) -> None:
    body = gzip.compress(b" " * 20_000_000 + passing.body)
    connection.sendall(
        _head(replace(passing, body=body, headers=passing.headers | {"Content-Encoding": "gzip"})) + body
    )


def _act_huge(passing: Passing, connection: socket.socket) -> None:
    connection.sendall(_head(passing, 50_000_000))
    for _ in range(50):
        connection.sendall(b" " * 1_000_000)


FAULTS: dict[str, Spoil | Act] = {
    "429": lambda p: p.error(429, "TOO_MANY_REQUESTS"),
    "429 once with Retry-After 0": _first_time_only(lambda p: _with_header(p.error(429, "TOO_MANY_REQUESTS"), "Retry-After", "0")),
    "429 with Retry-After 1": lambda p: _with_header(p.error(429, "TOO_MANY_REQUESTS"), "Retry-After", "1"),
    "429 with an absurd Retry-After": lambda p: _with_header(p.error(429, "TOO_MANY_REQUESTS"), "Retry-After", "99999999999999999999"),
    "429 with a negative Retry-After": lambda p: _with_header(p.error(429, "TOO_MANY_REQUESTS"), "Retry-After", "-5"),
    "429 with Retry-After as a date": lambda p: _with_header(p.error(429, "TOO_MANY_REQUESTS"), "Retry-After", "Fri, 31 Dec 2099 23:59:59 GMT"),
    "429 quota": lambda p: p.error(429, "QUOTA_EXCEEDED"),
    "500": lambda p: p.error(500, "INTERNAL"),
    "500 once": _first_time_only(lambda p: p.error(500, "INTERNAL")),
    "501": lambda p: p.error(501, "NOT_IMPLEMENTED"),
    "502 as HTML": lambda p: replace(p, status=502, headers={"Content-Type": "text/html"}, body=HTML),
    "503": lambda p: p.error(503, "UNAVAILABLE"),
    "503 without a body": lambda p: replace(p, status=503, headers={}, body=b""),
    "504": lambda p: p.error(504, "TIMEOUT"),
    "no answer": lambda _p, connection: time.sleep(3),
    "a body that drips": lambda p, connection: (connection.sendall(_head(p)), _drip(p.body + b" ", connection))[0],
    "headers that drip": lambda p, connection: _drip(_head(p) + p.body, connection),
    "reset before the answer": lambda _p, connection: _reset(connection),
    "reset in the body": _act_reset_in_body,
    "closed without an answer": lambda _p, connection: connection.close(),
    "no HTTP at all": lambda _p, connection: connection.sendall(b"220 mail.example ESMTP\r\n"),
    "truncated JSON": lambda p: replace(p, body=p.body[: len(p.body) // 2] if p.body else b"{"),
    "a length that is too long": lambda p, connection: connection.sendall(_head(p, len(p.body) + 500) + p.body),
    "wrong types": lambda p: _members(p, _other_type),
    "unknown words": lambda p: _members(p, _strange_word),
    "null members": lambda p: _members(p, lambda _: None),
    "missing members": lambda p: p.json({}),
    "a list instead of an object": lambda p: p.json([p.document]),
    "a text instead of an object": lambda p: p.json("active"),
    "a huge body": _act_huge,
    "deep nesting": _raw(b"[" * 30_000 + b"]" * 30_000),
    "deep nesting in a member": lambda p: p.json({"x": json.loads("[" * 50 + "]" * 50)} | (p.document if isinstance(p.document, dict) else {})),
    "another content type": lambda p: _with_header(p, "Content-Type", "text/plain"),
    "NaN": _raw(b'{"reachable": NaN, "swapped": NaN, "lastStatusTime": Infinity}'),
    "a number of a million digits": _raw(b'{"monitoredPeriod": ' + b"9" * 60_000 + b"}"),
    "a name twice": _twice,
    "a byte-order mark": lambda p: replace(p, body=b"\xef\xbb\xbf" + p.body if p.body else b""),
    "not UTF-8": lambda p: replace(p, body=p.body.decode().encode("utf-16")),
    "HTML with status 200": lambda p: replace(p, status=200, headers={"Content-Type": "text/html"}, body=HTML),
    "HTML that calls itself JSON": _raw(HTML),
    "an empty 200": lambda p: replace(p, status=200, body=b""),
    "204": lambda p: replace(p, status=204, headers={}, body=b""),
    "a redirect to elsewhere": lambda p: replace(p, status=302, headers={"Location": "{elsewhere}"}, body=b""),
    "a redirect that keeps the body": lambda p: replace(p, status=307, headers={"Location": "{elsewhere}"}, body=b""),
    "an expired token once": _first_time_only(lambda p: p.error(401, "UNAUTHENTICATED")),
    "401 for ever": lambda p: p.error(401, "UNAUTHENTICATED"),
    "403": lambda p: p.error(403, "PERMISSION_DENIED"),
    "403 of another number": lambda p: p.error(403, "INVALID_TOKEN_CONTEXT"),
    "404 without a CAMARA body": lambda p: replace(p, status=404, headers={"Content-Type": "text/html"}, body=HTML),
    "the file's spelling is not served": lambda p: replace(p, status=404, headers={}, body=b"") if "/retrive-" in p.path else p,
    "404 with an unknown code": lambda p: p.error(404, "SUBSCRIBER_LOST"),
    "404 whose body names another status": lambda p: p.error(404, "IDENTIFIER_NOT_FOUND", said=500),
    "200 with an error as its body": lambda p: p.error(200, "IDENTIFIER_NOT_FOUND", said=404),
    "400 with an unknown code": lambda p: p.error(400, "WHATEVER.SPECIFIC"),
    "400 out of range": lambda p: p.error(400, "OUT_OF_RANGE"),
    "409 aborted": lambda p: p.error(409, "ABORTED"),
    "410": lambda p: p.error(410, "GONE"),
    "422 unnecessary identifier": lambda p: p.error(422, "UNNECESSARY_IDENTIFIER"),
    "422 not applicable": lambda p: p.error(422, "SERVICE_NOT_APPLICABLE"),
    "status 599": lambda p: p.error(599, "STRANGE"),
    "times in the future": _times("2099"),
    "times very old": _times("1999"),
    "times without a zone": lambda p: replace(p, body=p.body.replace(b"00Z", b"00")),
    "no change in the monitored period": _swap_unknown,
    "no correlator": lambda p: replace(p, headers={k: v for k, v in p.headers.items() if k.lower() != "x-correlator"}),
    "a gzip bomb": _act_bomb,
    "chunked garbage": lambda p, connection: connection.sendall(_head(p, chunked=True) + b"zz\r\n" + p.body),
    "the answer twice": lambda p, connection: connection.sendall((_head(p) + p.body) * 2),
    "members that nobody asked for": lambda p: p.json(p.document | {"cell": "460-00-1234", "country": "CN", "calls": ["+8613900000000"]} if isinstance(p.document, dict) else p.document),
    "a thousand headers": lambda p: replace(p, headers=p.headers | {f"x-{n}": "y" * 200 for n in range(1_000)}),
    "another device": lambda p: p.json(p.document | {"device": {"phoneNumber": "+8613999999999"}}) if isinstance(p.document, dict) else p,
}  # fmt: skip
TOKEN_FAULTS: dict[str, Spoil | Act] = {
    "token: 500": lambda p: replace(p, status=500, body=b""),
    "token: 401": lambda p: p.json({"error": "invalid_client"}, 401),
    "token: malformed": lambda p: replace(p, body=p.body[:20]),
    "token: another type": lambda p: p.json(p.document | {"token_type": "mac"}),
    "token: missing": lambda p: p.json({"token_type": "Bearer"}),
    "token: lifetime as text": lambda p: p.json(p.document | {"expires_in": "300"}),
    "token: negative lifetime": lambda p: p.json(p.document | {"expires_in": -1}),
    "token: a line break": lambda p: p.json(p.document | {"access_token": "a\r\nx-evil: 1"}),
    "token: huge": lambda p: p.json(p.document | {"access_token": "a" * 50_000}),
    "token: a redirect": lambda p: replace(p, status=307, headers={"Location": "{elsewhere}"}, body=b""),
    "token: HTML": lambda p: replace(p, headers={"Content-Type": "text/html"}, body=HTML),
    "token: no answer": lambda _p, connection: time.sleep(3),
    "token: not known to anybody": lambda p: p.json(p.document | {"access_token": "unknown"}),
}  # fmt: skip


@dataclass
class FaultProxy:
    """Passes requests on to `upstream`; `fault` is one of the names above or None."""

    upstream: int
    elsewhere: str
    fault: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def spoil_with(self, fault: str | None) -> None:
        with self._lock:
            self.fault, self.counts = fault, {}

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(10)
                self._pass(connection)
        except OSError:
            pass  # the client has had enough
        except Exception as error:
            self.problems.append(f"{self.fault}: {error!r}")

    def _pass(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        first = stream.readline().decode()
        if not first:
            return  # the client closed a connection that it had not used
        method, path, _ = first.split(" ", 2)
        headers = http.client.parse_headers(stream)
        body = stream.read(int(headers.get("content-length") or 0))
        with self._lock:
            fault = self.fault
            self.counts[f"{method} {path}"] = count = self.counts.get(f"{method} {path}", 0) + 1
        inner = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=10)
        inner.request(method, path, body or None, dict(headers.items()))
        answer = inner.getresponse()
        kept = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() in {"content-type", "x-correlator"}
        }
        passing = Passing(answer.status, kept, answer.read(), path, count)
        inner.close()
        spoil = (TOKEN_FAULTS if path == "/oauth2/token" else FAULTS).get(fault or "")
        if spoil is not None and spoil.__code__.co_argcount == 2:
            spoil(passing, connection)  # type: ignore[call-arg]
            return
        if spoil is not None:
            passing = spoil(passing)  # type: ignore[call-arg, assignment]
        if "Location" in passing.headers:
            passing = _with_header(passing, "Location", self.elsewhere)
        connection.sendall(_head(passing) + passing.body)
