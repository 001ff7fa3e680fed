"""How fast evidence about lines is taken in, believed and stored, beside plain COPY of the same rows and the fold
alone in the same run.

    python bench/line_ingest.py [--lines 20000] [--seconds 20] [--burst 20000] [--pushes 200]

The embedded PostgreSQL and one worker process as in an installation. A steady load is sent for some seconds, as
fast as it is taken, by one process in batches of 500; then a burst that waits folded; then carriers' pushes one by
one over the load, each timed until its state can be read. At the end the signals are counted again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import psycopg
from sqlalchemy import text
from support.installation import fresh
from support.processes import used

from throughline.kernel import clock, postgres
from throughline.kernel.db import Database, database, libpq_url
from throughline.kernel.ids import new_id
from throughline.kernel.settings import settings
from throughline.line import fold, service
from throughline.line.emissions import read
from throughline.line.fold import Codebook
from throughline.line.parameters import params
from throughline.line.signals import Signal

BATCH = 500
STOPPED = {"voiceSmsIn": "suspended", "voiceSmsOut": "suspended", "dataService": "suspended"}


def make_lines(where: Database, count: int) -> list[UUID]:
    """Lines of borrowers of their own, registered a month ago."""
    rows = [(new_id(), new_id(), new_id()) for _ in range(count)]
    registered = clock.now() - timedelta(days=30)
    with psycopg.connect(libpq_url(where.url)) as connection:
        cursor = connection.cursor()
        with cursor.copy(
            "COPY line_line (borrower_id, id, contact_point_id, number_index, carrier, registered_at, state, probability,"
            " since, alarm, evidence) FROM STDIN"
        ) as copy:
            for borrower_id, line_id, point_id in rows:
                copy.write_row(
                    (borrower_id, line_id, point_id, point_id.bytes, "simulator", registered, "unknown", "0", registered, False, "[]")
                )  # fmt: skip
        with cursor.copy("COPY line_belief (borrower_id, line_id, next_look_at) FROM STDIN") as copy:
            for borrower_id, line_id, _ in rows:
                copy.write_row((borrower_id, line_id, clock.now() + timedelta(days=1)))
    with psycopg.connect(libpq_url(where.url), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE line_line, line_belief")
    return [line_id for _, line_id, _ in rows]


def evidence(lines: list[UUID], chance: random.Random, count: int, at: datetime) -> list[tuple[UUID, Signal]]:
    """Mostly heartbeats and receipts, as they come in; some say that a line is off or stopped."""
    made = []
    for _ in range(count):
        line_id, kind = chance.choice(lines), chance.random()
        when = at - timedelta(seconds=chance.uniform(0, 60))
        if kind < 0.7:
            signal = Signal(when, "app.heartbeat", "app", None, {"transport": "cellular"})
        elif kind < 0.9:
            code = "DELIVRD" if chance.random() < 0.93 else "EXPIRED"
            signal = Signal(when, "sms.receipt", "cn.gateway", code, {})
        elif kind < 0.97:
            signal = Signal(
                when, "camara.device-reachability", "simulator", None, {"reachable": chance.random() < 0.9}
            )
        else:
            flags = STOPPED if chance.random() < 0.1 else dict.fromkeys(STOPPED, "active")
            signal = Signal(when, "camara.subscription-status", "simulator", None, flags)
        made.append((line_id, signal))
    return made


def send(lines: list[UUID], seconds: float, most: int, rate: float, seed: int, sent: object) -> None:
    """A process that sends batches; `rate` a second at most, 0: as fast as they are taken."""
    chance = random.Random(seed)
    begun = time.monotonic()
    done = 0
    while time.monotonic() - begun < seconds and done < most:
        batch = evidence(lines, chance, min(BATCH, most - done), clock.now())
        database().run(lambda session, batch=batch: service.take_in(session, batch, now=clock.now()))
        done += len(batch)
        if rate:
            time.sleep(max(0.0, done / rate - (time.monotonic() - begun)))
    sent.put(done)  # type: ignore[attr-defined]


def waiting(where: Database) -> int:
    """Marks that are not folded."""
    with where.transaction() as session:
        return int(session.execute(text("SELECT count(*) FROM line_dirty")).scalar_one())


def folded(where: Database, within_s: float) -> float:
    """Wait until nothing waits; returns the seconds it took."""
    begun = time.monotonic()
    while waiting(where):
        if time.monotonic() - begun > within_s:
            raise SystemExit(f"{waiting(where)} marks wait after {within_s} s")
        time.sleep(0.05)
    return time.monotonic() - begun


def load(
    where: Database, lines: list[UUID], seconds: float, most: int, rate: float, seed: int
) -> tuple[int, float, float]:
    """Send in a process of its own; returns signals, seconds of sending, and seconds more until all was folded."""
    spawning = multiprocessing.get_context("spawn")
    sent = spawning.Queue()
    sender = spawning.Process(target=send, args=(lines, seconds, most, rate, seed, sent))
    begun = time.monotonic()
    sender.start()
    done = sent.get()
    took = time.monotonic() - begun
    sender.join()
    return done, took, folded(where, 600)


def push(where: Database, lines: list[UUID], count: int) -> list[float]:
    """Carriers' notices one by one, as the hook takes them; seconds until the state can be read by another."""
    took = []
    for line_id in random.Random(7).sample(lines, count):
        now = clock.now()
        begun = time.perf_counter()
        signal = Signal(now, "carrier.push", "simulator", None, STOPPED)
        where.run(
            lambda session, line_id=line_id, signal=signal, now=now: service.ingest(
                session, line_id, [signal], now=now
            )
        )
        with where.transaction() as session:
            state = session.execute(
                text("SELECT state FROM line_line WHERE id = :id"), {"id": line_id}
            ).scalar_one()
        if state == "suspended":
            took.append(time.perf_counter() - begun)
        time.sleep(0.02)
    return took


