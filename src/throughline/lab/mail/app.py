"""The mailbox's HTTP face: webmail and the control desk. SMTP starts and stops with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from throughline.lab.mail.mailbox import Mailbox
from throughline.lab.mail.page import render_list, render_mail
from throughline.lab.mail.smtp import FAULTS, controller
from throughline.lab.simulator import control_routes

_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def build(home: Path, smtp_port: int) -> Starlette:
    """The mailbox in `home`/lab/mail.sqlite, with SMTP on that port of loopback."""
    mailbox = Mailbox(home)

    async def show_list(request: Request) -> Response:
        del request
        return HTMLResponse(render_list(mailbox.mails()), headers=_POLICY)

    async def show_mail(request: Request) -> Response:
        mail = mailbox.find(request.path_params["mail_id"])
        if mail is None:
            return HTMLResponse("没有此邮件 No such mail", status_code=404)
        return HTMLResponse(render_mail(mail), headers=_POLICY)

    async def show_messages(request: Request) -> Response:
        return JSONResponse({"messages": mailbox.mails(request.query_params.get("to"))})

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        smtp = controller(mailbox, smtp_port)
        await asyncio.to_thread(smtp.start)
        try:
            yield
        finally:
            await asyncio.to_thread(smtp.stop)

    routes = [
        Route("/", show_list, methods=["GET"]),
        Route("/messages/{mail_id:int}", show_mail, methods=["GET"]),
        Route("/control/messages", show_messages, methods=["GET"]),
        *control_routes(mailbox.ledger, faults=FAULTS, settings=frozenset()),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
