"""The bank's HTTP face: payment initiations, status, files, and the control desk of the simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from throughline.kernel.clock import now
from throughline.kernel.ids import new_id
from throughline.lab.bank.books import Books
from throughline.lab.bank.documents import BadDocument, read_pain_001, write_pain_002
from throughline.lab.bank.keys import ensure_keys
from throughline.lab.bank.push import FAULTS as PUSH_FAULTS
from throughline.lab.bank.push import Pusher
from throughline.lab.bank.signing import Signer
from throughline.lab.simulator import DroppedAnswer, control_routes, with_ticker

_ANSWER_FAULTS = ("drop_answer", "error_500", "unsigned", "forged", "delay")
_FAULTS = frozenset(
    {*_ANSWER_FAULTS, *PUSH_FAULTS, "drop_request", "not_found", "reject", "settle_late", "return_later"}
    | {"wrong_amount"}
)
_SETTINGS = frozenset({"settle_after_s", "push", "push_url", "down"})
_LIMIT = 50


def build(home: Path, hook_url: str = "http://localhost:8000/hooks/payments/bank") -> Starlette:
    """The bank over its books in `home`/lab/bank.sqlite; files are pushed to `hook_url` too."""
    keys = ensure_keys(home)
    books, signer = Books(home), Signer(keys)
    pusher = Pusher(books, signer, hook_url)

    def tick() -> None:
        books.settle_due()
        pusher.push_due()

    desk = _Desk(books, signer)
    return with_ticker(
        tick,
        [
            Route("/v1/payment-initiations", desk.initiate, methods=["POST"]),
            Route("/v1/payment-initiations/{end_to_end_id}/status", desk.status, methods=["GET"]),
            Route("/v1/files", desk.files, methods=["GET"]),
            Route("/v1/files/{file_id:int}", desk.file, methods=["GET"]),
            Route("/control/payments", desk.show_payments, methods=["GET"]),
            Route("/control/movements", desk.show_movements, methods=["GET"]),
            Route("/control/accounts", desk.list_account, methods=["POST"]),
            Route("/control/return", desk.send_back, methods=["POST"]),
            *control_routes(books.ledger, faults=_FAULTS, settings=_SETTINGS),
        ],
        ledger=books.ledger,
    )


class _Desk:
    def __init__(self, books: Books, signer: Signer) -> None:
        self._books = books
        self._signer = signer

    async def initiate(self, request: Request) -> Response | DroppedAnswer:
        """Take a pain.001; accepted (ACTC) is not settled."""
        body = await request.body()
        if not self._signer.accepts(request, body):
            return Response(status_code=401)
        if await self._fault("drop_request"):
            return DroppedAnswer()
        try:
            payment = await asyncio.to_thread(self._books.take, read_pain_001(body), body)
        except BadDocument as error:
            return self._signed(request, 400, str(error).encode())
        return await self._answer(request, write_pain_002(payment, f"S{new_id().hex}", now()))

    async def status(self, request: Request) -> Response | DroppedAnswer:
        """The status of one payment as pain.002."""
        if not self._signer.accepts(request, b""):
            return Response(status_code=401)
        payment = self._books.payment(request.path_params["end_to_end_id"])
        if payment is None or await self._fault("not_found"):
            return self._signed(request, 404, b"")
        return await self._answer(request, write_pain_002(payment, f"S{new_id().hex}", now()))

    async def files(self, request: Request) -> Response:
        """Ids of the files after `after`, oldest first, at most 50."""
        if not self._signer.accepts(request, b""):
            return Response(status_code=401)
        after = request.query_params.get("after", "0")
        rows = self._books.ledger.rows(
            "SELECT id FROM file WHERE id > ? ORDER BY id LIMIT ?",
            (int(after) if after.isdigit() else 0, _LIMIT),
        )
        return self._signed(
            request, 200, bytes(JSONResponse({"files": [str(row["id"]) for row in rows]}).body)
        )

    async def file(self, request: Request) -> Response:
        """One file."""
        if not self._signer.accepts(request, b""):
            return Response(status_code=401)
        with self._books.ledger.transaction() as db:
            row = db.execute(
                "SELECT content FROM file WHERE id = ?", (request.path_params["file_id"],)
            ).fetchone()
        return self._signed(request, 200, row["content"]) if row else self._signed(request, 404, b"")

    async def show_payments(self, request: Request) -> Response:
        """All payments as they stand (control)."""
        del request
        return JSONResponse(self._books.ledger.rows("SELECT * FROM payment ORDER BY end_to_end_id"))

    async def show_movements(self, request: Request) -> Response:
        """All booked movements: the truth to compare with (control)."""
        del request
        return JSONResponse(self._books.ledger.rows("SELECT * FROM movement ORDER BY id"))

    async def list_account(self, request: Request) -> Response:
        """List a payee's account with holder and state open, closed, blocked or missing (control)."""
        wish = await request.json()
        with self._books.ledger.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO account VALUES (?, ?, ?)",
                (str(wish["number"]), wish.get("holder"), str(wish.get("state", "open"))),
            )
        return JSONResponse(wish, status_code=201)

    async def send_back(self, request: Request) -> Response:
        """Have a payment come back (control)."""
        wish = await request.json()
        done = self._books.send_back(str(wish["end_to_end_id"]), str(wish.get("reason", "AC04")))
        return JSONResponse({"returned": done}, status_code=200 if done else 404)

    async def _fault(self, *names: str) -> bool:
        return self._books.ledger.take_fault(*names) is not None

    async def _answer(self, request: Request, body: bytes) -> Response | DroppedAnswer:
        fault = self._books.ledger.take_fault(*_ANSWER_FAULTS)
        name, params = fault or ("", {})
        if name == "delay":
            await asyncio.sleep(float(params.get("after_s", 1)))
        if name == "drop_answer":
            return DroppedAnswer()
        if name == "error_500":
            return Response(status_code=500)
        answer = self._signed(request, 200, body)
        if name == "unsigned":
            del answer.headers["bank-signature"]
        elif name == "forged":
            answer.headers["bank-signature"] = self._signer.push_headers(body, forged=True)["Bank-Signature"]
        return answer

    def _signed(self, request: Request, status: int, body: bytes) -> Response:
        headers = self._signer.answer_headers(request.headers.get("bank-nonce", ""), status, body)
        return Response(body, status_code=status, headers=headers)
