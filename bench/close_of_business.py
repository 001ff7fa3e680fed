"""How fast a day of a whole book is closed, beside what PostgreSQL alone needs for as many rows.

    python bench/close_of_business.py [--loans 100000] [--catch-up-loans 1000] [--catch-up-days 700]

A few hundred loans are made by the verbs and multiplied by SQL. Two worker processes take the chunks from the
job queue, as in an installation; fsync is on. `ceiling` writes as many ledger rows and loan rows with plain
INSERT ... SELECT and UPDATE, in as many transactions, and does nothing else. Targets: 1,000,000 loans in 300 s
(3,333 loans/s); 1,000 loans over 700 days in 300 s.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session
from support.installation import fresh

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.settings import settings
from throughline.ledger import service as ledger
from throughline.lending import cob
from throughline.lending import service as lending
from throughline.lending.account import locked_loan
from throughline.lending.plans import write_plan

TEMPLATES = 300
LIMIT_S = 3_600
TOUCHED = 0.04  # share of loans on which something was recorded during the day that is closed
LATE = 0.12  # share of loans of which something is not paid
COPY_TABLES = {
    "lending_loan": ("id",),
    "lending_event": ("loan_id",),
    "lending_installment": ("loan_id",),
    "lending_delinquency": ("loan_id",),
    "lending_accrual_plan": ("loan_id",),
    "lending_accrual_segment": ("loan_id",),
}

# The journal comes along: the nightly check compares it with a replay.
ENTRY_ID = "CAST(md5(concat(e.id, c.loan_id)) AS uuid)"
OLD_ENTRIES = """FROM bench_copy c JOIN ledger_entry e ON e.borrower_id = c.old_borrower
  AND e.source = concat('loan', chr(58), c.old_loan)"""
COPY_ENTRIES = f"""
    INSERT INTO ledger_entry (borrower_id, id, key, source, value_date, posting_date, currency, recorded_at)
    SELECT c.borrower_id, {ENTRY_ID}, e.key, concat('loan', chr(58), c.loan_id), e.value_date, e.posting_date,
      e.currency, e.recorded_at {OLD_ENTRIES}"""
COPY_LINES = f"""
    INSERT INTO ledger_line (borrower_id, entry_id, nr, account, debit_minor, credit_minor, loan_id)
    SELECT c.borrower_id, {ENTRY_ID}, l.nr, l.account, l.debit_minor, l.credit_minor, c.loan_id {OLD_ENTRIES}
    JOIN ledger_line l ON l.borrower_id = e.borrower_id AND l.entry_id = e.id"""


def noon(day: date) -> datetime:
    """An instant on that day in the lender's zone."""
    return datetime.combine(day, time_of_day(12), tzinfo=ZoneInfo(settings().zone))


def make_templates(session: Session, today: date, count: int, installments: tuple[int, ...]) -> None:
    """Loans of the last eleven months by the real verbs; most have paid what was due."""
    chance = random.Random(7)
    for _ in range(count):
        start = today - timedelta(days=chance.randint(1, 330))
        principal = chance.choice([100_000, 300_000, 500_000, 1_000_000])
        months = chance.choice(installments)
        loan_id = lending.open_loan(
            session,
            lending.NewLoan(
                borrower_id=uuid4(),
                product_code="cash-cn",
                principal_minor=principal,
                currency="CNY",
                installments=months,
                annual_rate_percent=Decimal("14.4"),
                agreed_on=start,
                contract_id=uuid4(),
                zone=settings().zone,
                agreed_charges=(),
            ),
            now=noon(today),
        )

        def record(kind: lending.EventType, on: date, amount: int, loan_id: object = loan_id) -> None:
            new = lending.NewEvent(
                type=kind, value_date=on, amount_minor=amount, idempotency_key=str(uuid4())
            )
            lending.record_event(session, loan_id, new, now=noon(today))  # type: ignore[arg-type]

        record(lending.EventType.DISBURSEMENT, start, principal)
        rows = lending.loan_view(session, loan_id).installments
        due = [row for row in rows if row.due_date <= today]
        if len(due) == len(rows) or (due and chance.random() < LATE):
            due = due[: max(0, len(due) - chance.randint(1, 2))]
        for row in due:
            record(lending.EventType.REPAYMENT, row.due_date, sum(row.due[:3]))
        if chance.random() >= TOUCHED:
            # The night after an event makes the plan; a loan that has just been touched has none yet.
            file = locked_loan(session, loan_id)
            write_plan(session, file, file.state(today))


