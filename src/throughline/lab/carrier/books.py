"""The carrier's own records: the state of each number, subscriptions, and events on their way."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from throughline.kernel.clock import now, real_now
from throughline.kernel.ids import new_id
from throughline.lab.simulator import Ledger

_SCHEMA = """
CREATE TABLE IF NOT EXISTS number (
  phone TEXT PRIMARY KEY, state TEXT NOT NULL, reachable TEXT NOT NULL, changed_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS subscription (
  id TEXT PRIMARY KEY, phone TEXT NOT NULL, type TEXT NOT NULL, sink TEXT NOT NULL, token TEXT NOT NULL,
  token_expires_at TEXT NOT NULL, starts_at TEXT NOT NULL, expires_at TEXT, max_events INTEGER, sent INTEGER NOT NULL,
  status TEXT NOT NULL, config TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event (
  id TEXT PRIMARY KEY, subscription_id TEXT, sink TEXT NOT NULL, token TEXT NOT NULL, body TEXT NOT NULL,
  due_at TEXT NOT NULL, tries INTEGER NOT NULL, state TEXT NOT NULL);
"""

# What the flags of subscription status are in each state of a number.
FLAGS: dict[str, dict[str, str] | None] = {
    "active": {"voiceSmsIn": "active", "voiceSmsOut": "active", "dataService": "active"},
    "out_suspended": {"voiceSmsIn": "active", "voiceSmsOut": "suspended", "dataService": "active"},
    "suspended": {"voiceSmsIn": "suspended", "voiceSmsOut": "suspended", "dataService": "suspended"},
    "off": {"voiceSmsIn": "active", "voiceSmsOut": "active", "dataService": "active"},
    "cancelled": None,
}
REACHABLE = {
    "active": ["DATA", "SMS"],
    "out_suspended": ["DATA", "SMS"],
    "suspended": [],
    "off": [],
    "cancelled": [],
}
EVENTS = "org.camaraproject.device-reachability-status-subscriptions.v0."
PUSH = "org.throughline.subscription-status-extension.v1.status-changed"
GIVE_UP_AFTER = 8


class Books:
    """The carrier's ledger in `home`/lab/carrier.sqlite. An unknown number is an active one of ours."""

    def __init__(self, home: Path) -> None:
        self.ledger = Ledger(home / "lab" / "carrier.sqlite", _SCHEMA)

    def state(self, phone: str) -> str:
        rows = self.ledger.rows("SELECT state FROM number WHERE phone = ?", (phone,))
        return str(rows[0]["state"]) if rows else "active"

    def changed_at(self, phone: str) -> str:
        rows = self.ledger.rows("SELECT changed_at FROM number WHERE phone = ?", (phone,))
        return str(rows[0]["changed_at"]) if rows else _text(now() - timedelta(days=30))

    def set_state(self, phone: str, state: str, *, push: bool, push_url: str) -> None:
        """Change a number and write the events that follow, in one transaction."""
        before = self.state(phone)
        at = _text(now())
        with self.ledger.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO number VALUES (?, ?, ?, ?)",
                (phone, state, json.dumps(REACHABLE[state]), at),
            )
            rows = db.execute(
                "SELECT * FROM subscription WHERE phone = ? AND status = 'ACTIVE'", (phone,)
            ).fetchall()
            for row in rows:
                kind = row["type"].removeprefix(EVENTS)
                fits = _fits(kind, REACHABLE[state])
                if fits and not _fits(kind, REACHABLE[before]):
                    self._emit(db, dict(row), row["type"], {"subscriptionId": row["id"]}, at)
            flags = FLAGS[state]
            if push and flags != FLAGS[before] and rows:
                data = {"phoneNumber": phone, **(flags or {"reason": "cancelled"})}
                first = dict(rows[0])
                self._queue(db, None, first["sink"] or push_url, first["token"], PUSH, data, at)

    def subscribe(self, phone: str, request: dict[str, Any]) -> dict[str, Any]:
        """Keep a subscription; an initial event follows if it was asked for and fits."""
        config, credential = request["config"], request["sinkCredential"]
        row = {
            "id": str(new_id()),
            "phone": phone,
            "type": request["types"][0],
            "sink": request["sink"],
            "token": credential["accessToken"],
            "token_expires_at": credential["accessTokenExpiresUtc"],
            "starts_at": _text(real_now()),
            "expires_at": config.get("subscriptionExpireTime"),
            "max_events": config.get("subscriptionMaxEvents"),
            "sent": 0,
            "status": "ACTIVE",
            "config": json.dumps(config),
        }
        with self.ledger.transaction() as db:
            db.execute(
                "INSERT INTO subscription VALUES (:id, :phone, :type, :sink, :token, :token_expires_at, :starts_at,"
                " :expires_at, :max_events, :sent, :status, :config)",
                row,
            )
            kind = row["type"].removeprefix(EVENTS)
            if config.get("initialEvent") and _fits(kind, REACHABLE[self.state(phone)]):
                self._emit(db, row, row["type"], {"subscriptionId": row["id"]}, _text(now()))
        return row

    def subscription(self, subscription_id: str) -> dict[str, Any] | None:
        rows = self.ledger.rows("SELECT * FROM subscription WHERE id = ?", (subscription_id,))
        return rows[0] if rows else None

    def end(self, subscription_id: str, reason: str) -> bool:
        """End a subscription with its last event; False if there is no living one."""
        with self.ledger.transaction() as db:
            row = db.execute(
                "SELECT * FROM subscription WHERE id = ? AND status = 'ACTIVE'", (subscription_id,)
            ).fetchone()
            if row is None:
                return False
            status = "DELETED" if reason == "SUBSCRIPTION_DELETED" else "EXPIRED"
            db.execute("UPDATE subscription SET status = ? WHERE id = ?", (status, subscription_id))
            if not self.ledger.rows(
                "SELECT 1 AS x FROM setting WHERE name = 'silent_end' AND value = 'true'"
            ):
                data = {"subscriptionId": subscription_id, "terminationReason": reason}
                self._queue(
                    db,
                    row["id"],
                    row["sink"],
                    row["token"],
                    EVENTS + "subscription-ended",
                    data,
                    _text(now()),
                )
            return True

    def expire(self) -> None:
        """End what has run out of time."""
        at = _text(real_now())
        for row in self.ledger.rows(
            "SELECT id, expires_at, token_expires_at FROM subscription WHERE status = 'ACTIVE' LIMIT 1000"
        ):
            if row["token_expires_at"] <= at:
                self.end(row["id"], "ACCESS_TOKEN_EXPIRED")
            elif row["expires_at"] and row["expires_at"] <= at:
                self.end(row["id"], "SUBSCRIPTION_EXPIRED")

    def due_events(self) -> list[dict[str, Any]]:
        """Events to be posted now, oldest first."""
        return self.ledger.rows(
            "SELECT * FROM event WHERE state = 'waiting' AND due_at <= ? ORDER BY due_at, id LIMIT 20",
            (_text(real_now()),),
        )

    def posted(self, event_id: str, *, good: bool, tries: int) -> None:
        """Note the result of a post; a failed one is tried again, eight times in all."""
        state = "delivered" if good else ("lost" if tries + 1 >= GIVE_UP_AFTER else "waiting")
        later = _text(real_now() + timedelta(seconds=min(30, 2**tries)))
        with self.ledger.transaction() as db:
            db.execute(
                "UPDATE event SET state = ?, tries = tries + 1, due_at = ? WHERE id = ?",
                (state, later, event_id),
            )

    def _emit(self, db: Any, row: dict[str, Any], kind: str, data: dict[str, Any], at: str) -> None:
        self._queue(db, row["id"], row["sink"], row["token"], kind, data, at)
        db.execute("UPDATE subscription SET sent = sent + 1 WHERE id = ?", (row["id"],))

    def _queue(
        self,
        db: Any,
        subscription_id: str | None,
        sink: str,
        token: str,
        kind: str,
        data: dict[str, Any],
        at: str,
    ) -> None:
        event_id = str(new_id())
        body = {
            "id": event_id,
            "source": "https://carrier.example/simulator",
            "type": kind,
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "time": at,
            "data": data,
        }
        delay_s = float(self.ledger.setting("callback_delay_s", 0))
        due = _text(real_now() + timedelta(seconds=delay_s))
        db.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, 0, 'waiting')",
            (event_id, subscription_id, sink, token, json.dumps(body), due),
        )


def _fits(kind: str, connectivity: list[str]) -> bool:
    if kind == "reachability-data":
        return "DATA" in connectivity
    if kind == "reachability-sms":
        return connectivity == ["SMS"]
    return not connectivity


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
