"""How long decay and planning of many lines take, beside reading and writing the same rows plainly in the same run.

    python bench/line_planning.py [--lines 1000000] [--folded 20000]

All lines are due at once. A part of them was folded from evidence; the tracks of these are copied to all others, so
that every line has one. Then the job of each minute works until nothing is due: what time did is told, questions
are queued as far as the sources' rates go, the next look is set.
"""

from __future__ import annotations

import argparse
import random
import time
from datetime import timedelta

import psycopg
from line_ingest import evidence, make_lines
from sqlalchemy import text
from support.installation import fresh

from throughline.kernel import clock
from throughline.kernel.db import Database, libpq_url
from throughline.line import engine, planning, service


def plainly(where: Database) -> tuple[float, float]:
    """Seconds to read all tracks, and to write them all by one statement."""
    with psycopg.connect(libpq_url(where.url)) as connection:
        begun = time.perf_counter()
        with connection.cursor("reading") as cursor:
            cursor.itersize = 10_000
            for _ in cursor.execute("SELECT borrower_id, line_id, track, next_look_at FROM line_belief"):
                pass
        read_s = time.perf_counter() - begun
        begun = time.perf_counter()
        connection.execute("UPDATE line_belief SET next_look_at = next_look_at + interval '1 second'")
        connection.commit()
        return read_s, time.perf_counter() - begun


def main() -> None:
    """Run it and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--folded", type=int, default=20_000)
    args = parser.parse_args()
    with fresh() as where:
        lines = make_lines(where, args.lines)
        some = lines[: args.folded]
        chance = random.Random(1)
        for _ in range(max(1, args.folded // 2_000)):
            batch = evidence(some, chance, 10_000, clock.now() - timedelta(hours=2))
            where.run(lambda session, batch=batch: service.take_in(session, batch, now=clock.now()))
        engine.work_off(where)
        with psycopg.connect(libpq_url(where.url), autocommit=True) as connection:
            connection.execute(
                """
                WITH have AS (SELECT row_number() OVER () AS n, track, checkpoint, checkpoint_until, params_version, folded_at
                              FROM line_belief WHERE track IS NOT NULL),
                     need AS (SELECT row_number() OVER () AS n, borrower_id, line_id FROM line_belief WHERE track IS NULL)
                UPDATE line_belief b SET track = h.track, checkpoint = h.checkpoint, checkpoint_until = h.checkpoint_until,
                  params_version = h.params_version, folded_at = h.folded_at
                FROM need JOIN have h ON h.n = need.n % (SELECT count(*) FROM have) + 1
                WHERE b.borrower_id = need.borrower_id AND b.line_id = need.line_id
                """
            )
            connection.execute("UPDATE line_belief SET next_look_at = now()")
            connection.execute("VACUUM ANALYZE line_belief, line_line, line_signal")
        begun = time.perf_counter()
        now = clock.now() + timedelta(hours=1)
        done = 0
        while some_done := where.run(lambda session: planning.run(session, now=now)):
            done += some_done
        took = time.perf_counter() - begun
        with where.transaction() as session:
            asked = session.execute(
                text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'line.query'")
            ).scalar_one()
        print(
            f"decay and planning of {done:,} lines: {took:,.0f} s ({done / took:,.0f} lines/s), {asked:,} questions"
        )
        read_s, write_s = plainly(where)
        print(f"ceiling: reading the rows {read_s:,.1f} s, writing them by one statement {write_s:,.1f} s")


if __name__ == "__main__":
    main()
