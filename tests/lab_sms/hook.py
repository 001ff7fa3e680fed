"""The client's door for receipts: keeps what comes and answers as it is told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """`answers`: (status, body) for the next requests; then it acknowledges."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.answers: list[tuple[int, bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, said = hook.answers.pop(0) if hook.answers else (200, b'{"code": 0, "msg": "ok"}')
                hook.taken.append((self.path, body))
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Close the door."""
        self._server.shutdown()
        self._server.server_close()

    def receipts(self, out_id: str) -> list[dict[str, Any]]:
        """Every receipt that came for a reference, also those that were not acknowledged."""
        found = []
        for _, body in list(self.taken):
            try:
                found += [one for one in json.loads(body) if one["out_id"] == out_id]
            except ValueError:
                continue
        return found
