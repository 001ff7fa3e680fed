"""The hooks of payments over the product's own HTTP layer: `hook_server.py PORT`."""

from __future__ import annotations

import asyncio
import sys

from fastapi import FastAPI
from granian.constants import Interfaces
from granian.server.embed import Server

from throughline.kernel import http, rooms
from throughline.payments import api

rooms.load_all()
app = FastAPI()
http.install(app, authenticate=lambda request: http.PUBLIC)
app.include_router(api.hooks_router)

if __name__ == "__main__":
    server = Server(app, address="127.0.0.1", port=int(sys.argv[1]), interface=Interfaces.ASGI)
    asyncio.run(server.serve())
