"""Payouts to bank accounts by ISO 20022 over HTTPS: the rail that needs nothing of the payee.

Our profile: `POST /v1/payment-initiations` takes a pain.001 and answers a pain.002; the status of one
payment is `GET /v1/payment-initiations/{EndToEndId}/status`; pain.002 and camt.054 files wait at
`GET /v1/files` and are also pushed to our hook. Every message is signed (`bank_signature`). A bank with
another profile is another small module beside this one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from throughline.kernel.clock import real_now
from throughline.kernel.logging import get_logger
from throughline.payments.ports import Capabilities, Instruction, Notice, Refused, Report
from throughline.payments.rails import bank_messages as messages
from throughline.payments.rails.bank_signature import BankKeys
from throughline.payments.rails.transport import Transport
from throughline.payments.references import OUT_REF
from throughline.payments.states import Direction, Outcome

log = get_logger(__name__)

NAME = "bank_iso20022"
MAX_FILES = 50
_UNKNOWN = Report(Outcome.UNKNOWN)


class BankRail:
    """One account of the lender at one bank."""

    name = NAME

    def __init__(
        self,
        transport: Transport,
        keys: BankKeys,
        debtor: messages.Debtor,
        *,
        currency: str,
        max_amount_minor: int,
    ) -> None:
        self._transport = transport
        self._keys = keys
        self._debtor = debtor
        self._currency = currency
        self._max_amount_minor = max_amount_minor
        self.merchant = debtor.account

    def capabilities(self) -> Capabilities:
        """Money out to any bank account; a repeat with the same EndToEndId is one payment."""
        return Capabilities(
            Direction.OUT,
            self._currency,
            self._max_amount_minor,
            needs_payee_action=False,
            same_ref_idempotent=True,
        )

    def create(self, instruction: Instruction) -> Report:
        """Send the pain.001. Accepted is `accepted`, not success."""
        if instruction.payee is None:
            raise ValueError("a payout needs a payee")
        body = messages.write_pain_001(instruction, instruction.payee, self._debtor)
        answer = self._signed("POST", "/v1/payment-initiations", body)
        if answer is None or answer[0] != 200:
            return _UNKNOWN
        return self._report(answer[1], instruction.out_ref, asked=False)

    def query(self, out_ref: str) -> Report:
        """Ask for the status of one payment."""
        answer = self._signed("GET", f"/v1/payment-initiations/{quote(out_ref)}/status")
        if answer is None:
            return _UNKNOWN
        if answer[0] == 404:
            return Report(Outcome.NOT_FOUND, provider_state="404")
        return self._report(answer[1], out_ref, asked=True) if answer[0] == 200 else _UNKNOWN

    def cancel(self, out_ref: str) -> None:
        """A credit transfer that was sent can't be called back on this rail."""
        raise NotImplementedError(f"{out_ref}: payouts are not cancelled")

    def read_notice(self, headers: Mapping[str, str], raw_body: bytes, *, at: datetime) -> Notice:
        """A pushed file: camt.054 entries are proof, a pain.002 is a reason to ask."""
        return self._notice(raw_body, self._keys.check_notice(headers, raw_body, at=at))

    def fetch_notices(self, after: str | None) -> tuple[Sequence[tuple[Notice, bytes]], str | None]:
        """Files that wait at the bank after a cursor. Stops before the first that it can't get."""
        listing = self._signed("GET", "/v1/files" + (f"?after={quote(after)}" if after else ""))
        if listing is None or listing[0] != 200:
            return (), after
        fetched: list[tuple[Notice, bytes]] = []
        for file_id in _file_ids(listing[1]):
            answer = self._signed("GET", f"/v1/files/{quote(file_id, safe='')}")
            if answer is None or answer[0] != 200:
                break
            fetched.append((self._kept(file_id, answer[1]), answer[1]))
            after = file_id
        return fetched, after

    def _kept(self, file_id: str, raw: bytes) -> Notice:
        # The bank has signed the answer that carried it: a file that we can't read is kept for people.
        try:
            return self._notice(raw, "fetched")
        except Refused as error:
            log.warning("file of the bank can't be read", file_id=file_id, why=error.why)
            return Notice(f"file:{file_id}", f"unreadable: {error.why}", "fetched")

    def _notice(self, raw: bytes, serial: str) -> Notice:
        root = messages.parse(raw)
        event_id = messages.message_id(root)
        if messages.is_message(root, messages.CAMT_054):
            return Notice(event_id, "camt.054", serial, entries=tuple(messages.read_camt_054(root)))
        reports = messages.read_pain_002(root, asked=False)
        refs = dict.fromkeys(ref for ref, _ in reports if OUT_REF.match(ref))
        return Notice(event_id, "pain.002", serial, out_refs=tuple(refs))

    def _report(self, body: bytes, out_ref: str, *, asked: bool) -> Report:
        try:
            for reference, report in messages.read_pain_002(messages.parse(body), asked=asked):
                if reference == out_ref:
                    return report
        except Refused as error:
            log.warning("answer of the bank refused", out_ref=out_ref, why=error.why)
        return _UNKNOWN

    def _signed(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes] | None:
        """Status and body of an answer that the bank has signed for this very request; else None."""
        headers, nonce = self._keys.sign_request(method, path, body, at=real_now())
        headers["Content-Type" if body else "Accept"] = "application/xml"
        reply = self._transport.exchange(method, path, headers=headers, body=body)
        if reply is None:
            return None
        try:
            self._keys.check_answer(reply.headers, nonce, reply.status, reply.body, at=real_now())
        except Refused as error:
            log.warning("answer without the bank's signature", status=reply.status, why=error.why)
            return None
        return reply.status, reply.body


def _file_ids(body: bytes) -> list[str]:
    try:
        listing: Any = json.loads(body)
        files = listing["files"][:MAX_FILES]
        return [str(item)[:64] for item in files]
    except (ValueError, KeyError, TypeError, RecursionError):
        log.warning("list of files of the bank can't be read")
        return []
