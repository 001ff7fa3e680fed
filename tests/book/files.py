"""Small books for the tests: rows as dicts, and the CSV that they make."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from throughline.book.reading import BookReader
from throughline.book.rows import COLUMNS, Group, guarded
from throughline.lab.story.people import with_check_character

Row = dict[str, str]
CONSENTS = "identity_verification@2026-02-01;loan_contact@2026-02-01"


def id_number(nr: int) -> str:
    """An invented ID number of a grown-up with its right check digit."""
    return with_check_character(f"110101{date(1980, 1, 1 + nr % 28):%Y%m%d}{100 + nr // 28:03d}")


def borrower(nr: int, **other: str) -> Row:
    return {
        "record": "borrower",
        "borrower_id": f"B{nr}",
        "name": "张三",
        "id_number": id_number(nr),
        "phone": f"+86138{nr:08d}",
        "email": f"b{nr}@example.com",
        "consents": CONSENTS,
        "consent_evidence": f"archive/{nr}",
    } | other


def loan(nr: int, **other: str) -> Row:
    return {
        "record": "loan",
        "borrower_id": f"B{nr}",
        "loan_id": f"L{nr}",
        "product": "cash-cn",
        "principal": "3000.00",
        "annual_rate_percent": "12",
        "installments": "6",
        "disbursed_on": "2026-03-01",
    } | other


def payment(nr: int, key: str = "P1", **other: str) -> Row:
    return {
        "record": "payment",
        "borrower_id": f"B{nr}",
        "loan_id": f"L{nr}",
        "payment_id": key,
        "paid_on": "2026-04-01",
        "amount": "517.64",
    } | other


def text_of(rows: Iterable[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([guarded(row.get(column, "")) for column in COLUMNS])
    return out.getvalue()


def write(path: Path, rows: Iterable[Row], encoding: str = "utf-8") -> Path:
    path.write_bytes(text_of(rows).encode(encoding))
    return path


def groups(rows: Iterable[Row]) -> list[Group]:
    return list(BookReader(io.BytesIO(text_of(rows).encode()), zone="Asia/Shanghai").groups())
