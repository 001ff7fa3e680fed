"""The bureau's HTTP face: files, items, subjects, disputes, and the control desk of the simulator."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from throughline.lab.bank.signing import Signer
from throughline.lab.bureau.books import Books
from throughline.lab.bureau.documents import BadFile
from throughline.lab.bureau.keys import KEY_ID, PRIVATE, ensure_keys
from throughline.lab.simulator import DroppedAnswer, control_routes, with_ticker

# drop_request: nothing is taken; drop_answer, error_500: taken, and the answer is lost or a 500.
_BEFORE = ("drop_request", "not_found", "delay")
_AFTER = ("drop_answer", "error_500", "malformed", "unsigned", "forged")
_FAULTS = frozenset({*_BEFORE, *_AFTER, "late_answer", "reject_item", "malformed_answer", "disputes_twice"})
_SETTINGS = frozenset({"answer_after_s"})

Answered = Response | DroppedAnswer


def build(home: Path) -> Starlette:
    """The bureau over its books in `home`/lab/bureau.sqlite."""
    books = Books(home)
    desk = _Desk(books, Signer(ensure_keys(home), PRIVATE, KEY_ID))
    return with_ticker(
        books.work_off,
        [
            Route("/v1/files/{ref}", desk.put_file, methods=["PUT"]),
            Route("/v1/files/{ref}", desk.get_file, methods=["GET"]),
            Route("/v1/files/{ref}", desk.withdraw_file, methods=["DELETE"]),
            Route("/v1/files/{ref}/answer", desk.get_answer, methods=["GET"]),
            Route("/v1/items/{ref}", desk.get_item, methods=["GET"]),
            Route("/v1/subjects/query", desk.query_subject, methods=["POST"]),
            Route("/v1/disputes", desk.list_disputes, methods=["GET"]),
            Route("/v1/disputes/{ref}/answer", desk.answer_dispute, methods=["PUT"]),
            Route("/control/files", desk.show_files, methods=["GET"]),
            Route("/control/items", desk.show_items, methods=["GET"]),
            Route("/control/records", desk.show_records, methods=["GET"]),
            Route("/control/disputes", desk.show_disputes, methods=["GET"]),
            Route("/control/disputes", desk.open_dispute, methods=["POST"]),
            *control_routes(books.ledger, faults=_FAULTS, settings=_SETTINGS),
        ],
    )


class _Desk:
    def __init__(self, books: Books, signer: Signer) -> None:
        self._books = books
        self._signer = signer

    # --- members

    async def put_file(self, request: Request) -> Answered:
        """Take a file; its items are answered a little later."""
        body = await request.body()
        stopped = await self._stopped(request, body)
        if stopped is not None:
            return stopped
        try:
            status, document = await asyncio.to_thread(self._books.take, request.path_params["ref"], body)
        except BadFile as error:
            return self._signed(request, 422, {"code": str(error)})
        return self._answer(request, status, document)

    async def get_file(self, request: Request) -> Answered:
        """Whether a file is there."""
        stopped = await self._stopped(request)
        if stopped is not None:
            return stopped
        row = self._books.file(request.path_params["ref"])
        if row is None:
            return self._answer(request, 404, {"code": "UNKNOWN"})
        if row["state"] == "withdrawn":
            return self._answer(request, 410, {"code": "WITHDRAWN"})
        return self._answer(request, 200, {"state": row["state"], "sha256": row["sha256"]})

    async def withdraw_file(self, request: Request) -> Answered:
        """Promise never to take a file."""
        stopped = await self._stopped(request)
        if stopped is not None:
            return stopped
        done = await asyncio.to_thread(self._books.withdraw, request.path_params["ref"])
        return self._answer(request, 200 if done else 409, {"withdrawn": True} if done else {"code": "TAKEN"})

    async def get_answer(self, request: Request) -> Answered:
        """The answers to the items of a file."""
        stopped = await self._stopped(request)
        if stopped is not None:
            return stopped
        raw = self._books.answer(request.path_params["ref"])
        if raw is None:
            return self._answer(request, 404, {"code": "NOT_YET"})
        if self._books.ledger.take_fault("malformed_answer") is not None:
            raw = raw[: len(raw) // 2]
        headers = self._signer.answer_headers(request.headers.get("bank-nonce", ""), 200, raw)
        return Response(raw, headers=headers)

    async def get_item(self, request: Request) -> Answered:
        """What became of one item."""
        stopped = await self._stopped(request)
        if stopped is not None:
            return stopped
        found = self._books.ledger.rows(
            "SELECT ref, result, code, corrects FROM item WHERE ref = ?", (request.path_params["ref"],)
        )
        return self._answer(request, 200 if found else 404, found[0] if found else {"code": "UNKNOWN"})

    async def query_subject(self, request: Request) -> Answered:
        """`{"id_number": …}`: what a person's record says. The number stands in the body, never in an address."""
        body = await request.body()
        stopped = await self._stopped(request, body)
        if stopped is not None:
            return stopped
        wanted = _object(body).get("id_number")
        if not isinstance(wanted, str):
            return self._signed(request, 422, {"code": "FORMAT"})
        return self._answer(request, 200, {"records": self._books.subject(wanted)})

    async def list_disputes(self, request: Request) -> Answered:
        """Disputes that wait for the member."""
        stopped = await self._stopped(request)
        if stopped is not None:
            return stopped
        after = request.query_params.get("after", "0")
        number = int(after) if after.isdigit() else 0
        if self._books.ledger.take_fault("disputes_twice") is not None:
            number = 0
        return self._answer(request, 200, {"disputes": self._books.disputes(number)})

    async def answer_dispute(self, request: Request) -> Answered:
        """`{"key", "outcome": "upheld" | "refused", "text"}`: the member's decision."""
        body = await request.body()
        stopped = await self._stopped(request, body)
        if stopped is not None:
            return stopped
        wish = _object(body)
        if wish.get("outcome") not in {"upheld", "refused"} or not wish.get("key"):
            return self._signed(request, 422, {"code": "FORMAT"})
        status, document = await asyncio.to_thread(
            self._books.take_answer,
            request.path_params["ref"],
            str(wish["key"]),
            wish["outcome"],
            str(wish.get("text", "")),
        )
        return self._answer(request, status, document)

    async def _stopped(self, request: Request, body: bytes = b"") -> Answered | None:
        """A refusal, or a misbehaviour before anything is done."""
        if not self._signer.accepts(request, body):
            return Response(status_code=401)
        fault = self._books.ledger.take_fault(*_BEFORE)
        name, params = fault or ("", {})
        if name == "delay":
            await asyncio.sleep(float(params.get("after_s", 1)))
        if name == "drop_request":
            return DroppedAnswer()
        return self._signed(request, 404, {"code": "UNKNOWN"}) if name == "not_found" else None

    def _answer(self, request: Request, status: int, document: dict[str, Any]) -> Answered:
        fault = self._books.ledger.take_fault(*_AFTER)
        name = fault[0] if fault else ""
        if name == "drop_answer":
            return DroppedAnswer()
        if name == "error_500":
            return Response(status_code=500)
        if name == "malformed":
            raw = b'{"state": "perha'
            headers = self._signer.answer_headers(request.headers.get("bank-nonce", ""), status, raw)
            return Response(raw, status_code=status, headers=headers)
        answer = self._signed(request, status, document)
        if name == "unsigned":
            del answer.headers["bank-signature"]
        elif name == "forged":
            answer.headers["bank-signature"] = self._signer.push_headers(b"", forged=True)["Bank-Signature"]
        return answer

    def _signed(self, request: Request, status: int, document: dict[str, Any]) -> Response:
        body = json.dumps(document, ensure_ascii=False).encode()
        headers = self._signer.answer_headers(request.headers.get("bank-nonce", ""), status, body)
        return Response(body, status_code=status, headers=headers, media_type="application/json")

    # --- control

    async def show_files(self, request: Request) -> Response:
        """All files (control)."""
        del request
        return JSONResponse(
            self._books.ledger.rows(
                "SELECT ref, sha256, state, received, received_at FROM file ORDER BY received_at LIMIT 500"
            )
        )

    async def show_items(self, request: Request) -> Response:
        """All items that were taken (control)."""
        del request
        return JSONResponse(self._books.ledger.rows("SELECT * FROM item ORDER BY rowid LIMIT 2000"))

    async def show_records(self, request: Request) -> Response:
        """What the records say now: the truth to compare with (control)."""
        del request
        return JSONResponse(self._books.ledger.rows("SELECT * FROM record ORDER BY loan, period LIMIT 2000"))

    async def show_disputes(self, request: Request) -> Response:
        """All disputes (control)."""
        del request
        return JSONResponse(self._books.ledger.rows("SELECT * FROM dispute ORDER BY nr LIMIT 500"))

    async def open_dispute(self, request: Request) -> Response:
        """`{"item", "statement"}`: a person complains at the bureau (control)."""
        wish = _object(await request.body())
        made = self._books.open_dispute(str(wish.get("item", "")), str(wish.get("statement", "")))
        return JSONResponse(made or {"code": "UNKNOWN"}, status_code=201 if made else 404)


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
