"""The bank's own books: payments, booked movements, files for the client. This is the truth."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from throughline.kernel.clock import now
from throughline.lab.bank.documents import CreditTransfer, instant, write_camt_054, write_pain_002
from throughline.lab.simulator import Ledger

SETTLE_AFTER_S = 1.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS account (number TEXT PRIMARY KEY, holder TEXT, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS payment (
  end_to_end_id TEXT PRIMARY KEY, message_id TEXT NOT NULL, request_hash TEXT NOT NULL, received INTEGER NOT NULL,
  amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, debtor_account TEXT NOT NULL,
  creditor_name TEXT NOT NULL, creditor_account TEXT NOT NULL,
  state TEXT NOT NULL, reason TEXT, settle_at TEXT, settled_at TEXT, entry_ref TEXT, return_at TEXT, return_reason TEXT);
CREATE TABLE IF NOT EXISTS movement (
  id INTEGER PRIMARY KEY, entry_ref TEXT UNIQUE NOT NULL, account TEXT NOT NULL, end_to_end_id TEXT NOT NULL,
  side TEXT NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, booked_at TEXT NOT NULL, return_reason TEXT);
CREATE TABLE IF NOT EXISTS file (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, content BLOB NOT NULL, push_at TEXT, tries INTEGER NOT NULL DEFAULT 0);
"""

# What each state of a listed account makes of a payment to it (ExternalStatusReason1Code).
_ACCOUNT_REFUSALS = {"closed": "AC04", "blocked": "AC06", "missing": "AC01"}


class Books:
    """Every verb is one transaction, so that kill -9 leaves either all of it or none."""

    def __init__(self, home: Path) -> None:
        self.ledger = Ledger(home / "lab" / "bank.sqlite", _SCHEMA)

    def take(self, transfer: CreditTransfer, raw: bytes) -> dict[str, Any]:
        """Enter a payment once for its EndToEndId and return its row; a changed repeat is refused (DU04)."""
        digest = hashlib.sha256(raw).hexdigest()
        fault = self.ledger.take_fault("reject", "settle_late", "return_later")
        name, params = fault or ("", {})
        with self.ledger.transaction() as db:
            known = _payment(db, transfer.end_to_end_id)
            if known is not None:
                db.execute(
                    "UPDATE payment SET received = received + 1 WHERE end_to_end_id = ?",
                    (transfer.end_to_end_id,),
                )
                same = known["request_hash"] == digest
                return known if same else {**known, "state": "RJCT", "reason": "DU04", "settled_at": None}
            reason = params.get("reason", "MS03") if name == "reject" else _refusal(db, transfer)
            delay_s = params.get("after_s", 60) if name == "settle_late" else self._settle_after_s()
            later = params if name == "return_later" else {}
            db.execute(
                "INSERT INTO payment VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)",
                (
                    transfer.end_to_end_id,
                    transfer.message_id,
                    digest,
                    transfer.amount_minor,
                    transfer.currency,
                    transfer.debtor_account,
                    transfer.creditor_name,
                    transfer.creditor_account,
                    "RJCT" if reason else "ACTC",
                    reason,
                    None if reason else instant_after(now(), delay_s),
                    instant_after(now(), later.get("after_s", 60)) if later else None,
                    later.get("reason", "AC04") if later else None,
                ),
            )
            return _need(db, transfer.end_to_end_id)

    def payment(self, end_to_end_id: str) -> dict[str, Any] | None:
        """The row of a payment."""
        found = self.ledger.rows("SELECT * FROM payment WHERE end_to_end_id = ?", (end_to_end_id,))
        return found[0] if found else None

    def send_back(self, end_to_end_id: str, reason: str) -> bool:
        """Have a settled payment come back now."""
        with self.ledger.transaction() as db:
            changed = db.execute(
                "UPDATE payment SET return_at = ?, return_reason = ? WHERE end_to_end_id = ? AND state != 'RJCT'",
                (instant(now()), reason, end_to_end_id),
            )
            return changed.rowcount == 1

    def settle_due(self) -> None:
        """Book what is due: settlements, then returns. Each with its files."""
        at = instant(now())
        waiting = self.ledger.rows(
            "SELECT count(*) AS n FROM payment WHERE state = 'ACTC' AND settle_at <= ?", (at,)
        )
        wrong = self.ledger.take_fault("wrong_amount") if waiting[0]["n"] else None
        with self.ledger.transaction() as db:
            due = db.execute("SELECT * FROM payment WHERE state = 'ACTC' AND settle_at <= ? LIMIT 200", (at,))
            for row in due.fetchall():
                _settle(db, dict(row), at, notified_minor=1 if wrong else None)
            back = db.execute(
                "SELECT * FROM payment WHERE state = 'ACSC' AND return_at <= ? LIMIT 200", (at,)
            )
            for row in back.fetchall():
                movement = _book(db, dict(row), "CRDT", at, row["return_reason"])
                db.execute(
                    "UPDATE payment SET return_at = NULL WHERE end_to_end_id = ?", (row["end_to_end_id"],)
                )
                _file(db, "camt.054", movement, now())

    def _settle_after_s(self) -> float:
        return float(self.ledger.setting("settle_after_s", SETTLE_AFTER_S))


