"""A table of loans that looks like one: principal, rate and dates from a seed, twelve installments each."""

from __future__ import annotations

import csv
import random
from datetime import date, timedelta
from pathlib import Path

COLUMNS = (
    "loan_id", "currency", "principal", "annual_rate_percent", "installments", "amortization",
    "expected_disbursement_date", "first_due_date", "day_count.year", "day_count.month", "rounding.mode",
)  # fmt: skip


def write(path: Path, loans: int, *, seed: int = 1) -> None:
    """Write a table of loans paid out over three years, a third of them with a first due date of their own."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for nr in range(loans):
            payout = date(2024, 1, 1) + timedelta(days=chance.randrange(1096))
            first = payout + timedelta(days=chance.randint(15, 45)) if chance.random() < 1 / 3 else ""
            writer.writerow(
                (
                    f"L{nr:07d}",
                    "CNY",
                    f"{chance.randint(1_000, 200_000)}.{chance.choice((0, 0, 50, 99)):02d}",
                    f"{chance.uniform(3, 24):.2f}",
                    12,
                    chance.choice(("equal_installments",) * 4 + ("equal_principal",)),
                    payout,
                    first,
                    chance.choice(("365", "365", "360", "actual")),
                    chance.choice(("actual", "30")),
                    chance.choice(("half_even", "half_up")),
                )
            )
