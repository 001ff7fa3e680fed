"""What a vendor knows of a number: the carriers' books, seen late, and what it kept of its own calls.

The carriers are asked by their control desks. A status is seen `lag_s` late; a new owner only after some days, as
the vendors themselves say (China Mobile 7, Unicom and Telecom 5).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from throughline.kernel.clock import now
from throughline.kernel.lab_ports import lab_url
from throughline.kernel.logging import get_logger
from throughline.lab.simulator import Ledger

log = get_logger(__name__)

CARRIER_PORT = 8103
# The vendors' names of our carriers, and the paths of their control desks.
CODES = {"simulator": ("CMCC", ""), "southern": ("CUCC", "/southern")}
RECYCLED_LAG_DAYS = {"CMCC": 7, "CUCC": 5}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS query (
  id INTEGER PRIMARY KEY, vendor TEXT NOT NULL, check_name TEXT NOT NULL, phone TEXT NOT NULL, at_s REAL NOT NULL,
  answer TEXT NOT NULL, price_minor INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS query_phone ON query (vendor, phone, id);
CREATE TABLE IF NOT EXISTS nonce (nonce TEXT PRIMARY KEY, at_s REAL NOT NULL);
"""
_HASHES = {"MD5": "md5", "SHA256": "sha256", "SM3": "sm3"}
_NONCE_LIFE_S = 2400


@dataclass(frozen=True, slots=True)
class Number:
    """A number as a vendor sees it. `covered` is false while the cells of its region are down; `opened` is the day of
    the contract that the vendor knows of, None for none."""

    carrier: str
    ported: bool
    state: str
    covered: bool
    opened: date | None


class View:
    """The vendors' window on the carriers, and the ledger `home`/lab/vendors.sqlite."""

    def __init__(self, home: Path) -> None:
        self.ledger = Ledger(home / "lab" / "vendors.sqlite", _SCHEMA)
        self._carriers = os.environ.get("THROUGHLINE_LAB_CARRIER_URL", str(lab_url(CARRIER_PORT))).rstrip("/")
        self._http = httpx.Client(timeout=2, trust_env=False)

    def number(self, mobile: str) -> Number | None:
        """What is known of 11 digits; None when no carrier answers."""
        phone = f"+86{mobile}"
        first = self._ask("", phone)
        if first is None or first.get("carrier") not in CODES:
            return None
        code, base = CODES[first["carrier"]]
        record = first if not base else self._ask(base, phone)
        return self._seen(record, code) if record is not None else None

    def mobile_of(self, given: str, mask: str) -> str | None:
        """The number of a hash, among those that the carriers have a record of."""
        digest = _HASHES[mask]
        for _, base in CODES.values():
            listed = self._get(f"{self._carriers}{base}/control/numbers") or {}
            for row in listed.get("numbers", []):
                mobile = str(row["phone"]).removeprefix("+86")
                if hashlib.new(digest, mobile.encode(), usedforsecurity=False).hexdigest() == given.lower():
                    return mobile
        return None

    def _seen(self, record: Mapping[str, Any], code: str) -> Number:
        lag_s = float(self.ledger.setting("lag_s", 30))
        seen_until = now() - timedelta(seconds=lag_s)
        state = str(record["state"])
        if lag_s:
            past = [one for one in record["history"] if datetime.fromisoformat(one["at"]) <= seen_until]
            # Nothing so old is known of the line: it was an active one.
            state = past[-1]["state"] if past else ("active" if record["history"] else state)
        lag_days = int(self.ledger.setting("recycled_lag_days", RECYCLED_LAG_DAYS[code]))
        known_by = now().astimezone(UTC).date() - timedelta(days=lag_days)
        opened = None
        for one in record["contracts"]:
            starts = date.fromisoformat(one["starts"])
            ended = one["ends"] is not None and date.fromisoformat(one["ends"]) <= known_by
            if starts <= known_by:
                opened = None if ended else starts
        return Number(code, bool(record["ported"]), state, not record["outage"], opened)

    def _ask(self, base: str, phone: str) -> dict[str, Any] | None:
        return self._get(f"{self._carriers}{base}/control/numbers/{phone}")

    def _get(self, url: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._http.get(url).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            log.info("a carrier was not reached", error=type(error).__name__)
            return None
        return found

    # --- what the vendor keeps of its calls

    def asked_lately(self, vendor: str, mobile: str) -> bool:
        """Whether the number was asked about less than `repeat_after_s` ago."""
        wait_s = float(self.ledger.setting("repeat_after_s", 1))
        rows = self.ledger.rows(
            "SELECT at_s FROM query WHERE vendor = ? AND phone = ? ORDER BY id DESC LIMIT 1", (vendor, mobile)
        )
        return bool(rows) and time.time() - rows[0]["at_s"] < wait_s

    def too_fast(self, vendor: str, per_s: int) -> bool:
        """Whether the account has used its queries of this second."""
        (row,) = self.ledger.rows(
            "SELECT count(*) AS n FROM query WHERE vendor = ? AND at_s > ? AND id > (SELECT max(id) - 2000 FROM query)",
            (vendor, time.time() - 1),
        )
        return int(row["n"]) >= int(self.ledger.setting("per_s", per_s))

    def keep(self, vendor: str, check: str, mobile: str, answer: str, price_minor: int) -> None:
        """Write a query that was answered; an unknown is free."""
        with self.ledger.transaction() as db:
            db.execute(
                "INSERT INTO query (vendor, check_name, phone, at_s, answer, price_minor) VALUES (?, ?, ?, ?, ?, ?)",
                (vendor, check, mobile, time.time(), answer, price_minor),
            )

    def first_use(self, nonce: str) -> bool:
        """Each nonce once."""
        at_s = time.time()
        with self.ledger.transaction() as db:
            db.execute("DELETE FROM nonce WHERE at_s < ?", (at_s - _NONCE_LIFE_S,))
            return db.execute("INSERT OR IGNORE INTO nonce VALUES (?, ?)", (nonce, at_s)).rowcount == 1
