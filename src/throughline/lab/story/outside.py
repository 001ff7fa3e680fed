"""The outside companies of a story, by their control pages: what they saw is the truth that we compare with."""

from __future__ import annotations

import time
from typing import Any

import httpx

from throughline.kernel.lab_ports import lab_port
from throughline.lab.story.client import PATIENCE_S, PAUSE_S, StoryError

BANK, WECHAT, CARRIER, SMS, MAIL = range(8101, 8106)


class Outside:
    """The simulators on loopback."""

    def __init__(self) -> None:
        self._http = httpx.Client(timeout=30, trust_env=False, follow_redirects=False)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def set_line(self, phone: str, state: str) -> None:
        """Have the carrier suspend a number, or give it back."""
        self._ask("PUT", CARRIER, f"/control/numbers/{phone}", {"state": state})

    def scan_and_pay(self, code_url: str) -> None:
        """Somebody scans a WeChat Pay QR code and pays. Anybody may."""
        path = httpx.URL(code_url).path
        self._ask("POST", WECHAT, path)

    def transfers_to(self, account: str) -> list[dict[str, Any]]:
        """The movements that the bank has booked for payments to an account."""
        payments = self._ask("GET", BANK, "/control/payments").json()
        wanted = {row["end_to_end_id"] for row in payments if row["creditor_account"] == account}
        rows = self._ask("GET", BANK, "/control/movements").json()
        return [row for row in rows if row["end_to_end_id"] in wanted]

    def wechat_payments(self, out_trade_no: str) -> list[dict[str, Any]]:
        """The payments that WeChat took for an order."""
        rows = self._ask("GET", WECHAT, "/control/payments").json()
        return [row for row in rows if row["out_trade_no"] == out_trade_no]

    def texts_to(self, phone: str) -> list[dict[str, Any]]:
        """The SMS that reached the SMS centre for a number."""
        rows = self._ask("GET", SMS, f"/control/messages?phone={phone.removeprefix('+')}").json()
        return list(rows["messages"])

    def mails_to(self, address: str) -> list[dict[str, Any]]:
        """The e-mails in a mailbox."""
        rows = self._ask("GET", MAIL, f"/control/messages?to={address}").json()
        return list(rows["messages"])

    def _ask(self, method: str, port: int, path: str, body: Any = None) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self._http.request(method, f"http://127.0.0.1:{lab_port(port)}{path}", json=body)
            except httpx.TransportError as error:
                # A simulator that is being restarted; every one of these calls may be repeated.
                if time.monotonic() >= deadline:
                    raise StoryError(f"the simulator on port {lab_port(port)} does not answer") from error
                time.sleep(PAUSE_S)
                continue
            if answer.is_error:
                raise StoryError(
                    f"simulator on port {lab_port(port)}, {path}: {answer.status_code} {answer.text[:200]}"
                )
            return answer
