"""The close of business while it is killed, while loans are being paid, and while two run at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from support.loans import usual_loan
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.ledger import service as ledger
from throughline.lending import service as lending
from throughline.lending import sums

ZONE = "Asia/Shanghai"
LOANS = 100
DAYS = 20
KILLS = 20
CHUNK = 40
# A process that has loaded the platform and forks runners on demand; each takes every chunk of every day that
# is over, in small transactions, and ends.
NURSERY = """
import os, sys
from datetime import datetime
from sqlalchemy import text
from throughline.kernel import rooms
from throughline.kernel.db import database
from throughline.lending import cob
rooms.load_all()
at, chunk = datetime.fromisoformat(sys.argv[1]), int(sys.argv[2])
cob.CHUNK_LOANS, cob.SET_LOANS, cob.COMMIT_LOANS, cob.HELP_S = chunk, 7, 3, 0
cob.clock = type("Then", (), {"now": staticmethod(lambda: at), "real_now": staticmethod(cob.clock.real_now),
  "local_date": staticmethod(cob.clock.local_date)})

def run():
    where = database()
    while True:
        day = where.run(lambda session: cob.start_due_run(session, now=at))
        if day is None:
            return
        with where.transaction() as session:
            waiting = session.execute(
                text("SELECT nr FROM lending_cob_chunk WHERE business_date = :day AND state <> 'done' ORDER BY nr"),
                {"day": day}).scalars().all()
        for nr in waiting:
            cob.close_chunk(where, day, nr)

for _ in sys.stdin:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            run()
            status = 0
        finally:
            os._exit(status)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def _book(database: Database) -> list[UUID]:
    """Loans of which some are late; every fifth is replayed."""
    today = clock.local_date(clock.now(), ZONE)
    ids = []
    with database.transaction() as session:
        for nr in range(LOANS):
            start = today - timedelta(days=nr % 40)
            new = usual_loan(new_id(), start, agreed_charges=())
            loan_id = lending.open_loan(session, new, now=clock.now())
            payout = lending.NewEvent(lending.EventType.DISBURSEMENT, start, str(new_id()), 300_000)
            lending.record_event(session, loan_id, payout, now=clock.now())
            ids.append(loan_id)
        session.execute(
            text("UPDATE lending_accrual_plan SET needs_replay = true WHERE loan_id = ANY(:ids)"),
            {"ids": ids[::5]},
        )
    return ids


class _Runner:
    """One runner at a time, forked by its nursery."""

    def __init__(self, until: date) -> None:
        at = datetime.combine(until, datetime.min.time()).replace(hour=4, tzinfo=clock.now().tzinfo)
        self.nursery = subprocess.Popen(
            [sys.executable, "-c", NURSERY, at.isoformat(), str(CHUNK)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        self.pid = 0

    def _line(self) -> int:
        assert self.nursery.stdout is not None
        return int(self.nursery.stdout.readline())

    def start(self) -> None:
        """Fork a runner."""
        assert self.nursery.stdin is not None
        self.nursery.stdin.write("\n")
        self.nursery.stdin.flush()
        self.pid = self._line()

    def wait(self) -> int:
        """Its exit code; negative for a signal."""
        return self._line()

    def close(self) -> None:
        """End the nursery."""
        self.nursery.communicate(timeout=30)


def _assert_closed_once(database: Database, ids: list[UUID], first: date, last: date) -> None:
    """Every loan is closed through `last`, each of its days with one entry, and the books say what the replay says."""
    days = (last - first).days + 1
    with database.transaction() as session:
        assert lending.business_date(session) == last + timedelta(days=1)
        assert lending.cob_failures(session) == []
        through = session.scalars(
            text("SELECT DISTINCT cob_through FROM lending_loan WHERE id = ANY(:ids) AND status = 'active'"),
            {"ids": ids},
        ).all()
        assert through == [last]
        doubled = session.execute(
            text(
                "SELECT source, value_date FROM ledger_entry WHERE key LIKE 'loan-day:%' "
                "GROUP BY source, value_date HAVING count(*) > 1"
            )
        ).all()
        assert doubled == []
        some = session.execute(
            text("SELECT source, count(*) FROM ledger_entry WHERE key LIKE 'loan-day:%' GROUP BY source")
        ).all()
        assert len(some) == len(ids)
        assert max(count for _, count in some) == days
        assert sums.check_loans(session, ids, last, now=clock.now()) == 0
        twice = session.execute(
            text(
                "SELECT aggregate_id, type, payload ->> 'nr' AS nr, payload ->> 'days_left' FROM kernel_event "
                "WHERE type LIKE 'lending.installment%' GROUP BY 1, 2, 3, 4 HAVING count(*) > 1"
            )
        ).all()
        assert twice == []
        assert sum(row.debit_minor - row.credit_minor for row in ledger.trial_balance(session)) == 0


@pytest.mark.chaos
def test_twenty_kills_two_runners_and_payments_meanwhile(
    database: Database, installation: object, demo_clock: Callable[..., timedelta]
) -> None:
    ids = _book(database)
    with database.transaction() as session:
        first = lending.business_date(session)
    last = first + timedelta(days=DAYS - 1)
    paid: list[float] = []
    over = threading.Event()

    def pay() -> None:
        """Repayments all the time: none fails, none waits long."""
        chance = random.Random(5)
        while not over.wait(0.05):
            began = time.monotonic()
            payment = lending.NewEvent(lending.EventType.REPAYMENT, first, str(new_id()), 100)
            loan_id = chance.choice(ids)
            database.run(
                lambda session, loan_id=loan_id, payment=payment: lending.record_event(  # type: ignore[misc]
                    session, loan_id, payment, now=clock.now()
                )
            )
            paid.append(time.monotonic() - began)

    chance = random.Random(20)
    kills = 0
    runners = [_Runner(last + timedelta(days=1)) for _ in range(2)]
    with ThreadPoolExecutor(1) as pool:
        paying = pool.submit(pay)
        try:
            codes = [1, 1]
            while codes != [0, 0]:
                for one in runners:
                    one.start()
                if kills < KILLS:
                    time.sleep(chance.uniform(0.05, 0.4))  # the moment of the kill, anywhere in the work
                    for one in runners:
                        os.kill(
                            one.pid, signal.SIGKILL
                        )  # ours until it is waited for, even when it has ended
                codes = [one.wait() for one in runners]
                kills += codes.count(-signal.SIGKILL)
                assert set(codes) <= {0, -signal.SIGKILL}
        finally:
            over.set()
            for one in runners:
                one.close()
        paying.result(30)
    assert kills >= KILLS
    assert len(paid) > 20
    assert max(paid) < 3
    _assert_closed_once(database, ids, first, last)
