"""The file that goes to a bureau, and its answer: lines of JSON with a header, a trailer and sums. Pure.

Our own format, modelled on what the field has in common: a header that names member and reporting day, one line
for each loan, a trailer with counts and control totals, and the SHA-256 of all that stands before it. UTF-8,
one object a line, lines end with LF. docs/credit-records.md describes each member.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

FORMAT = "throughline-bureau"
VERSION = 1
MAX_ITEMS = 1_000
MAX_ANSWER_BYTES = 1024 * 1024
RESULTS = ("accepted", "duplicate", "rejected")
MAX_CODE = 40


class Malformed(ValueError):
    """An answer that is none: then nothing is known."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a line is about, as the bureau knows people. Never printed."""

    name: str = field(repr=False)
    id_number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Line:
    """One report. `corrects` is the reference of the report that it replaces; `loan_ref` names the loan for ever."""

    ref: str
    loan_ref: str
    corrects: str | None
    period: str  # YYYY-MM
    as_of: date
    subject: Subject | None  # a correction names its report, and nobody
    opened_on: date
    closed_on: date | None
    currency: str
    granted_minor: int
    said: dict[str, Any]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": "item",
            "ref": self.ref,
            "loan": self.loan_ref,
            "corrects": self.corrects,
            "period": self.period,
            "as_of": self.as_of.isoformat(),
            "subject": {"name": self.subject.name, "id_type": "cn_id", "id_number": self.subject.id_number}
            if self.subject
            else None,
            "opened_on": self.opened_on.isoformat(),
            "closed_on": self.closed_on.isoformat() if self.closed_on else None,
            "currency": self.currency,
            "granted_minor": self.granted_minor,
            **self.said,
        }


def write_file(
    ref: str, member: str, kind: str, created_at: datetime, lines: Sequence[Line]
) -> tuple[bytes, str]:
    """The bytes of a file and the SHA-256 that its trailer carries. The same input gives the same bytes."""
    if not 1 <= len(lines) <= MAX_ITEMS:
        raise ValueError(f"a file has 1 to {MAX_ITEMS} items")
    documents = [one.document() for one in lines]
    head = {
        "kind": "header",
        "format": FORMAT,
        "version": VERSION,
        "file": ref,
        "member": member,
        "content": kind,
        "created_at": created_at.isoformat(),
    }
    body = "".join(f"{_line(one)}\n" for one in (head, *documents)).encode()
    digest = hashlib.sha256(body).hexdigest()
    trailer = {
        "kind": "trailer",
        "items": len(documents),
        "corrections": sum(one["corrects"] is not None for one in documents),
        "negative": sum(one["days_late"] > 0 or one["rating"].endswith("_off") for one in documents),
        "not_stated": sum(one["hold_code"] is not None for one in documents),
        "balance_minor": sum(one["balance_minor"] for one in documents),
        "late_minor": sum(one["late_minor"] for one in documents),
        "sha256": digest,
    }
    return body + f"{_line(trailer)}\n".encode(), digest


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Answered:
    """What the bureau says of one item. `duplicate`: it had it already, which is as good as accepted."""

    ref: str
    result: str
    code: str | None

    @property
    def taken(self) -> bool:
        """Whether the bureau's books hold it."""
        return self.result in {"accepted", "duplicate"}


def read_answer(raw: bytes, file_ref: str) -> list[Answered]:
    """The answers to the items of a file. Raises Malformed unless header, count and hash are right."""
    if len(raw) > MAX_ANSWER_BYTES:
        raise Malformed("too long")
    try:
        *lines, last = raw.decode("utf-8").splitlines()
        documents = [json.loads(one) for one in lines]
        trailer = json.loads(last)
        head, items = documents[0], documents[1:]
        body = "".join(f"{one}\n" for one in lines).encode()
        good = (
            head["kind"] == "answer"
            and head["file"] == file_ref
            and trailer["kind"] == "trailer"
            and trailer["items"] == len(items)
            and trailer["sha256"] == hashlib.sha256(body).hexdigest()
        )
        if not good or len(items) > MAX_ITEMS:
            raise Malformed("header or trailer is wrong")
        return [_answered(one) for one in items]
    except (UnicodeDecodeError, ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise Malformed(type(error).__name__) from error


def _answered(document: dict[str, Any]) -> Answered:
    result, code = document["result"], document.get("code")
    if result not in RESULTS or not isinstance(document["ref"], str):
        raise Malformed("an item is wrong")
    return Answered(document["ref"][:80], result, str(code)[:MAX_CODE] if code is not None else None)
