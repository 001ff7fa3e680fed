"""Our carrier hooks alone, served over HTTP: `python hook_server.py PORT`."""

from __future__ import annotations

import asyncio
import sys

from fastapi import FastAPI
from granian.constants import Interfaces
from granian.server.embed import Server

from throughline.kernel import http, rooms
from throughline.kernel.http import Caller
from throughline.line.api import hooks_router

app = FastAPI()
http.install(app, authenticate=lambda _request: Caller())
app.include_router(hooks_router)


@app.get("/")
def alive() -> dict[str, str]:
    return {}


if __name__ == "__main__":
    rooms.load_all()
    asyncio.run(Server(app, address="127.0.0.1", port=int(sys.argv[1]), interface=Interfaces.ASGI).serve())
