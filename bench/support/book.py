"""A book of loans that looks like one: made from a seed, every id number and phone number valid and invented."""

from __future__ import annotations

import csv
import random
from datetime import date, timedelta
from pathlib import Path

from throughline.lab.story.people import with_check_character

COLUMNS = (
    "record", "borrower_id", "loan_id", "payment_id", "name", "id_number", "phone", "email", "consents",
    "consent_evidence", "product", "principal", "annual_rate_percent", "installments", "disbursed_on",
    "paid_on", "amount",
)  # fmt: skip


def id_number(nr: int) -> str:
    """The nr-th invented ID number with its right check digit."""
    born = date(1970, 1, 1) + timedelta(days=nr % 10_000)
    return with_check_character(f"110101{born:%Y%m%d}{nr // 10_000 + 100:03d}")


def write(path: Path, borrowers: int, *, today: date, seed: int = 1) -> tuple[int, int]:
    """Write a book with one loan a borrower; returns (loans, payments). Loans run for up to ten months."""
    chance = random.Random(seed)
    payments = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for nr in range(borrowers):
            key, loan = f"B{nr}", f"L{nr}"
            agreed = today - timedelta(days=chance.randint(5, 300))
            writer.writerow(
                {
                    "record": "borrower",
                    "borrower_id": key,
                    "name": "张" + chr(0x4E00 + nr % 5000),
                    "id_number": id_number(nr),
                    "phone": f"138{nr:08d}",
                    "email": f"b{nr}@example.com",
                    "consents": f"identity_verification@{agreed};service_continuity@{agreed};loan_contact@{agreed}",
                    "consent_evidence": f"archive/{nr}",
                }
            )
            principal = chance.choice((1_000, 2_000, 3_000, 5_000, 8_000))
            writer.writerow(
                {
                    "record": "loan",
                    "borrower_id": key,
                    "loan_id": loan,
                    "product": "cash-cn",
                    "principal": f"{principal}.00",
                    "annual_rate_percent": "12",
                    "installments": 6,
                    "disbursed_on": agreed,
                }
            )
            amount = principal / 6 * 1.035
            for month in range(1, 7):
                day = agreed + timedelta(days=30 * month - chance.randint(0, 5))
                if day > today or chance.random() < 0.05:
                    break
                payments += 1
                writer.writerow(
                    {
                        "record": "payment",
                        "borrower_id": key,
                        "loan_id": loan,
                        "payment_id": f"P{month}",
                        "paid_on": day,
                        "amount": f"{amount:.2f}",
                    }
                )
    return borrowers, payments
