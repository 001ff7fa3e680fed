"""How fast a day of a whole book is closed, beside what PostgreSQL alone needs for as many rows.

    python bench/close_of_business.py [--loans 100000] [--repayments-per-s 50] [--catch-up-loans 1000] [--catch-up-days 700]

A few hundred loans are made by the verbs and multiplied by SQL. Two worker processes take the chunks from the
job queue, as in an installation; fsync is on. `ceiling` writes as many ledger rows and loan rows with plain
INSERT ... SELECT and UPDATE, in as many transactions, and does nothing else. Targets: 1,000,000 loans in 300 s
(3,333 loans/s); 1,000 loans over 700 days in 300 s.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import date, timedelta

from sqlalchemy import text
from support.book import TEMPLATES, make_templates, multiply, noon
from support.installation import fresh
from support.repaying import repaying
from support.usage import Usage

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.settings import settings
from throughline.ledger import service as ledger
from throughline.lending import cob
from throughline.lending import service as lending

CATCH_UP_INSTALLMENTS = 24
TOUCHED = 0.04
LIMIT_S = 7_200


def _wait(deadline: float) -> None:
    """Look again in a moment, but not for ever."""
    if time.monotonic() > deadline:
        raise TimeoutError(f"not done within {LIMIT_S} s")
    time.sleep(0.1)


def close(
    where: Database, today: date, days: int, *, repayments_per_s: float = 0
) -> tuple[float, dict[str, object]]:
    """Seconds to close so many days with two workers, and what that took of memory and processor time."""
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
    usage = Usage(settings().home, [one.pid for one in started_workers])
    with where.transaction() as session:
        payers = session.scalars(
            text("SELECT id FROM lending_loan WHERE status = 'active' ORDER BY contract_id LIMIT 5000")
        ).all()
    clock.move_demo_forward(noon(today + timedelta(days=days)) - clock.now())
    usage.start()
    started = time.perf_counter()
    until = today + timedelta(days=days)
    with repaying(where, payers, until, repayments_per_s) as repayments:
        with where.transaction() as session:
            cob.start_due_run(session, now=clock.now())
        while not _closed(where, until):
            usage.look()
            _wait(deadline)
        spent_s = time.perf_counter() - started
    report = usage.report()
    if repayments_per_s:
        report["repayments"] = repayments.report()
    for one in started_workers:
        one.terminate()
        one.wait()
    with where.transaction() as session:
        if lending.cob_failures(session) or ledger.mismatches(session):
            raise RuntimeError("not a clean run")
    return spent_s, report


def _closed(where: Database, until: date) -> bool:
    """Whether all days are closed, with their sums: those of the last day belong to it."""
    with where.transaction() as session:
        waiting = session.scalars(
            text(
                "SELECT count(*) FROM procrastinate_jobs WHERE queue_name = 'batch' AND status IN ('todo', 'doing') "
                "AND (scheduled_at IS NULL OR scheduled_at <= now())"
            )
        ).one()
        return lending.business_date(session) >= until and not waiting


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


def nights(loans: int, *, repayments_per_s: float, one: bool, touched: float) -> dict[str, object]:
    """Two nights of a book: the first finds a fresh copy, in which a share `touched` has no plan yet; the second
    replays only what was recorded meanwhile. With `one` the first alone."""
    with fresh() as where:
        today = clock.local_date(clock.now(), settings().zone)
        with where.transaction() as session:
            make_templates(session, today, TEMPLATES, (6, 12), touched=touched)
        built = time.perf_counter()
        multiply(where, loans)
        build_s = time.perf_counter() - built
        first_s, usage = close(where, today, 1, repayments_per_s=repayments_per_s if one else 0)
        spent_s = first_s
        if not one:
            spent_s, usage = close(where, today + timedelta(days=1), 1, repayments_per_s=repayments_per_s)
        with where.transaction() as session:
            run = lending.cob_runs(session, limit=1)[0]
            size_gb = session.scalars(text("SELECT pg_database_size(current_database()) / 1e9")).one()
        bare_s = ceiling(where, loans)
        return {
            "loans": run.loans,
            "build_s": round(build_s, 1),
            "database_gb": round(float(size_gb), 1),
            "first_night_s": round(first_s, 1),
            "night_s": round(spent_s, 1),
            "loans_per_s": round(run.loans / spent_s),
            "ceiling_s": round(bare_s, 1),
            "ceiling_loans_per_s": round(loans / bare_s),
            **usage,
            "steps": run.steps,
        }


def catch_up(loans: int, days: int) -> dict[str, object]:
    """Loans of `CATCH_UP_INSTALLMENTS` installments that nobody closed for so many days."""
    with fresh() as where:
        today = clock.local_date(clock.now(), settings().zone)
        with where.transaction() as session:
            make_templates(session, today, TEMPLATES, (CATCH_UP_INSTALLMENTS,), touched=TOUCHED)
        multiply(where, loans)
        spent_s, usage = close(where, today, days)
        bare_s = ceiling(where, loans) * days
        return {
            "loans": loans,
            "days": days,
            "catch_up_s": round(spent_s, 1),
            "loan_days_per_s": round(loans * days / spent_s),
            "ceiling_s": round(bare_s, 1),
            **usage,
        }


def main() -> None:
    """Run and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loans", type=int, default=100_000)
    parser.add_argument("--repayments-per-s", type=float, default=0, help="beside the second night")
    parser.add_argument(
        "--touched", type=float, default=TOUCHED, help="share without a plan on the first night"
    )
    parser.add_argument("--one-night", action="store_true", help="only the first night, of the fresh copy")
    parser.add_argument("--catch-up-loans", type=int, default=1_000)
    parser.add_argument("--catch-up-days", type=int, default=700)
    given = parser.parse_args()
    os.environ["THROUGHLINE_DEMO"] = "1"  # business time can be moved
    found: dict[str, object] = {}
    if given.loans:
        found["night"] = nights(
            given.loans, repayments_per_s=given.repayments_per_s, one=given.one_night, touched=given.touched
        )
        print(json.dumps(found, indent=1), file=sys.stderr, flush=True)  # the other part may take long
    if given.catch_up_loans:
        found["catch_up"] = catch_up(given.catch_up_loans, given.catch_up_days)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