def multiply(where: Database, loans: int) -> None:
    """Copy the templates until there are so many loans; ids keep the order of time that real ones have."""
    with where.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(
            text(
                """
                CREATE TABLE bench_copy AS
                SELECT l.borrower_id AS old_borrower, l.id AS old_loan, gen_random_uuid() AS borrower_id,
                  CAST(lpad(to_hex(1735689600000 + row_number() OVER (ORDER BY random())), 12, '0') || '7'
                    || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15) AS uuid) AS loan_id
                FROM lending_loan l CROSS JOIN generate_series(1, :copies)
                WHERE l.status = 'active' LIMIT :loans
                """
            ),
            {"copies": loans // (TEMPLATES // 2) + 1, "loans": loans},
        )
        for table in COPY_TABLES:
            names = session.scalars(
                text(
                    "SELECT column_name::text FROM information_schema.columns WHERE table_name = :table "
                    "AND table_schema = 'public' ORDER BY ordinal_position"
                ),
                {"table": table},
            ).all()
            loan_column = "id" if table == "lending_loan" else "loan_id"
            new = {
                "borrower_id": "c.borrower_id",
                loan_column: "c.loan_id",
                "contract_id": "gen_random_uuid()",
                **({"id": "gen_random_uuid()"} if table == "lending_event" else {}),
            }
            values = ", ".join(new.get(name, f't."{name}"') for name in names)
            columns = ", ".join(f'"{name}"' for name in names)
            session.execute(
                text(
                    f"INSERT INTO {table} ({columns}) SELECT {values} FROM bench_copy c JOIN {table} t "
                    f"ON t.borrower_id = c.old_borrower AND t.{loan_column} = c.old_loan ORDER BY c.loan_id"
                )
            )
        session.execute(text(COPY_ENTRIES))
        session.execute(text(COPY_LINES))
        for table in reversed(COPY_TABLES):
            loan_column = "id" if table == "lending_loan" else "loan_id"
            if table != "lending_loan":
                session.execute(
                    text(f"DELETE FROM {table} WHERE {loan_column} IN (SELECT old_loan FROM bench_copy)")
                )
        session.execute(
            text("UPDATE lending_loan SET status = 'approved' WHERE id IN (SELECT old_loan FROM bench_copy)")
        )
    with where.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))


def _wait(deadline: float) -> None:
    """Look again in a moment, but not for ever."""
    if time.monotonic() > deadline:
        raise TimeoutError(f"not done within {LIMIT_S} s")
    time.sleep(0.1)


def close(where: Database, today: date, days: int) -> tuple[float, list[int]]:
    """Seconds to close so many days with two workers, and the peak memory of each in MB."""
    started_workers = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from throughline.kernel import worker; worker.run(['batch'], concurrency=1)",
            ]
        )
        for _ in range(2)
    ]
    deadline = time.monotonic() + LIMIT_S
    while len(list((settings().home / "run").glob("worker-*"))) < len(started_workers):
        _wait(deadline)
    clock.move_demo_forward(noon(today + timedelta(days=days)) - clock.now())
    started = time.perf_counter()
    with where.transaction() as session:
        cob.start_due_run(session, now=clock.now())
    until = today + timedelta(days=days)
    while True:
        with where.transaction() as session:
            waiting = session.scalars(
                text(
                    "SELECT count(*) FROM procrastinate_jobs WHERE queue_name = 'batch' AND status IN ('todo', 'doing')"
                )
            ).one()
            # The sums of the last day belong to it.
            if lending.business_date(session) >= until and not waiting:
                break
        _wait(deadline)
    spent_s = time.perf_counter() - started
    peaks = [_peak_mb(one.pid) for one in started_workers]
    for one in started_workers:
        one.terminate()
        one.wait()
    with where.transaction() as session:
        if lending.cob_failures(session) or ledger.mismatches(session):
            raise RuntimeError("not a clean run")
    return spent_s, peaks


