"""The platform's own books: orders, payments, notifications to be delivered. This is the truth."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from throughline.kernel.clock import now
from throughline.kernel.ids import new_id
from throughline.lab.simulator import Ledger

# 15 tries in 24 h 4 min, as merchants report it.
NOTIFY_AGAIN_S = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS trade (
  out_trade_no TEXT PRIMARY KEY, mchid TEXT NOT NULL, appid TEXT NOT NULL, code TEXT UNIQUE NOT NULL,
  description TEXT NOT NULL, total INTEGER NOT NULL, currency TEXT NOT NULL, notify_url TEXT NOT NULL,
  expires_at TEXT, placed INTEGER NOT NULL, state TEXT NOT NULL, transaction_id TEXT, success_time TEXT);
CREATE TABLE IF NOT EXISTS payment (
  transaction_id TEXT PRIMARY KEY, out_trade_no TEXT NOT NULL, total INTEGER NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notice (
  id TEXT PRIMARY KEY, out_trade_no TEXT NOT NULL, event_type TEXT NOT NULL, due_at TEXT, tries INTEGER NOT NULL DEFAULT 0);
"""


class TradeRefused(Exception):
    """An API error: HTTP status and the provider's code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Trades:
    """Every verb is one transaction, so that kill -9 leaves either all of it or none."""

    def __init__(self, home: Path) -> None:
        self.ledger = Ledger(home / "lab" / "wechat.sqlite", _SCHEMA)

    def place(self, mchid: str, wish: Mapping[str, Any]) -> dict[str, Any]:
        """Place a native order; the same number with the same content gives the same order."""
        amount = wish.get("amount")
        texts = [wish.get(name) for name in ("appid", "mchid", "description", "out_trade_no", "notify_url")]
        if not isinstance(amount, Mapping) or not all(isinstance(text, str) and text for text in texts):
            raise TradeRefused(400, "PARAM_ERROR")
        total, currency = amount.get("total"), amount.get("currency", "CNY")
        if not isinstance(total, int) or total < 1 or currency != "CNY" or len(str(texts[3])) > 32:
            raise TradeRefused(400, "PARAM_ERROR")
        if texts[1] != mchid:
            raise TradeRefused(400, "MCH_NOT_EXISTS")
        with self.ledger.transaction() as db:
            row = db.execute("SELECT * FROM trade WHERE out_trade_no = ?", (texts[3],)).fetchone()
            if row is None:
                db.execute(
                    "INSERT INTO trade VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 'NOTPAY', NULL, NULL)",
                    (
                        texts[3],
                        mchid,
                        texts[0],
                        secrets.token_urlsafe(12),
                        texts[2],
                        total,
                        currency,
                        texts[4],
                        wish.get("time_expire"),
                    ),
                )
                row = db.execute("SELECT * FROM trade WHERE out_trade_no = ?", (texts[3],)).fetchone()
                return dict(row)
            if row["state"] == "SUCCESS":
                raise TradeRefused(400, "ORDERPAID")
            if row["state"] != "NOTPAY":
                raise TradeRefused(400, "ORDER_CLOSED")
            if (row["total"], row["appid"], row["expires_at"]) != (total, texts[0], wish.get("time_expire")):
                raise TradeRefused(400, "INVALID_REQUEST")
            db.execute("UPDATE trade SET placed = placed + 1 WHERE out_trade_no = ?", (texts[3],))
            return dict(row)

    def find(self, *, out_trade_no: str = "", code: str = "") -> dict[str, Any] | None:
        """An order by number or by the code of its QR picture."""
        found = self.ledger.rows(
            "SELECT * FROM trade WHERE out_trade_no = ? OR code = ?", (out_trade_no, code)
        )
        return found[0] if found else None

    def pay(self, out_trade_no: str) -> bool:
        """Somebody pays; False when the order is closed, expired or paid already."""
        at = now()
        with self.ledger.transaction() as db:
            row = db.execute("SELECT * FROM trade WHERE out_trade_no = ?", (out_trade_no,)).fetchone()
            if row is None or row["state"] != "NOTPAY" or _expired(row["expires_at"], at):
                return False
            transaction_id = f"42{secrets.randbelow(10**26):026}"
            stamp = at.isoformat(timespec="seconds")
            db.execute(
                "UPDATE trade SET state = 'SUCCESS', transaction_id = ?, success_time = ? WHERE out_trade_no = ?",
                (transaction_id, stamp, out_trade_no),
            )
            db.execute(
                "INSERT INTO payment VALUES (?, ?, ?, 'pay', ?)",
                (transaction_id, out_trade_no, row["total"], stamp),
            )
            self._notify(db, out_trade_no, "TRANSACTION.SUCCESS", at)
        return True

    def refund(self, out_trade_no: str) -> bool:
        """The payment is taken back in full."""
        at = now()
        with self.ledger.transaction() as db:
            row = db.execute("SELECT * FROM trade WHERE out_trade_no = ?", (out_trade_no,)).fetchone()
            if row is None or row["state"] != "SUCCESS":
                return False
            db.execute("UPDATE trade SET state = 'REFUND' WHERE out_trade_no = ?", (out_trade_no,))
            db.execute(
                "INSERT INTO payment VALUES (?, ?, ?, 'refund', ?)",
                (
                    f"50{secrets.randbelow(10**26):026}",
                    out_trade_no,
                    row["total"],
                    at.isoformat(timespec="seconds"),
                ),
            )
            self._notify(db, out_trade_no, "REFUND.SUCCESS", at)
        return True

    def close(self, out_trade_no: str) -> None:
        """End an unpaid order. Raises `TradeRefused` when it is paid or not there."""
        with self.ledger.transaction() as db:
            row = db.execute("SELECT state FROM trade WHERE out_trade_no = ?", (out_trade_no,)).fetchone()
            if row is None:
                raise TradeRefused(404, "ORDER_NOT_EXIST")
            if row["state"] in {"SUCCESS", "REFUND"}:
                raise TradeRefused(400, "ORDERPAID")
            db.execute("UPDATE trade SET state = 'CLOSED' WHERE out_trade_no = ?", (out_trade_no,))

    def due_notices(self) -> list[dict[str, Any]]:
        """Notifications whose time has come, at most 20."""
        return self.ledger.rows(
            "SELECT * FROM notice WHERE due_at <= ? ORDER BY due_at LIMIT 20", (_stamp(now()),)
        )

    def notify_again(self, notice: Mapping[str, Any], after_s: float | None = None) -> None:
        """Plan the next try, by the usual intervals or after some seconds; none after the last."""
        tries = notice["tries"]
        if after_s is None and tries < len(NOTIFY_AGAIN_S):
            after_s = NOTIFY_AGAIN_S[tries]
        due_at = _stamp(now() + timedelta(seconds=after_s)) if after_s is not None else None
        with self.ledger.transaction() as db:
            db.execute("UPDATE notice SET tries = tries + 1, due_at = ? WHERE id = ?", (due_at, notice["id"]))

    def notified(self, notice: Mapping[str, Any]) -> None:
        """The merchant has it, or it is lost for good."""
        with self.ledger.transaction() as db:
            db.execute("UPDATE notice SET tries = tries + 1, due_at = NULL WHERE id = ?", (notice["id"],))

    def remind(self, out_trade_no: str) -> None:
        """Send the notifications of an order once more (control)."""
        with self.ledger.transaction() as db:
            db.execute("UPDATE notice SET due_at = ? WHERE out_trade_no = ?", (_stamp(now()), out_trade_no))

    @staticmethod
    def _notify(db: Any, out_trade_no: str, event_type: str, at: datetime) -> None:
        db.execute(
            "INSERT INTO notice (id, out_trade_no, event_type, due_at) VALUES (?, ?, ?, ?)",
            (str(new_id()), out_trade_no, event_type, _stamp(at)),
        )


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def _expired(expires_at: str | None, at: datetime) -> bool:
    return expires_at is not None and at > datetime.fromisoformat(expires_at)
