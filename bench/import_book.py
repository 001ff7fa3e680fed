"""How fast a lender's book comes in, beside what the arithmetic and the disk alone would take.

    python bench/import_book.py [--loans 10000]

`replay_s` is the same loans planned with nothing written; `copy_s` is COPY of as many rows as the import
wrote, into one plain table with a primary key. Target: 10,000 loans in under 60 s on two cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
from sqlalchemy import text
from support.installation import fresh

from support import book
from throughline.book.importing import Totals, import_book
from throughline.book.reading import BookReader
from throughline.kernel import clock
from throughline.kernel.db import Database, libpq_url
from throughline.kernel.money import to_minor
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.lending.service import PastLoan, PastPayment


def imported(where: Database, file: Path) -> tuple[float, Totals]:
    """Seconds for the whole file, and what became of it."""
    started = time.perf_counter()
    with file.open("rb") as stream:
        reader = BookReader(stream, zone=settings().zone)
        totals = import_book(where, reader.groups(), check_only=False, report=lambda _: None)
    return time.perf_counter() - started, totals


def written(where: Database) -> int:
    """Rows in all tables."""
    with where.transaction() as session:
        tables = session.scalars(
            text("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        ).all()
        return sum(session.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in tables)


def replayed(where: Database, file: Path) -> float:
    """Seconds to read the file and to replay its loans: no people, nothing written."""
    with where.transaction() as session:
        product = lending.products(session, clock.now().date())[0]
    now = clock.now()
    started = time.perf_counter()
    with file.open("rb") as stream:
        for group in BookReader(stream, zone=settings().zone).groups():
            for line in group.loans:
                lending.plan_import(
                    PastLoan(
                        uuid4(),
                        uuid4(),
                        product,
                        to_minor(line.principal, product.currency),
                        line.installments,
                        line.annual_rate_percent,
                        line.disbursed_on,
                        settings().zone,
                        payments=tuple(
                            PastPayment(one.payment_id, one.paid_on, to_minor(one.amount, product.currency))
                            for one in group.payments
                        ),
                    ),
                    posting_date=now.date(),
                    now=now,
                )
    return time.perf_counter() - started


def copied(where: Database, rows: int) -> float:
    """Seconds for COPY of as many rows of 100 bytes, one transaction."""
    with psycopg.connect(libpq_url(where.url)) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_row (id bigint PRIMARY KEY, body text)")
        started = time.perf_counter()
        with cursor.copy("COPY bench_row FROM STDIN") as copy:
            for nr in range(rows):
                copy.write_row((nr, "x" * 92))
        connection.commit()
        return time.perf_counter() - started


def main() -> None:
    """Run and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loans", type=int, default=10_000)
    loans = parser.parse_args().loans
    with tempfile.TemporaryDirectory() as folder, fresh() as where:
        file = Path(folder) / "book.csv"
        today = clock.local_date(clock.now(), settings().zone)
        _, payments = book.write(file, loans, today=today - timedelta(days=1))
        before = written(where)
        spent_s, totals = imported(where, file)
        rows = written(where) - before
        again_s, again = imported(where, file)
        if totals.refused or again.imported:
            raise RuntimeError(f"not a clean run: {totals}, then {again}")
        print(
            json.dumps(
                {
                    "loans": totals.loans,
                    "payments": totals.payments,
                    "payments_in_file": payments,
                    "import_s": round(spent_s, 1),
                    "loans_per_s": round(totals.loans / spent_s),
                    "rows_written": rows,
                    "replay_s": round(replayed(where, file), 1),
                    "copy_s": round(copied(where, rows), 1),
                    "repeat_s": round(again_s, 1),
                },
                indent=1,
            )
        )


if __name__ == "__main__":
    main()
