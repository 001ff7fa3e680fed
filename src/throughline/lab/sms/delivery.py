"""From the provider to the phone and back: the carrier is asked for the line, receipts are pushed to the client."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx

from throughline.kernel.lab_ports import lab_url
from throughline.kernel.logging import get_logger
from throughline.lab.sms.books import DELIVERED, Books, local
from throughline.lab.sms.texts import as_shown, digits, parts

log = get_logger(__name__)

FAULTS = ("duplicate_receipt", "no_receipt", "late_receipt", "garbled_receipt")
CARRIER_PORT = 8103
# Codes of the carriers' gateways for a line that takes no SMS, as the setting `err_codes` may change them.
ERR_CODES = {
    "suspended": "MI:0013",
    "pre_cancelled": "MI:0013",
    "off": "MI:0024",
    "cancelled": "MK:0001",
}
# Where the control desks of the carriers are, below the simulator's address.
_DESKS = ("", "/southern")


class Delivery:
    """What the ticker does. `hook_url` without the token."""

    def __init__(self, books: Books, hook_url: str, token: str) -> None:
        self._books = books
        self._url = f"{hook_url.rstrip('/')}/{token}"
        self._carrier = os.environ.get("THROUGHLINE_LAB_CARRIER_URL", str(lab_url(CARRIER_PORT))).rstrip("/")
        self._http = httpx.Client(timeout=5, trust_env=False)

    def tick(self) -> None:
        """Deliver what is due, then push the receipts that are due."""
        undecided = self._books.undecided()
        if undecided:
            states, dark = self._line_states()
            codes = {**ERR_CODES, **self._books.ledger.setting("err_codes", {})}
            for message in undecided:
                phone = message["phone"]
                # Where the cells are down a phone is as good as off.
                state = states.get(phone, "active")
                state = "off" if state == "active" and phone.startswith(dark) else state
                self._books.decide(message, codes.get(state, DELIVERED))
        self._push_due()

    def _line_states(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """States of lines by their digits, and the prefixes whose cells are down."""
        states: dict[str, str] = {}
        dark: list[str] = []
        for desk in _DESKS:
            said = self._said_by(desk)
            states |= {
                digits(str(row["phone"])): str(row["state"])
                for row in said.get("numbers", [])
                if row.get("served", True)
            }
            dark += [digits(str(prefix)) for prefix in said.get("outages", [])]
        return states, tuple(dark)

    def _said_by(self, desk: str) -> dict[str, Any]:
        # A carrier that can't be asked has no line out of service.
        try:
            return dict(self._http.get(f"{self._carrier}{desk}/control/numbers", timeout=2).json())
        except (httpx.HTTPError, ValueError, TypeError) as error:
            log.info("the carrier was not reached", error=type(error).__name__)
            return {}

    def _push_due(self) -> None:
        together = []
        for message in self._books.due_receipts():
            fault = self._books.ledger.take_fault(*FAULTS)
            if fault is None:
                together.append(message)
                continue
            name, params = fault
            if name == "no_receipt":
                self._books.receipt_done(message)
            elif name == "late_receipt":
                self._books.receipt_again(message, float(params.get("after_s", 25 * 3600)))
            else:
                self._push([message], name)
        if together:
            self._push(together)

    def _push(self, messages: list[dict[str, Any]], fault: str = "") -> None:
        body = json.dumps([receipt(message) for message in messages], ensure_ascii=False).encode()
        if fault == "garbled_receipt":
            body = body[: len(body) // 2]
        taken = False
        for _ in range(2 if fault == "duplicate_receipt" else 1):
            taken = self._post(body)
        for message in messages:
            if taken:
                self._books.receipt_done(message)
            else:
                self._books.receipt_again(message)

    def _post(self, body: bytes) -> bool:
        try:
            answer = self._http.post(self._url, content=body, headers={"Content-Type": "application/json"})
            said = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            log.info("receipts not delivered", error=type(error).__name__)
            return False
        # Exactly what the description asks for, and nothing less.
        return answer.status_code == 200 and isinstance(said, dict) and said.get("code") == 0


def receipt(message: dict[str, Any]) -> dict[str, Any]:
    """One element of SmsReport."""
    delivered = message["state"] == "delivered"
    return {
        "phone_number": as_shown(message["phone"]),
        "send_time": local(message["sent_at"]),
        "report_time": local(message["reported_at"]),
        "success": delivered,
        "err_code": message["err_code"],
        "err_msg": "用户接收成功" if delivered else "用户接收失败",
        "sms_size": str(parts(message["text"])),
        "biz_id": message["biz_id"],
        "out_id": message["out_id"],
    }
