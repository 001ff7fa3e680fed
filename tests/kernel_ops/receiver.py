"""A real receiver of webhooks on loopback, which misbehaves on command."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Got:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers with `status`; `mode` may be "drip" (answers byte by byte) or "drop" (hangs up)."""

    status: int = 204
    mode: str = "answer"
    answer_headers: dict[str, str] = field(default_factory=dict)
    got: list[Got] = field(default_factory=list)
    server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.got.append(Got(self.path, headers, body))
                if outer.mode == "drop":
                    self.connection.close()
                    return
                if outer.mode == "drip":
                    self._drip()
                    return
                self.send_response(outer.status)
                for name, value in outer.answer_headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def _drip(self) -> None:
                try:
                    for byte in b"HTTP/1.1 200 OK\r\n" + b"x-slow: 1\r\n" * 200:
                        self.wfile.write(bytes([byte]))
                        time.sleep(0.05)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
