"""Handing files to the client's hook: again until it is accepted, and misbehaving on command."""

from __future__ import annotations

from typing import Any

import httpx

from throughline.kernel.clock import now
from throughline.kernel.logging import get_logger
from throughline.lab.bank.books import Books, instant_after
from throughline.lab.bank.documents import instant
from throughline.lab.bank.signing import Signer

log = get_logger(__name__)

RETRY_S = (1, 5, 15, 60, 300, 1800, 7200, 21600)
FAULTS = ("lose_push", "duplicate_push", "forge_push", "late_push")


class Pusher:
    """Pushes what is due, at most 20 files at a time."""

    def __init__(self, books: Books, signer: Signer, hook_url: str) -> None:
        self._books = books
        self._signer = signer
        self._hook_url = hook_url
        self._client = httpx.Client(timeout=5, trust_env=False)

    def push_due(self) -> None:
        """Push every file whose time has come; a file that is not accepted is tried again."""
        ledger = self._books.ledger
        if not ledger.setting("push", True):
            return
        due = ledger.rows(
            "SELECT id, tries FROM file WHERE push_at <= ? ORDER BY id LIMIT 20", (instant(now()),)
        )
        for file in due:
            fault = ledger.take_fault(*FAULTS)
            name, params = fault or ("", {})
            if name == "late_push":
                self._again(file, float(params.get("after_s", 25 * 3600)))
            elif name == "lose_push" or self._push(file["id"], name):
                self._done(file)
            else:
                tries = file["tries"]
                self._again(file, RETRY_S[min(tries, len(RETRY_S) - 1)])

    def _push(self, file_id: int, fault: str) -> bool:
        with self._books.ledger.transaction() as db:
            body: bytes = db.execute("SELECT content FROM file WHERE id = ?", (file_id,)).fetchone()[
                "content"
            ]
        url = self._books.ledger.setting("push_url", self._hook_url)
        accepted = False
        for _ in range(2 if fault == "duplicate_push" else 1):
            headers = self._signer.push_headers(body, forged=fault == "forge_push")
            try:
                answer = self._client.post(
                    url, content=body, headers={**headers, "Content-Type": "application/xml"}
                )
            except httpx.HTTPError as error:
                log.info("push not delivered", file_id=file_id, error=type(error).__name__)
                return False
            accepted = answer.status_code in {200, 204}
        return accepted

    def _again(self, file: dict[str, Any], wait_s: float) -> None:
        with self._books.ledger.transaction() as db:
            db.execute(
                "UPDATE file SET tries = tries + 1, push_at = ? WHERE id = ?",
                (instant_after(now(), wait_s), file["id"]),
            )

    def _done(self, file: dict[str, Any]) -> None:
        with self._books.ledger.transaction() as db:
            db.execute("UPDATE file SET tries = tries + 1, push_at = NULL WHERE id = ?", (file["id"],))