def copy_ceiling(where: Database) -> float:
    """Rows a second of plain COPY of the same rows into a table like theirs, with its indexes."""
    with psycopg.connect(libpq_url(where.url)) as connection:
        connection.execute("CREATE TABLE bench_signal (LIKE line_signal INCLUDING ALL)")
        with connection.cursor().copy("COPY (SELECT * FROM line_signal LIMIT 50000) TO STDOUT") as out:
            rows = b"".join(bytes(part) for part in out)
        connection.commit()
        begun = time.perf_counter()
        with connection.cursor().copy("COPY bench_signal FROM STDIN") as into:
            into.write(rows)
        connection.commit()
        took = time.perf_counter() - begun
        count = connection.execute("SELECT count(*) FROM bench_signal").fetchone()
        connection.execute("DROP TABLE bench_signal")
    assert count is not None
    return float(count[0]) / took


def fold_ceiling(lines: list[UUID]) -> float:
    """Signals a second of the fold alone, in memory, many lines at once."""
    by = params()
    made = evidence(lines, random.Random(2), 2_000, clock.now())
    readings = [(one.source, reading) for _, one in made if (reading := read(one)) is not None]
    book = Codebook.of(readings, by)
    rows = fold.fresh(len(readings), 0.0, by)
    begun = time.perf_counter()
    for round_ in range(20):
        rows = fold.step(rows, np.full(len(rows), 3600.0 * (round_ + 1)), np.arange(len(rows)), book, by)
    return 20 * len(readings) / (time.perf_counter() - begun)


def main() -> None:
    """Run it and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--burst", type=int, default=20_000)
    parser.add_argument("--pushes", type=int, default=200)
    args = parser.parse_args()
    with fresh() as where:
        lines = make_lines(where, args.lines)
        worker = subprocess.Popen(
            [sys.executable, "-m", "throughline", "serve", "--role", "worker"], env=os.environ.copy()
        )
        try:
            postmaster = int((postgres.layout(settings()).data / "postmaster.pid").read_text().split()[0])
            time.sleep(3)
            # Warm: every line has a track.
            first, _, _ = load(where, lines, 600, args.lines, 0, 1)
            before = [used(pid).cpu_s for pid in (postmaster, worker.pid)]
            done, took, rest = load(where, lines, args.seconds, 10**9, 0, 2)
            after = [used(pid).cpu_s for pid in (postmaster, worker.pid)]
            cpu = [(b - a) / done * 1e6 for a, b in zip(before, after, strict=True)]
            print(f"steady: {done / (took + rest):,.0f} signals/s taken in, folded and stored"
                  f" ({done:,} in {took:.1f} s, folded {rest:.1f} s later);"
                  f" CPU a signal: database {cpu[0]:.0f} us, worker {cpu[1]:.0f} us")  # fmt: skip
            burst, sent_s, burst_s = load(where, lines, 600, args.burst, 0, 3)
            print(f"burst: {burst:,} signals taken in {sent_s:.1f} s, folded {burst_s:.1f} s later")
            took_s: list[float] = []
            noise: list[tuple[int, float, float]] = []
            thread = threading.Thread(
                target=lambda: noise.append(load(where, lines, args.pushes * 0.2, 10**9, 1_000, 4))
            )
            thread.start()
            took_s = push(where, lines, args.pushes)
            thread.join()
            p50, p95, p99 = np.percentile(took_s, [50, 95, 99])
            print(f"push to visible state over a load of 1,000/s: {len(took_s)} of {args.pushes} shown at once;"
                  f" p50 {p50 * 1e3:.0f} ms, p95 {p95 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms")  # fmt: skip
            with where.transaction() as session:
                stored = session.execute(text("SELECT count(*) FROM line_signal")).scalar_one()
                size = session.execute(
                    text("SELECT max(pg_column_size(b.*)), avg(pg_column_size(b.*)) FROM line_belief b")
                ).one()
            expected = first + done + burst + noise[0][0] + args.pushes
            print(f"stored: {stored:,} of {expected:,}; a belief has {size[1]:.0f} bytes, {size[0]} at most")
            assert stored == expected
        finally:
            worker.terminate()
            worker.wait(30)
        print(f"ceilings: plain COPY of the same rows {copy_ceiling(where):,.0f} rows/s;"
              f" the fold alone {fold_ceiling(lines):,.0f} signals/s")  # fmt: skip


if __name__ == "__main__":
    main()
