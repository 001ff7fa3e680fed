"""A bureau over HTTPS: files are put, asked about, answered and withdrawn by their reference.

`PUT /v1/files/{ref}` takes a file, `GET` tells whether it is there, `GET …/answer` gives the answers to its items,
`DELETE` promises never to take it. Disputes wait at `GET /v1/disputes?after=`. Requests and answers are signed
with Ed25519 as those of our bank profile are; a bureau with another way is another small module beside this one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from throughline.kernel.clock import real_now
from throughline.kernel.logging import get_logger
from throughline.lending.bureau.fileformat import Answered, Malformed, read_answer
from throughline.lending.bureau.ports import BureauDispute, Outcome, Reply
from throughline.payments.ports import Refused
from throughline.payments.rails.bank_signature import BankKeys
from throughline.payments.rails.transport import Transport

log = get_logger(__name__)

MAX_DISPUTES = 50
MAX_STATEMENT = 2_000
UNKNOWN = Reply(Outcome.UNKNOWN)


class HttpsBureau:
    """Our membership at one bureau."""

    def __init__(self, transport: Transport, keys: BankKeys, member: str) -> None:
        self._transport = transport
        self._keys = keys
        self.member = member

    def send(self, file_ref: str, content: bytes) -> Reply:
        """Hand a file over."""
        answer = self._signed("PUT", f"/v1/files/{quote(file_ref)}", content)
        if answer is None:
            return UNKNOWN
        status, body = answer
        if status in {200, 201}:
            known = _object(body).get("state") in {"received", "answered"}
            return Reply(Outcome.RECEIVED) if known else UNKNOWN
        if status in {400, 409, 410, 413, 422}:
            return Reply(Outcome.REFUSED, _code(body) or str(status))
        return UNKNOWN

    def ask(self, file_ref: str) -> Reply:
        """Ask whether it is there."""
        answer = self._signed("GET", f"/v1/files/{quote(file_ref)}")
        if answer is None:
            return UNKNOWN
        status, body = answer
        if status == 404:
            return Reply(Outcome.NOT_FOUND)
        if status == 410:
            return Reply(Outcome.WITHDRAWN)
        state = _object(body).get("state") if status == 200 else None
        if state == "refused":
            return Reply(Outcome.REFUSED, _code(body))
        return Reply(Outcome.RECEIVED) if state in {"received", "answered"} else UNKNOWN

    def answer(self, file_ref: str) -> Sequence[Answered] | None:
        """The answers to its items."""
        answer = self._signed("GET", f"/v1/files/{quote(file_ref)}/answer")
        if answer is None or answer[0] != 200:
            return None
        try:
            return read_answer(answer[1], file_ref)
        except Malformed as error:
            log.warning("answer file of the bureau can't be read", file_ref=file_ref, why=str(error))
            return None

    def withdraw(self, file_ref: str) -> Reply:
        """Ask the bureau never to take it."""
        answer = self._signed("DELETE", f"/v1/files/{quote(file_ref)}")
        if answer is None:
            return UNKNOWN
        if answer[0] in {200, 410}:
            return Reply(Outcome.WITHDRAWN)
        return Reply(Outcome.RECEIVED) if answer[0] == 409 else UNKNOWN

    def disputes(self, after: int) -> Sequence[BureauDispute]:
        """Disputes that wait for us."""
        answer = self._signed("GET", f"/v1/disputes?after={after}")
        if answer is None or answer[0] != 200:
            return ()
        try:
            rows = _object(answer[1])["disputes"][:MAX_DISPUTES]
            return [
                BureauDispute(
                    int(row["nr"]),
                    str(row["ref"])[:80],
                    str(row["item"])[:80],
                    datetime.fromisoformat(row["opened_at"]),
                    str(row["statement"])[:MAX_STATEMENT],
                )
                for row in rows
            ]
        except (KeyError, TypeError, ValueError):
            log.warning("list of disputes of the bureau can't be read")
            return ()

    def answer_dispute(self, ref: str, key: str, outcome: str, text: str) -> Reply:
        """Answer a dispute."""
        body = json.dumps({"key": key, "outcome": outcome, "text": text}, ensure_ascii=False).encode()
        answer = self._signed("PUT", f"/v1/disputes/{quote(ref)}/answer", body)
        if answer is None:
            return UNKNOWN
        if answer[0] in {200, 201}:
            return Reply(Outcome.RECEIVED)
        return Reply(Outcome.REFUSED, _code(answer[1])) if answer[0] in {404, 409, 422} else UNKNOWN

    def _signed(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes] | None:
        """Status and body of an answer that the bureau has signed for this very request; else None."""
        headers, nonce = self._keys.sign_request(method, path, body, at=real_now())
        headers["Content-Type" if body else "Accept"] = "application/json"
        reply = self._transport.exchange(method, path, headers=headers, body=body)
        if reply is None:
            return None
        try:
            self._keys.check_answer(reply.headers, nonce, reply.status, reply.body, at=real_now())
        except Refused as error:
            log.warning("answer without the bureau's signature", status=reply.status, why=error.why)
            return None
        return reply.status, reply.body


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _code(body: bytes) -> str | None:
    code = _object(body).get("code")
    return str(code)[:40] if code is not None else None
