"""The desk's own records: orders by their keys, sponsored sessions, and end notifications on their way."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from throughline.kernel.clock import real_now
from throughline.lab.simulator import Ledger

_SCHEMA = """
CREATE TABLE IF NOT EXISTS joint_order (
  key TEXT PRIMARY KEY, order_id TEXT NOT NULL, phone TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL,
  code TEXT, starts_at TEXT, ends_at TEXT);
CREATE TABLE IF NOT EXISTS session (
  id TEXT PRIMARY KEY, sponsor TEXT NOT NULL, campaign TEXT NOT NULL, phone TEXT NOT NULL, volume INTEGER NOT NULL,
  used INTEGER NOT NULL, starts_at TEXT NOT NULL, ends_at TEXT NOT NULL, status TEXT NOT NULL, end_reason TEXT,
  webhook TEXT NOT NULL, token TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notice (
  id INTEGER PRIMARY KEY, url TEXT NOT NULL, token TEXT NOT NULL, body TEXT NOT NULL, due_at TEXT NOT NULL,
  tries INTEGER NOT NULL, state TEXT NOT NULL);
"""
GIVE_UP_AFTER = 8
NOTICE_REASONS = {
    "validity_expired": "EXPIRED",
    "data_exhausted": "DATA_EXHAUSTED",
    "session_revoked": "TERMINATED_BY_SPONSOR",
}


class Books:
    """The desk's ledger in `home`/lab/joint.sqlite."""

    def __init__(self, home: Path) -> None:
        self.ledger = Ledger(home / "lab" / "joint.sqlite", _SCHEMA)

    # --- orders by contract

    def order(self, key: str) -> dict[str, Any] | None:
        rows = self.ledger.rows("SELECT * FROM joint_order WHERE key = ?", (key,))
        return rows[0] if rows else None

    def place(self, key: str, request: dict[str, Any], *, state: str, code: str | None) -> dict[str, Any]:
        """Keep an order; the same key again is the order that is there."""
        text = json.dumps(request, sort_keys=True)
        start = real_now()
        end = start + timedelta(days=request["days"])
        with self.ledger.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO joint_order VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key, str(uuid.uuid4()), request["phoneNumber"], text, state, code,
                    stamp(start) if state == "granted" else None, stamp(end) if state == "granted" else None,
                ),
            )  # fmt: skip
        return self.order(key) or {}

    def end_order(self, key: str, code: str) -> None:
        with self.ledger.transaction() as db:
            db.execute(
                "UPDATE joint_order SET state = 'ended', code = ?, ends_at = ? WHERE key = ? AND state = 'granted'",
                (code, stamp(real_now()), key),
            )

    # --- sponsored sessions

    def start(self, request: dict[str, Any]) -> dict[str, Any]:
        start = real_now()
        row = (
            str(uuid.uuid4()), request["sponsorId"], request["campaignId"], request["phoneNumber"],
            request.get("dataVolume", 50), 0, stamp(start),
            stamp(start + timedelta(minutes=request.get("duration", 10))), "active", None, request["webhookUrl"],
            request["callbackToken"],
        )  # fmt: skip
        with self.ledger.transaction() as db:
            db.execute("INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return self.ledger.rows("SELECT * FROM session WHERE id = ?", (row[0],))[0]

    def session(self, sponsor: str, campaign: str, session_id: str) -> dict[str, Any] | None:
        rows = self.ledger.rows(
            "SELECT * FROM session WHERE id = ? AND sponsor = ? AND campaign = ?",
            (session_id, sponsor, campaign),
        )
        return rows[0] if rows else None

    def active(self, sponsor: str, campaign: str) -> list[dict[str, Any]]:
        return self.ledger.rows(
            "SELECT * FROM session WHERE sponsor = ? AND campaign = ? AND status = 'active' ORDER BY starts_at",
            (sponsor, campaign),
        )

    def end_session(self, session_id: str, reason: str) -> bool:
        """End a session and write its notification, in one transaction; False if it had ended."""
        at = stamp(real_now())
        delay_s = float(self.ledger.setting("notice_delay_s", 0))
        with self.ledger.transaction() as db:
            row = db.execute(
                "SELECT * FROM session WHERE id = ? AND status = 'active'", (session_id,)
            ).fetchone()
            if row is None:
                return False
            used = row["volume"] if reason == "data_exhausted" else row["used"]
            db.execute(
                "UPDATE session SET status = 'inactive', end_reason = ?, ends_at = ?, used = ? WHERE id = ?",
                (reason, at, used, session_id),
            )
            body = {
                "api_version": "1.0.0",
                "datacontenttype": "application/json",
                "sponsorId": row["sponsor"],
                "campaignId": row["campaign"],
                "sessionId": session_id,
                "reason": NOTICE_REASONS[reason],
                "endTimestamp": at,
            }
            db.execute(
                "INSERT INTO notice (url, token, body, due_at, tries, state) VALUES (?, ?, ?, ?, 0, 'waiting')",
                (
                    row["webhook"],
                    row["token"],
                    json.dumps(body),
                    stamp(real_now() + timedelta(seconds=delay_s)),
                ),
            )
        return True

    def expire(self) -> None:
        """End what has run out of time; an order or session told to end late does not."""
        if self.ledger.setting("late_end", False):
            return
        at = stamp(real_now())
        for row in self.ledger.rows(
            "SELECT id FROM session WHERE status = 'active' AND ends_at <= ? LIMIT 100", (at,)
        ):
            self.end_session(row["id"], "validity_expired")
        with self.ledger.transaction() as db:
            db.execute(
                "UPDATE joint_order SET state = 'ended', code = 'expired' WHERE state = 'granted' AND ends_at <= ?",
                (at,),
            )

    def due_notices(self) -> list[dict[str, Any]]:
        return self.ledger.rows(
            "SELECT * FROM notice WHERE state = 'waiting' AND due_at <= ? ORDER BY id LIMIT 20",
            (stamp(real_now()),),
        )

    def posted(self, notice_id: int, *, good: bool, tries: int) -> None:
        state = "delivered" if good else ("lost" if tries + 1 >= GIVE_UP_AFTER else "waiting")
        later = stamp(real_now() + timedelta(seconds=min(30, 2**tries)))
        with self.ledger.transaction() as db:
            db.execute(
                "UPDATE notice SET state = ?, tries = tries + 1, due_at = ? WHERE id = ?",
                (state, later, notice_id),
            )


def stamp(at: datetime) -> str:
    """An instant as the desk writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
