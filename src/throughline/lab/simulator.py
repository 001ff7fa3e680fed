"""What the simulators of outside companies share: a ledger that survives kill -9, faults on command, a ticker.

A simulator plays another company: it shares no code with the package that talks to it, and its ledger
is the truth that tests compare ours with.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from throughline.kernel.logging import get_logger

log = get_logger(__name__)

TICK_S = 0.1

_FAULTS = """
CREATE TABLE IF NOT EXISTS fault (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, remaining INTEGER NOT NULL, params TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Ledger:
    """A SQLite file. What a transaction has committed is there after kill -9 of this process."""

    def __init__(self, path: Path, schema: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_FAULTS} {schema}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One writing transaction at a time: committed at the end, rolled back on any exception."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def rows(self, query: str, parameters: tuple[Any, ...] = ()) -> list[dict[str, Any]]:
        """Rows of a query as dicts; bytes are left out, so that they can be shown as JSON."""
        with self._lock:
            found = self._db.execute(query, parameters).fetchall()
        return [{name: row[name] for name in row.keys() if not isinstance(row[name], bytes)} for row in found]  # noqa: SIM118 - a sqlite3.Row iterates over values

    def setting(self, name: str, otherwise: Any) -> Any:
        """A setting that was changed over /control/settings, or its usual value."""
        found = self.rows("SELECT value FROM setting WHERE name = ?", (name,))
        return json.loads(found[0]["value"]) if found else otherwise

    def take_fault(self, *names: str) -> tuple[str, dict[str, Any]] | None:
        """The first ordered misbehaviour of one of these names, used up by this call."""
        marks = ",".join("?" * len(names))
        with self.transaction() as db:
            row = db.execute(
                f"SELECT id, name, params FROM fault WHERE remaining > 0 AND name IN ({marks}) ORDER BY id LIMIT 1",
                names,
            ).fetchone()
            if row is None:
                return None
            db.execute("UPDATE fault SET remaining = remaining - 1 WHERE id = ?", (row["id"],))
            return row["name"], json.loads(row["params"])


def control_routes(ledger: Ledger, *, faults: frozenset[str], settings: frozenset[str]) -> list[Route]:
    """`POST /control/faults` orders misbehaviour, `DELETE` calls it off; `POST /control/settings` changes habits.

    The setting `down` (where the simulator has it) ends all service but the control desk's, until it is set back.
    """

    async def order(request: Request) -> JSONResponse:
        wish = await request.json()
        name, times = str(wish.pop("name", "")), int(wish.pop("times", 1))
        if name not in faults or not 1 <= times <= 100_000:
            return JSONResponse({"faults": sorted(faults)}, status_code=422)
        with ledger.transaction() as db:
            db.execute(
                "INSERT INTO fault (name, remaining, params) VALUES (?, ?, ?)",
                (name, times, json.dumps(wish)),
            )
        return JSONResponse({"name": name, "times": times}, status_code=201)

    async def call_off(request: Request) -> JSONResponse:
        del request
        with ledger.transaction() as db:
            db.execute("DELETE FROM fault")
        return JSONResponse({})

    async def change(request: Request) -> JSONResponse:
        wish = await request.json()
        if not isinstance(wish, Mapping) or not settings.issuperset(wish):
            return JSONResponse({"settings": sorted(settings)}, status_code=422)
        with ledger.transaction() as db:
            for name, value in wish.items():
                db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))
        return JSONResponse(dict(wish))

    return [
        Route("/control/faults", order, methods=["POST"]),
        Route("/control/faults", call_off, methods=["DELETE"]),
        Route("/control/settings", change, methods=["POST"]),
    ]


class DroppedAnswer:
    """An ASGI answer that ends in the middle: the caller sees the connection close and never the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4096")]})
        await send({"type": "http.response.body", "body": b" ", "more_body": True})


class OutOfService:
    """Answers 503 to everybody but the control desk while the ledger's setting `down` is on."""

    def __init__(self, app: ASGIApp, ledger: Ledger) -> None:
        self._app, self._ledger = app, ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        here = scope["type"] == "http" and not scope["path"].startswith("/control/")
        if here and self._ledger.setting("down", False):
            await PlainTextResponse("out of service", status_code=503)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def with_ticker(tick: Callable[[], None], routes: list[Route], *, ledger: Ledger | None = None) -> Starlette:
    """An app whose `tick` runs ten times a second in a thread of its own, from start to stop.

    With its `ledger` the company can be put out of service (setting `down`).
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        stop = threading.Event()

        def run() -> None:
            while not stop.wait(TICK_S):
                try:
                    tick()
                except Exception:
                    log.exception("simulator's ticker failed")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            await asyncio.to_thread(thread.join, 5)

    around = [Middleware(OutOfService, ledger=ledger)] if ledger is not None else []
    return Starlette(routes=routes, lifespan=lifespan, middleware=around)


def serve(app: Starlette, port: int) -> None:
    """Serve on loopback until the process ends. Only there: control needs no password."""
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI)
    asyncio.run(server.serve())
