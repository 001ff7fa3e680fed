"""Notifications to the merchant: encrypted, signed, repeated until they are accepted, wrong on command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from throughline.kernel.clock import real_now
from throughline.kernel.logging import get_logger
from throughline.lab.wechat.crypto import Platform, dumps
from throughline.lab.wechat.orders import Trades

log = get_logger(__name__)

FAULTS = (
    "lose_notice", "duplicate_notice", "late_notice", "forge_notice", "wrong_serial_notice",
    "wrong_amount_notice", "probe_notice", "stale_notice",
)  # fmt: skip
_SIGNATURE_FAULTS = {
    "forge_notice": "forged",
    "wrong_serial_notice": "wrong_serial",
    "probe_notice": "probe",
    "stale_notice": "stale",
}


def transaction(trade: Mapping[str, Any], *, added: int = 0) -> dict[str, Any]:
    """An order as queries and notifications show it."""
    shown: dict[str, Any] = {
        "appid": trade["appid"],
        "mchid": trade["mchid"],
        "out_trade_no": trade["out_trade_no"],
        "trade_state": trade["state"],
        "trade_state_desc": trade["state"],
        "amount": {"total": trade["total"] + added, "currency": trade["currency"]},
    }
    if trade["transaction_id"]:
        shown |= {
            "transaction_id": trade["transaction_id"],
            "trade_type": "NATIVE",
            "bank_type": "OTHERS",
            "success_time": trade["success_time"],
            "payer": {"openid": "o-simulated-payer"},
        }
        shown["amount"] |= {"payer_total": trade["total"] + added, "payer_currency": trade["currency"]}
    return shown


class Notifier:
    """Delivers what is due."""

    def __init__(self, trades: Trades, platform: Platform) -> None:
        self._trades = trades
        self._platform = platform
        self._client = httpx.Client(timeout=5, trust_env=False)

    def deliver_due(self) -> None:
        """One try for each notification whose time has come."""
        for notice in self._trades.due_notices():
            fault = self._trades.ledger.take_fault(*FAULTS)
            name, params = fault or ("", {})
            if name == "lose_notice":
                self._trades.notified(notice)
            elif name == "late_notice":
                self._trades.notify_again(notice, float(params.get("after_s", 25 * 3600)))
            elif self._deliver(notice, name):
                self._trades.notified(notice)
            else:
                self._trades.notify_again(notice)

    def _deliver(self, notice: Mapping[str, Any], fault: str) -> bool:
        trade = self._trades.find(out_trade_no=notice["out_trade_no"])
        if trade is None:
            return True
        body = self.body(notice, trade, added=1 if fault == "wrong_amount_notice" else 0)
        accepted = False
        for _ in range(2 if fault == "duplicate_notice" else 1):
            try:
                answer = self._client.post(
                    trade["notify_url"],
                    content=body,
                    headers=self.headers(body, _SIGNATURE_FAULTS.get(fault, "")),
                )
            except httpx.HTTPError as error:
                log.info("notification not delivered", error=type(error).__name__)
                return False
            accepted = answer.status_code in {200, 204}
        return accepted

    def headers(self, body: bytes, fault: str = "") -> dict[str, str]:
        """Headers of a notification, signed now."""
        mode = self._trades.ledger.setting("sign_with", "certificate")
        return {**self._platform.headers(body, mode, fault=fault), "Content-Type": "application/json"}

    def body(self, notice: Mapping[str, Any], trade: Mapping[str, Any], *, added: int = 0) -> bytes:
        """The notification's body."""
        content = dumps(transaction(trade, added=added))
        return dumps(
            {
                "id": notice["id"],
                "create_time": real_now().isoformat(timespec="seconds"),
                "event_type": notice["event_type"],
                "resource_type": "encrypt-resource",
                "resource": self._platform.resource(content, "transaction", "transaction"),
                "summary": "支付成功" if notice["event_type"] == "TRANSACTION.SUCCESS" else "退款成功",
            }
        )
