"""A book of loans for a bench: a few hundred made by the verbs, multiplied by SQL."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel.db import Database
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.lending.account import locked_loan
from throughline.lending.plans import write_plan

TEMPLATES = 300
PRODUCT = "bench-cash"
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


def make_templates(
    session: Session, today: date, count: int, installments: tuple[int, ...], *, touched: float
) -> None:
    """Loans of the last eleven months by the real verbs; most have paid what was due.

    `touched`: the share of loans on which something was recorded during the day that is closed first.
    """
    # The shipped product with more installments to choose from.
    session.execute(
        text(
            "INSERT INTO lending_product (code, version, valid_from, document) SELECT :code, 1, valid_from, "
            "jsonb_set(document, '{limits,installments}', '[6, 12, 24]') FROM lending_product "
            "WHERE code = 'cash-cn' AND version = 1"
        ),
        {"code": PRODUCT},
    )
    chance = random.Random(7)
    for _ in range(count):
        start = today - timedelta(days=chance.randint(1, 330))
        principal = chance.choice([100_000, 300_000, 500_000, 1_000_000])
        months = chance.choice(installments)
        loan_id = lending.open_loan(
            session,
            lending.NewLoan(
                borrower_id=uuid4(),
                product_code=PRODUCT,
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
        if chance.random() >= touched:
            # The night after an event makes the plan; a loan that has just been touched has none yet.
            file = locked_loan(session, loan_id)
            write_plan(session, file, file.state(today))


def multiply(where: Database, loans: int) -> None:
    """Copy the templates until there are so many loans; ids keep the order of time that real ones have."""
    with where.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        # Copies of whole loans need no check that each row has its owner; the rows are the same.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("SET LOCAL work_mem = '256MB'"))
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
