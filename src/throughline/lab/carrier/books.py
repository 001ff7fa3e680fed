"""The carrier's own records of its numbers: line, contracts, SIM, device, forwardings, data. This is the truth.

An unknown number is an active one of the carrier's, with one contract since `SINCE`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from throughline.kernel.clock import now
from throughline.lab.carrier.times import instant, text
from throughline.lab.simulator import Ledger

_SCHEMA = """
CREATE TABLE IF NOT EXISTS line (phone TEXT PRIMARY KEY, facts TEXT NOT NULL, changed_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS history (id INTEGER PRIMARY KEY, phone TEXT NOT NULL, at TEXT NOT NULL, facts TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS history_phone ON history (phone, id);
CREATE TABLE IF NOT EXISTS contract (
  id INTEGER PRIMARY KEY, phone TEXT NOT NULL, type TEXT NOT NULL, starts TEXT NOT NULL, ends TEXT);
CREATE INDEX IF NOT EXISTS contract_phone ON contract (phone);
CREATE TABLE IF NOT EXISTS outage (prefix TEXT PRIMARY KEY, since TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS consent (
  phone TEXT NOT NULL, scope TEXT NOT NULL, purpose TEXT NOT NULL, state TEXT NOT NULL, expires_at TEXT,
  PRIMARY KEY (phone, scope, purpose));
CREATE TABLE IF NOT EXISTS refresh (token TEXT PRIMARY KEY, phone TEXT NOT NULL, scopes TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS capture (
  id TEXT PRIMARY KEY, phone TEXT NOT NULL, scopes TEXT NOT NULL, purpose TEXT NOT NULL, callback TEXT, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS password (
  id TEXT PRIMARY KEY, phone TEXT NOT NULL, code TEXT NOT NULL, tries INTEGER NOT NULL, expires_at TEXT NOT NULL,
  at TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS password_phone ON password (phone, at);
CREATE TABLE IF NOT EXISTS sms (
  id INTEGER PRIMARY KEY, phone TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS subscription (
  id TEXT PRIMARY KEY, api TEXT NOT NULL, phone TEXT NOT NULL, three_legged INTEGER NOT NULL, type TEXT NOT NULL,
  sink TEXT NOT NULL, token TEXT, token_expires_at TEXT, starts_at TEXT, expires_at TEXT, max_events INTEGER NOT NULL,
  sent INTEGER NOT NULL, status TEXT NOT NULL, config TEXT NOT NULL, settings TEXT, ready_at TEXT);
CREATE INDEX IF NOT EXISTS subscription_phone ON subscription (phone, status);
CREATE TABLE IF NOT EXISTS event (
  id TEXT PRIMARY KEY, subscription_id TEXT, sink TEXT NOT NULL, headers TEXT NOT NULL, body TEXT NOT NULL,
  due_at TEXT NOT NULL, tries INTEGER NOT NULL, state TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS event_due ON event (state, due_at);
CREATE TABLE IF NOT EXISTS campaign (
  sponsor TEXT NOT NULL, campaign TEXT NOT NULL, status TEXT NOT NULL, type TEXT NOT NULL, starts_at TEXT NOT NULL,
  ends_at TEXT NOT NULL, contracted_mb INTEGER, alerts TEXT, alerted TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (sponsor, campaign));
CREATE TABLE IF NOT EXISTS sponsorship (
  id TEXT PRIMARY KEY, sponsor TEXT NOT NULL, campaign TEXT NOT NULL, phone TEXT NOT NULL, starts_at TEXT NOT NULL,
  ends_at TEXT NOT NULL, volume_mb INTEGER NOT NULL, used_mb INTEGER NOT NULL DEFAULT 0, end_reason TEXT,
  webhook TEXT NOT NULL, callback_token TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS sponsorship_open ON sponsorship (end_reason, phone);
"""

STATES = ("active", "out_suspended", "suspended", "pre_cancelled", "cancelled", "reassigned", "off")
DATA = ("active", "throttled", "suspended")
FORWARDINGS = ("unconditional", "conditional_busy", "conditional_not_reachable", "conditional_no_answer")
CONTRACTS = ("PAYG", "PAYM", "Business")
SINCE = date(2015, 1, 1)
_SILENT = frozenset({"suspended", "pre_cancelled", "cancelled", "off"})
_HISTORY_KEPT = 50


class Wrong(ValueError):
    """What the control desk was told makes no sense; the text says which member."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the carrier knows of a line. Times as texts of RFC 3339; volumes in MiB of this month.

    `connectivity` None follows from the state. `status_at` None is the time of the last change: older means that
    the carrier's own view of the device is old.
    """

    state: str = "active"
    reason: str | None = None
    data: str = "active"
    connectivity: tuple[str, ...] | None = None
    status_at: str | None = None
    sim_changed_at: str | None = None
    device_changed_at: str | None = None
    forwardings: tuple[str, ...] = ()
    used_mib: int = 120
    plan_mib: int = 10_240

    @property
    def flags(self) -> dict[str, str] | None:
        """The three flags of subscription status; None when there is no such number any more."""
        if self.state == "cancelled":
            return None
        both = self.state in {"suspended", "pre_cancelled"}
        return {
            "voiceSmsIn": "suspended" if both else "active",
            "voiceSmsOut": "suspended" if both or self.state == "out_suspended" else "active",
            "dataService": "suspended" if both else self.data,
        }


@dataclass(frozen=True, slots=True)
class Contract:
    """A time for which the number was one person's. `ends` is the first day without it."""

    type: str
    starts: date
    ends: date | None


class Books:
    """The ledger `home`/lab/<file>.sqlite."""

    def __init__(self, home: Path, file: str) -> None:
        self.ledger = Ledger(home / "lab" / f"{file}.sqlite", _SCHEMA)

    def facts(self, phone: str, *, at: datetime | None = None) -> Facts:
        """The line as it is, or as it was at a time."""
        if at is not None:
            rows = self.ledger.rows(
                "SELECT facts FROM history WHERE phone = ? AND at <= ? ORDER BY id DESC LIMIT 1",
                (phone, text(at)),
            )
        else:
            rows = self.ledger.rows("SELECT facts FROM line WHERE phone = ?", (phone,))
        return _facts(rows[0]["facts"]) if rows else Facts()

    def seen_at(self, phone: str) -> str:
        """When the carrier last learned of the device."""
        rows = self.ledger.rows("SELECT changed_at FROM line WHERE phone = ?", (phone,))
        return self.facts(phone).status_at or (
            str(rows[0]["changed_at"]) if rows else text(now() - timedelta(days=30))
        )

    def connectivity(self, phone: str, facts: Facts | None = None) -> list[str]:
        """What the device can be reached for now: DATA, SMS, both or nothing."""
        facts = facts or self.facts(phone)
        if facts.connectivity is not None:
            return list(facts.connectivity)
        if facts.state in _SILENT or self.in_outage(phone):
            return []
        without_data = facts.data == "suspended" and not self._sponsored(phone)
        return ["SMS"] if without_data else ["DATA", "SMS"]

    def takes_sms(self, phone: str) -> bool:
        """Whether an SMS arrives now."""
        flags = self.facts(phone).flags
        return flags is not None and flags["voiceSmsIn"] == "active" and "SMS" in self.connectivity(phone)

    def _sponsored(self, phone: str) -> bool:
        return bool(
            self.ledger.rows(
                "SELECT 1 AS x FROM sponsorship WHERE end_reason IS NULL AND phone = ?", (phone,)
            )
        )

    # --- contracts

    def contracts(self, phone: str) -> list[Contract]:
        """Every contract of a number, oldest first."""
        rows = self.ledger.rows(
            "SELECT type, starts, ends FROM contract WHERE phone = ? ORDER BY starts, id", (phone,)
        )
        if not rows:
            return [Contract("PAYM", SINCE, None)]
        return [
            Contract(
                row["type"],
                date.fromisoformat(row["starts"]),
                date.fromisoformat(row["ends"]) if row["ends"] else None,
            )
            for row in rows
        ]

    def holder(self, phone: str) -> Contract | None:
        """The contract that runs today."""
        today = now().astimezone(UTC).date()
        return next(
            (
                one
                for one in self.contracts(phone)
                if one.starts <= today and (one.ends is None or today < one.ends)
            ),
            None,
        )

    def recycled_since(self, phone: str, day: date) -> bool:
        """Whether today's holder is not that of a day; a day without a contract counts as a change."""
        holder = self.holder(phone)
        return holder is None or day < holder.starts

    def write_contracts(self, db: sqlite3.Connection, phone: str, contracts: list[Contract]) -> None:
        """Replace the contracts of a number."""
        db.execute("DELETE FROM contract WHERE phone = ?", (phone,))
        db.executemany(
            "INSERT INTO contract (phone, type, starts, ends) VALUES (?, ?, ?, ?)",
            [
                (phone, one.type, one.starts.isoformat(), one.ends.isoformat() if one.ends else None)
                for one in contracts
            ],
        )

    # --- changes

    def write(self, db: sqlite3.Connection, phone: str, facts: Facts) -> None:
        """Write a line, and into its history."""
        at, kept = text(now()), json.dumps(asdict(facts))
        db.execute("INSERT OR REPLACE INTO line VALUES (?, ?, ?)", (phone, kept, at))
        db.execute("INSERT INTO history (phone, at, facts) VALUES (?, ?, ?)", (phone, at, kept))
        db.execute(
            "DELETE FROM history WHERE phone = ? AND id NOT IN"
            " (SELECT id FROM history WHERE phone = ? ORDER BY id DESC LIMIT ?)",
            (phone, phone, _HISTORY_KEPT),
        )

    def next_contracts(self, phone: str, before: str, after: str) -> list[Contract] | None:
        """The contracts that a change of state leaves, or None when it leaves them as they are."""
        today, known = now().astimezone(UTC).date(), self.contracts(phone)
        ended = [replace(one, ends=today) if one.ends is None or one.ends > today else one for one in known]
        if after == "cancelled" and before != "cancelled":
            return ended
        if after == "reassigned":
            return [*ended, Contract("PAYM", today, None)]
        if before == "cancelled" and after != "cancelled":
            return [*known, Contract(known[-1].type, today, None)]
        return None

    # --- outages

    def in_outage(self, phone: str) -> bool:
        """Whether the cells of the number's region are down."""
        return bool(
            self.ledger.rows("SELECT 1 AS x FROM outage WHERE ? LIKE prefix || '%' LIMIT 1", (phone,))
        )

    def known(self, prefix: str) -> list[str]:
        """Numbers of a prefix that the books have a line or a living subscription of."""
        rows = self.ledger.rows(
            "SELECT phone FROM line WHERE phone LIKE ? || '%'"
            " UNION SELECT phone FROM subscription WHERE status = 'ACTIVE' AND phone LIKE ? || '%' ORDER BY phone",
            (prefix, prefix),
        )
        return [str(row["phone"]) for row in rows]


def wished(facts: Facts, wish: Mapping[str, Any]) -> Facts:
    """The facts after what the control desk was told. Raises Wrong."""
    made: dict[str, Any] = {}
    _choose(made, wish, "state", STATES)
    _choose(made, wish, "data", DATA)
    if "reason" in wish:
        made["reason"] = str(wish["reason"])[:40] if wish["reason"] is not None else None
    elif "state" in wish:
        made["reason"] = None
    if "connectivity" in wish:
        made["connectivity"] = _several(wish["connectivity"], "connectivity", ("DATA", "SMS"))
    if "forwardings" in wish:
        made["forwardings"] = _several(wish["forwardings"], "forwardings", FORWARDINGS) or ()
    for name in ("used_mib", "plan_mib"):
        if name in wish:
            if not isinstance(wish[name], int) or not 0 <= wish[name] <= 10**9:
                raise Wrong(name)
            made[name] = wish[name]
    for name in ("status_at", "sim_changed_at", "device_changed_at"):
        if name in wish:
            made[name] = _time(wish[name], name)
    return replace(facts, **made)


def wished_contracts(given: Any) -> list[Contract]:
    """Contracts as the control desk writes them: [{"type", "starts", "ends"}, …]. Raises Wrong."""
    try:
        made = [
            Contract(
                str(one.get("type", "PAYM")),
                date.fromisoformat(one["starts"]),
                date.fromisoformat(one["ends"]) if one.get("ends") else None,
            )
            for one in given
        ]
    except (TypeError, KeyError, ValueError, AttributeError):
        raise Wrong("contracts") from None
    if not made or any(one.type not in CONTRACTS for one in made):
        raise Wrong("contracts")
    return sorted(made, key=lambda one: one.starts)


def _facts(kept: str) -> Facts:
    members = json.loads(kept)
    members["forwardings"] = tuple(members["forwardings"])
    if members["connectivity"] is not None:
        members["connectivity"] = tuple(members["connectivity"])
    return Facts(**members)


def _choose(made: dict[str, Any], wish: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> None:
    if name in wish:
        if wish[name] not in choices:
            raise Wrong(name)
        made[name] = wish[name]


def _several(given: Any, name: str, choices: tuple[str, ...]) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not set(given) <= set(choices):
        raise Wrong(name)
    return tuple(one for one in choices if one in given)


def _time(given: Any, name: str) -> str | None:
    if given is None:
        return None
    if given is True:
        return text(now())
    try:
        return text(instant(given))
    except (TypeError, ValueError):
        raise Wrong(name) from None