def instant_after(at: datetime, seconds: float) -> str:
    """The instant some seconds later, as text that sorts by time."""
    return instant(at + timedelta(seconds=seconds))


def _settle(db: sqlite3.Connection, payment: dict[str, Any], at: str, *, notified_minor: int | None) -> None:
    movement = _book(db, payment, "DBIT", at, None)
    db.execute(
        "UPDATE payment SET state = 'ACSC', settled_at = ?, entry_ref = ? WHERE end_to_end_id = ?",
        (at, movement["entry_ref"], payment["end_to_end_id"]),
    )
    _file(db, "pain.002", _need(db, payment["end_to_end_id"]), now())
    # A wrong notification is a fault of the message only: the books stay right.
    _file(db, "camt.054", movement | ({"amount_minor": notified_minor} if notified_minor else {}), now())


def _refusal(db: sqlite3.Connection, transfer: CreditTransfer) -> str | None:
    account = db.execute("SELECT * FROM account WHERE number = ?", (transfer.creditor_account,)).fetchone()
    if account is None:
        return None  # other banks' accounts that nobody listed are taken to be there
    if account["holder"] and account["holder"] != transfer.creditor_name:
        return "BE01"
    return _ACCOUNT_REFUSALS.get(account["state"])


def _payment(db: sqlite3.Connection, end_to_end_id: str) -> dict[str, Any] | None:
    row = db.execute("SELECT * FROM payment WHERE end_to_end_id = ?", (end_to_end_id,)).fetchone()
    return dict(row) if row is not None else None


def _need(db: sqlite3.Connection, end_to_end_id: str) -> dict[str, Any]:
    found = _payment(db, end_to_end_id)
    if found is None:
        raise LookupError(end_to_end_id)
    return found


def _book(
    db: sqlite3.Connection, payment: dict[str, Any], side: str, at: str, return_reason: str | None
) -> dict[str, Any]:
    number = db.execute("SELECT coalesce(max(id), 0) + 1 FROM movement").fetchone()[0]
    movement = {
        "entry_ref": f"E{number:012}",
        "account": payment["debtor_account"],
        "end_to_end_id": payment["end_to_end_id"],
        "side": side,
        "amount_minor": payment["amount_minor"],
        "currency": payment["currency"],
        "booked_at": at,
        "return_reason": return_reason,
    }
    db.execute(
        "INSERT INTO movement (entry_ref, account, end_to_end_id, side, amount_minor, currency, booked_at, return_reason)"
        " VALUES (:entry_ref, :account, :end_to_end_id, :side, :amount_minor, :currency, :booked_at, :return_reason)",
        movement,
    )
    return movement


def _file(db: sqlite3.Connection, kind: str, row: dict[str, Any], at: datetime) -> None:
    number = db.execute("SELECT coalesce(max(id), 0) + 1 FROM file").fetchone()[0]
    write = write_camt_054 if kind == "camt.054" else write_pain_002
    db.execute(
        "INSERT INTO file (id, kind, content, push_at) VALUES (?, ?, ?, ?)",
        (number, kind, write(row, f"F{number:012}", at), instant(at)),
    )
