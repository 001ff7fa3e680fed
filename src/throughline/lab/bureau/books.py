"""The bureau's books: files, items, the record of each loan by month, disputes. This is the truth."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

from throughline.kernel.clock import now
from throughline.kernel.ids import new_id
from throughline.lab.bureau.documents import fault_of, read_file, write_answer
from throughline.lab.simulator import Ledger

ANSWER_AFTER_S = 0.5

_SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
  ref TEXT PRIMARY KEY, sha256 TEXT NOT NULL, content BLOB, state TEXT NOT NULL, received INTEGER NOT NULL,
  received_at TEXT NOT NULL, answer_at TEXT, answer BLOB);
CREATE TABLE IF NOT EXISTS item (
  ref TEXT PRIMARY KEY, file TEXT NOT NULL, loan TEXT NOT NULL, period TEXT NOT NULL, subject TEXT, corrects TEXT,
  result TEXT NOT NULL, code TEXT, document TEXT NOT NULL, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS record (
  loan TEXT NOT NULL, period TEXT NOT NULL, subject TEXT NOT NULL, item TEXT NOT NULL, rating TEXT NOT NULL,
  days_late INTEGER NOT NULL, late_minor INTEGER NOT NULL, balance_minor INTEGER NOT NULL, hold_code TEXT,
  versions INTEGER NOT NULL, PRIMARY KEY (loan, period));
CREATE TABLE IF NOT EXISTS dispute (
  nr INTEGER PRIMARY KEY, ref TEXT UNIQUE NOT NULL, item TEXT NOT NULL, statement TEXT NOT NULL, opened_at TEXT NOT NULL,
  answer_key TEXT, outcome TEXT, answer TEXT, answers INTEGER NOT NULL DEFAULT 0);
"""


def person_key(id_number: str) -> str:
    """How the bureau files a person: no number in clear stands in its books."""
    return hashlib.sha256(f"subject:{id_number}".encode()).hexdigest()[:32]


class Books:
    """Every verb is one transaction, so that kill -9 leaves either all of it or none."""

    def __init__(self, home: Path) -> None:
        self.ledger = Ledger(home / "lab" / "bureau.sqlite", _SCHEMA)

    def take(self, ref: str, raw: bytes) -> tuple[int, dict[str, Any]]:
        """Take a file once for its reference; status and answer. Raises BadFile."""
        digest = hashlib.sha256(raw).hexdigest()
        known = self.file(ref)
        if known is None:
            read_file(raw, ref)
        late = self.ledger.take_fault("late_answer")
        wait_s = late[1].get("after_s", 60) if late else self.ledger.setting("answer_after_s", ANSWER_AFTER_S)
        with self.ledger.transaction() as db:
            row = db.execute("SELECT * FROM file WHERE ref = ?", (ref,)).fetchone()
            if row is not None:
                if row["state"] == "withdrawn":
                    return 410, {"code": "WITHDRAWN"}
                db.execute("UPDATE file SET received = received + 1 WHERE ref = ?", (ref,))
                same = row["sha256"] == digest
                return (200, {"state": row["state"]}) if same else (409, {"code": "OTHER_CONTENT"})
            at = now()
            db.execute(
                "INSERT INTO file VALUES (?, ?, ?, 'received', 1, ?, ?, NULL)",
                (ref, digest, raw, at.isoformat(), (at + timedelta(seconds=float(wait_s))).isoformat()),
            )
        return 201, {"state": "received", "sha256": digest}

    def file(self, ref: str) -> dict[str, Any] | None:
        """A file without its content."""
        found = self.ledger.rows(
            "SELECT ref, sha256, state, received, received_at, answer_at FROM file WHERE ref = ?", (ref,)
        )
        return found[0] if found else None

    def answer(self, ref: str) -> bytes | None:
        """The answer file, when it is ready."""
        with self.ledger.transaction() as db:
            row = db.execute("SELECT answer FROM file WHERE ref = ?", (ref,)).fetchone()
        return row["answer"] if row is not None else None

    def withdraw(self, ref: str) -> bool:
        """Promise never to take a file; False when it was taken already."""
        with self.ledger.transaction() as db:
            row = db.execute("SELECT state FROM file WHERE ref = ?", (ref,)).fetchone()
            if row is not None:
                return bool(row["state"] == "withdrawn")
            db.execute(
                "INSERT INTO file VALUES (?, '', NULL, 'withdrawn', 0, ?, NULL, NULL)",
                (ref, now().isoformat()),
            )
        return True

    def work_off(self) -> None:
        """Answer the files whose time has come."""
        due = self.ledger.rows(
            "SELECT ref FROM file WHERE state = 'received' AND answer_at <= ? ORDER BY received_at LIMIT 20",
            (now().isoformat(),),
        )
        for row in due:
            self._answer(row["ref"])

    def _answer(self, ref: str) -> None:
        with self.ledger.transaction() as db:
            row = db.execute(
                "SELECT content FROM file WHERE ref = ? AND state = 'received'", (ref,)
            ).fetchone()
            items = read_file(row["content"], ref) if row is not None else []
        if row is None:
            return
        refused = {item["ref"]: self.ledger.take_fault("reject_item") for item in items if "ref" in item}
        with self.ledger.transaction() as db:
            results = []
            for item in items:
                ordered = refused.get(item.get("ref", ""))
                code = str(ordered[1].get("code", "BUSY")) if ordered else None
                results.append(_enter(db, ref, item, code))
            db.execute(
                "UPDATE file SET state = 'answered', answer = ? WHERE ref = ?",
                (write_answer(ref, results), ref),
            )

    def subject(self, id_number: str) -> list[dict[str, Any]]:
        """What a person's record says."""
        return self.ledger.rows(
            "SELECT * FROM record WHERE subject = ? ORDER BY loan, period", (person_key(id_number),)
        )

    def open_dispute(self, item: str, statement: str) -> dict[str, Any] | None:
        """A person complains about what a member reported; None when there is no such item."""
        with self.ledger.transaction() as db:
            if db.execute("SELECT 1 FROM item WHERE ref = ?", (item,)).fetchone() is None:
                return None
            ref = f"D{new_id().hex[:16]}"
            db.execute(
                "INSERT INTO dispute (ref, item, statement, opened_at) VALUES (?, ?, ?, ?)",
                (ref, item, statement, now().isoformat()),
            )
            return dict(db.execute("SELECT * FROM dispute WHERE ref = ?", (ref,)).fetchone())

    def disputes(self, after: int) -> list[dict[str, Any]]:
        """Disputes after a number."""
        return self.ledger.rows(
            "SELECT nr, ref, item, statement, opened_at FROM dispute WHERE nr > ? ORDER BY nr LIMIT 50",
            (after,),
        )

    def take_answer(self, ref: str, key: str, outcome: str, words: str) -> tuple[int, dict[str, Any]]:
        """Take the member's answer to a dispute, once for its key."""
        with self.ledger.transaction() as db:
            row = db.execute("SELECT * FROM dispute WHERE ref = ?", (ref,)).fetchone()
            if row is None:
                return 404, {"code": "UNKNOWN"}
            if row["answer_key"] not in {None, key}:
                return 409, {"code": "ANSWERED"}
            db.execute(
                "UPDATE dispute SET answer_key = ?, outcome = ?, answer = ?, answers = answers + 1 WHERE ref = ?",
                (key, outcome, words, ref),
            )
        return 200, {"outcome": outcome}