def _peak_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def ceiling(where: Database, loans: int) -> float:
    """Seconds for as many entries, two lines each, and as many updated loans, a thousand in a transaction."""
    with where.transaction() as session:
        session.execute(text("CREATE TABLE bench_entry (LIKE ledger_entry INCLUDING ALL)"))
        session.execute(text("CREATE TABLE bench_line (LIKE ledger_line INCLUDING ALL)"))
        ids = session.execute(
            text("SELECT borrower_id, id FROM lending_loan WHERE status = 'active' ORDER BY id")
        ).all()
    started = time.perf_counter()
    for start in range(0, loans, 1_000):
        some = ids[start : start + 1_000]
        with where.transaction() as session:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            session.execute(
                text(
                    """
                    WITH t AS (SELECT b, l, gen_random_uuid() AS e
                      FROM unnest(CAST(:b AS uuid[]), CAST(:l AS uuid[])) AS t(b, l)),
                    e AS (INSERT INTO bench_entry SELECT b, e, concat('loan-day', chr(58), l, chr(58), '2026-01-01'), concat('loan', chr(58), l),
                      DATE '2026-01-01', DATE '2026-01-01', 'CNY', now() FROM t),
                    n AS (INSERT INTO bench_line SELECT b, e, 1, 'interest_receivable', 5, 0, l FROM t
                      UNION ALL SELECT b, e, 2, 'interest_income', 0, 5, l FROM t)
                    UPDATE lending_loan SET recognised_interest_minor = recognised_interest_minor FROM t
                    WHERE borrower_id = b AND id = l
                    """
                ),
                {"b": [row[0] for row in some], "l": [row[1] for row in some]},
            )
    return time.perf_counter() - started


def nights(loans: int) -> dict[str, object]:
    """Two nights of a book: the first finds a fresh copy, the second is an ordinary one."""
    with fresh() as where:
        today = clock.local_date(clock.now(), settings().zone)
        with where.transaction() as session:
            make_templates(session, today, TEMPLATES, (6, 12))
        built = time.perf_counter()
        multiply(where, loans)
        build_s = time.perf_counter() - built
        first_s, _ = close(where, today, 1)
        spent_s, rss = close(where, today + timedelta(days=1), 1)
        with where.transaction() as session:
            run = lending.cob_runs(session, limit=1)[0]
        bare_s = ceiling(where, loans)
        return {
            "loans": run.loans,
            "build_s": round(build_s, 1),
            "first_night_s": round(first_s, 1),
            "night_s": round(spent_s, 1),
            "loans_per_s": round(run.loans / spent_s),
            "ceiling_s": round(bare_s, 1),
            "ceiling_loans_per_s": round(loans / bare_s),
            "worker_rss_mb": rss,
            "steps": run.steps,
        }


def catch_up(loans: int, days: int) -> dict[str, object]:
    """Loans of up to 12 installments that nobody closed for so many days."""
    with fresh() as where:
        today = clock.local_date(clock.now(), settings().zone)
        with where.transaction() as session:
            make_templates(session, today, TEMPLATES, (12,))
        multiply(where, loans)
        spent_s, rss = close(where, today, days)
        return {
            "loans": loans,
            "days": days,
            "catch_up_s": round(spent_s, 1),
            "loan_days_per_s": round(loans * days / spent_s),
            "worker_rss_mb": rss,
        }


def main() -> None:
    """Run and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loans", type=int, default=100_000)
    parser.add_argument("--catch-up-loans", type=int, default=1_000)
    parser.add_argument("--catch-up-days", type=int, default=700)
    given = parser.parse_args()
    os.environ["THROUGHLINE_DEMO"] = "1"  # business time can be moved
    found: dict[str, object] = {}
    if given.loans:
        found["night"] = nights(given.loans)
    if given.catch_up_loans:
        found["catch_up"] = catch_up(given.catch_up_loans, given.catch_up_days)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
