"""The provider's own books: messages taken, what became of them, receipts on their way. This is the truth.

Each message has two dates: business time, which the demo may move, and the wall clock, which receipts show.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from throughline.kernel.clock import now, real_now
from throughline.lab.simulator import Ledger
from throughline.lab.sms.answers import Refused
from throughline.lab.sms.texts import REGISTERED, digits, filled, numbers

_SCHEMA = """
CREATE TABLE IF NOT EXISTS template (code TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS nonce (nonce TEXT PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS message (
  id INTEGER PRIMARY KEY, biz_id TEXT NOT NULL, out_id TEXT NOT NULL, phone TEXT NOT NULL, template TEXT NOT NULL,
  text TEXT NOT NULL, at TEXT NOT NULL, day TEXT NOT NULL, sent_at TEXT NOT NULL, sent_day TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'taken', decide_at TEXT NOT NULL, err_code TEXT NOT NULL DEFAULT '', reported_at TEXT,
  receipt_at TEXT, tries INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS message_phone ON message (phone);
"""
ZONE = ZoneInfo("Asia/Shanghai")
DELIVERED = "DELIVERED"
# Then it is given up; a client that missed it asks by QuerySendDetails.
RECEIPT_AGAIN_S = (1, 5, 15, 60, 300, 1800, 7200, 21600)
_NONCE_LIFE = timedelta(minutes=40)


class Books:
    """The ledger in `home`/lab/sms.sqlite. What was answered with OK is in it."""

    def __init__(self, home: Path) -> None:
        self.ledger = Ledger(home / "lab" / "sms.sqlite", _SCHEMA)
        with self.ledger.transaction() as db:
            db.executemany("INSERT OR IGNORE INTO template VALUES (?, ?)", REGISTERED.items())

    def register(self, code: str, text: str) -> None:
        """Approve a template, or another text for it."""
        with self.ledger.transaction() as db:
            db.execute("INSERT OR REPLACE INTO template VALUES (?, ?)", (code, text))

    def use_nonce(self, nonce: str) -> None:
        """Each nonce once. Raises `Refused`."""
        at = real_now()
        with self.ledger.transaction() as db:
            db.execute("DELETE FROM nonce WHERE at < ?", (stamp(at - _NONCE_LIFE),))
            if db.execute("INSERT OR IGNORE INTO nonce VALUES (?, ?)", (nonce, stamp(at))).rowcount == 0:
                raise Refused("SignatureNonceUsed")

    def take(self, params: Mapping[str, str], sign_name: str) -> str:
        """Take one SendSms and return its BizId. The same OutId twice is two messages. Raises `Refused`."""
        if params.get("SignName") != sign_name:
            raise Refused("isv.SMS_SIGNATURE_ILLEGAL")
        phones, code = numbers(params.get("PhoneNumbers", "")), params.get("TemplateCode", "")
        known = self.ledger.rows("SELECT text FROM template WHERE code = ?", (code,))
        if not known:
            raise Refused("isv.SMS_TEMPLATE_ILLEGAL")
        text = filled(known[0]["text"], sign_name, params.get("TemplateParam", ""))
        at, sent_at = now(), real_now()
        row = {
            "biz_id": f"{secrets.randbelow(10**12):012}^0",
            "out_id": params.get("OutId", ""),
            "template": code,
            "text": text,
            "at": stamp(at),
            "day": _day(at),
            "sent_at": stamp(sent_at),
            "sent_day": _day(sent_at),
            "decide_at": stamp(at + timedelta(seconds=float(self.ledger.setting("delivery_delay_s", 0)))),
        }
        limit = int(self.ledger.setting("daily_limit", 50))
        with self.ledger.transaction() as db:
            for phone in phones:
                (sent,) = db.execute(
                    "SELECT count(*) FROM message WHERE phone = ? AND template = ? AND day = ?",
                    (phone, code, row["day"]),
                ).fetchone()
                if sent >= limit:
                    raise Refused("isv.BUSINESS_LIMIT_CONTROL")
                db.execute(
                    "INSERT INTO message (biz_id, out_id, phone, template, text, at, day, sent_at, sent_day, decide_at)"
                    " VALUES (:biz_id, :out_id, :phone, :template, :text, :at, :day, :sent_at, :sent_day, :decide_at)",
                    {**row, "phone": phone},
                )
        return str(row["biz_id"])

    def details(self, params: Mapping[str, str]) -> tuple[int, list[dict[str, Any]]]:
        """How many messages went to a number on a day, and one page of them, newest first. Raises `Refused`."""
        try:
            size, page = int(params.get("PageSize", "")), int(params.get("CurrentPage", ""))
        except ValueError:
            raise Refused("isv.INVALID_PARAMETERS") from None
        phones, day = numbers(params.get("PhoneNumber", "")), params.get("SendDate", "")
        if not 1 <= size <= 50 or page < 1 or len(phones) != 1 or len(day) != 8:
            raise Refused("isv.INVALID_PARAMETERS")
        # A client names the day by its own clock: the demo's or the one on the wall.
        rows = self.ledger.rows(
            "SELECT * FROM message WHERE phone = ? AND ? IN (day, sent_day) ORDER BY id DESC",
            (phones[0], day),
        )
        wanted = params.get("BizId")
        rows = [row for row in rows if wanted in {None, "", row["biz_id"]}]
        return len(rows), rows[(page - 1) * size : page * size]

    def messages(self, phone: str | None = None) -> list[dict[str, Any]]:
        """What was taken for a number, or for all, oldest first."""
        wanted = digits(phone) if phone is not None else None
        return self.ledger.rows(
            "SELECT phone, text, template, out_id, biz_id, at, state, err_code FROM message"
            " WHERE ? IS NULL OR phone = ? ORDER BY id",
            (wanted, wanted),
        )

    def undecided(self) -> list[dict[str, Any]]:
        """Messages that are to be handed to the carrier now."""
        return self.ledger.rows(
            "SELECT id, phone FROM message WHERE state = 'taken' AND decide_at <= ? ORDER BY id LIMIT 100",
            (stamp(now()),),
        )

    def decide(self, message: Mapping[str, Any], err_code: str) -> None:
        """The carrier delivered it, or not; a receipt is due."""
        state = "delivered" if err_code == DELIVERED else "failed"
        with self.ledger.transaction() as db:
            db.execute(
                "UPDATE message SET state = ?, err_code = ?, reported_at = ?, receipt_at = ? WHERE id = ?",
                (state, err_code, stamp(real_now()), stamp(now()), message["id"]),
            )

    def due_receipts(self) -> list[dict[str, Any]]:
        """Receipts whose time has come, at most 20."""
        return self.ledger.rows(
            "SELECT * FROM message WHERE receipt_at <= ? ORDER BY id LIMIT 20", (stamp(now()),)
        )

    def receipt_done(self, message: Mapping[str, Any]) -> None:
        """The client has it, or it is lost for good."""
        self._next_receipt(message, None)

    def receipt_again(self, message: Mapping[str, Any], after_s: float | None = None) -> None:
        """Plan the next try, by the usual intervals or after some seconds; none after the last."""
        if after_s is None and message["tries"] < len(RECEIPT_AGAIN_S):
            after_s = RECEIPT_AGAIN_S[message["tries"]]
        self._next_receipt(message, after_s)

    def _next_receipt(self, message: Mapping[str, Any], after_s: float | None) -> None:
        due_at = stamp(now() + timedelta(seconds=after_s)) if after_s is not None else None
        with self.ledger.transaction() as db:
            db.execute(
                "UPDATE message SET tries = tries + 1, receipt_at = ? WHERE id = ?", (due_at, message["id"])
            )


def stamp(at: datetime) -> str:
    """An instant as the books keep it: these texts sort by time."""
    return at.isoformat(timespec="milliseconds")


def local(text: str | None) -> str:
    """An instant of the books in the provider's zone, as its interfaces show it."""
    return datetime.fromisoformat(text).astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S") if text else ""


def _day(at: datetime) -> str:
    return at.astimezone(ZONE).strftime("%Y%m%d")