def _enter(db: sqlite3.Connection, file: str, item: dict[str, Any], refused: str | None) -> dict[str, Any]:
    """Enter one item and say what became of it."""
    ref = str(item.get("ref", ""))
    known = db.execute("SELECT result FROM item WHERE ref = ?", (ref,)).fetchone()
    if known is not None:
        return {"kind": "result", "ref": ref, "result": "duplicate", "code": None}
    code = refused or fault_of(item) or _misfit(db, item)
    if code is not None:
        return {"kind": "result", "ref": ref, "result": "rejected", "code": code}
    key = _subject(db, item)
    # What a person is called stays out of the books: the record goes by the key.
    document = json.dumps({name: value for name, value in item.items() if name != "subject"})
    db.execute(
        "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, 'accepted', NULL, ?, ?)",
        (ref, file, item["loan"], item["period"], key, item["corrects"], document, now().isoformat()),
    )
    before = db.execute(
        "SELECT versions FROM record WHERE loan = ? AND period = ?", (item["loan"], item["period"])
    ).fetchone()
    db.execute(
        "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            item["loan"], item["period"], key, ref, item["rating"], item["days_late"], item["late_minor"],
            item["balance_minor"], item["hold_code"], 1 + (before["versions"] if before else 0),
        ),
    )  # fmt: skip
    return {"kind": "result", "ref": ref, "result": "accepted", "code": None}


def _misfit(db: sqlite3.Connection, item: dict[str, Any]) -> str | None:
    """Why an item does not fit to what is there."""
    record = db.execute(
        "SELECT item FROM record WHERE loan = ? AND period = ?", (item["loan"], item["period"])
    ).fetchone()
    if item["corrects"] is None:
        return "PERIOD_REPORTED" if record is not None else None
    if record is None:
        return "NO_ORIGINAL"
    return None if record["item"] == item["corrects"] else "NOT_THE_NEWEST"


def _subject(db: sqlite3.Connection, item: dict[str, Any]) -> str:
    if item["corrects"] is None:
        return person_key(item["subject"]["id_number"])
    row = db.execute("SELECT subject FROM item WHERE ref = ?", (item["corrects"],)).fetchone()
    return str(row["subject"])
