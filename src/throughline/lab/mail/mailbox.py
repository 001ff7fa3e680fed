"""The mails that were taken, one row for each recipient. This is the truth."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from throughline.kernel.clock import now
from throughline.lab.simulator import Ledger

_SCHEMA = """
CREATE TABLE IF NOT EXISTS mail (
  id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, sender TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL,
  message_id TEXT NOT NULL, at TEXT NOT NULL, raw BLOB NOT NULL);
"""
_SHOWN = 'id, recipient AS "to", sender AS "from", subject, body, message_id, at'


class Mailbox:
    """The ledger in `home`/lab/mail.sqlite. What was answered with 250 is in it."""

    def __init__(self, home: Path) -> None:
        self.ledger = Ledger(home / "lab" / "mail.sqlite", _SCHEMA)

    def store(self, raw: bytes, sender: str, recipients: list[str]) -> int:
        """Keep a mail for each of its recipients; returns the first row's number."""
        mail = message_from_bytes(raw, policy=default)
        shown = (_header(mail, "From") or _clean(sender), _header(mail, "Subject"), _body(mail))
        rest = (_header(mail, "Message-ID"), now().isoformat(timespec="milliseconds"), raw)
        with self.ledger.transaction() as db:
            stored = [
                db.execute(
                    "INSERT INTO mail (recipient, sender, subject, body, message_id, at, raw)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (_clean(recipient), *shown, *rest),
                ).lastrowid
                for recipient in recipients
            ]
        return stored[0] or 0

    def mails(self, to: str | None = None) -> list[dict[str, Any]]:
        """Mails to an address, or to all, oldest first."""
        wanted = to.strip().lower() if to is not None else None
        return self.ledger.rows(
            f"SELECT {_SHOWN} FROM mail WHERE ? IS NULL OR lower(recipient) = ? ORDER BY id",
            (wanted, wanted),
        )

    def find(self, mail_id: int) -> dict[str, Any] | None:
        """One mail."""
        rows = self.ledger.rows(f"SELECT {_SHOWN} FROM mail WHERE id = ?", (mail_id,))
        return rows[0] if rows else None


def _header(mail: EmailMessage, name: str) -> str:
    # The parser of the standard library can trip over a header that somebody bent on purpose.
    try:
        return _clean(str(mail.get(name, "")))
    except Exception:
        return ""


def _body(mail: EmailMessage) -> str:
    try:
        part = mail.get_body(preferencelist=("plain", "html"))
        return _clean(str(part.get_content())) if part is not None else ""
    except Exception:
        payload = mail.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _clean(text: str) -> str:
    # Bytes that are no UTF-8 reach us as lone surrogates, which can be neither stored nor shown.
    return text.encode("utf-8", "replace").decode("utf-8")
