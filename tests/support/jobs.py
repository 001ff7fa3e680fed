"""Drain the job queue in this process with the real worker code."""

from __future__ import annotations

import asyncio
import time

from procrastinate import App
from procrastinate.periodic import PeriodicDeferrer, PeriodicRegistry
from sqlalchemy import text

from support.sending import work_off
from throughline.kernel import clock, jobs
from throughline.kernel.db import Database

# A wait is drawn at random and may be a few milliseconds: within a round it would run or not by luck. While
# a drain works, whatever is put off stays put off; the next round, if it hurries, pulls it forward.
HOLD = """
CREATE OR REPLACE FUNCTION test_put_off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.scheduled_at := NEW.scheduled_at + interval '9000 days'; RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER test_put_off BEFORE INSERT OR UPDATE OF scheduled_at ON procrastinate_jobs
FOR EACH ROW WHEN (NEW.scheduled_at > now() AND NEW.scheduled_at < now() + interval '1 day')
EXECUTE FUNCTION test_put_off();
CREATE OR REPLACE FUNCTION test_put_off_try() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.due_at := NEW.due_at + interval '9000 days'; RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER test_put_off_try BEFORE INSERT ON msg_attempt
FOR EACH ROW WHEN (NEW.try_n > 1 AND NEW.due_at > NEW.prepared_at) EXECUTE FUNCTION test_put_off_try();
"""
RELEASE = """
DROP TRIGGER test_put_off_try ON msg_attempt;
DROP FUNCTION test_put_off_try;
UPDATE msg_attempt SET due_at = due_at - interval '9000 days' WHERE due_at > now() + interval '8000 days';
DROP TRIGGER test_put_off ON procrastinate_jobs;
DROP FUNCTION test_put_off;
UPDATE procrastinate_jobs SET scheduled_at = scheduled_at - interval '9000 days'
WHERE scheduled_at > now() + interval '8000 days';
"""


def drain(database: Database, *, rounds: int, timers: bool, hurry: bool) -> int:
    """Run what is due until nothing is; returns the number of runs. `hurry` pulls waiting retries forward.

    Where there is work, the periodic tasks whose tick has come run once in the first round.
    """
    with database.transaction() as session:
        session.execute(text(HOLD))
    try:
        return asyncio.run(_rounds(database, rounds=rounds, timers=timers, hurry=hurry))
    finally:
        with database.transaction() as session:
            session.execute(text(RELEASE))


async def _rounds(database: Database, *, rounds: int, timers: bool, hurry: bool) -> int:
    waiting = _waiting(database, timers=timers, hurry=hurry)
    if not waiting or not rounds:
        return 0
    runs = 0
    connector = jobs.worker_connector(database.url, pool_size=4)
    with jobs.app.replace_connector(connector) as app:
        async with app.open_async():
            registry = app.periodic_registry
            ticks = PeriodicDeferrer(registry)
            await ticks.defer_jobs(ticks.get_previous_tasks(at=time.time()))
            # The worker's own deferrer would race with its end: whether a tick came would be luck, and a
            # deferrer that misses its cancellation holds the worker up for a second.
            app.periodic_registry = PeriodicRegistry()
            try:
                while waiting and rounds:
                    runs, rounds = runs + waiting, rounds - 1
                    await _work(app)
                    await work_off(database)
                    waiting = _waiting(database, timers=timers, hurry=hurry) if rounds else 0
            finally:
                app.periodic_registry = registry
    return runs


def _waiting(database: Database, *, timers: bool, hurry: bool) -> int:
    """How many jobs wait now that timers have become jobs and, if it hurries, retries are due."""
    with database.transaction() as session:
        if timers:
            jobs.sweep_timers(session, now=clock.now())
        if hurry:
            session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'"))
            session.execute(_RETRIES_NOW, {"now": clock.now()})
        return int(session.execute(_WAIT, {"now": clock.now()}).scalar_one())


# A try again after another has its wait; a first one may wait for its `not_before`, which is no retry.
_RETRIES_NOW = text(
    "UPDATE msg_attempt SET due_at = :now WHERE state = 'prepared' AND try_n > 1 AND due_at > :now"
)
_WAIT = text(
    """
    SELECT (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo')
      + (SELECT count(*) FROM msg_attempt WHERE state = 'prepared' AND superseded_at IS NULL AND due_at <= :now)
    """
)


async def _work(app: App) -> None:
    await app.run_worker_async(
        wait=False,
        concurrency=1,
        listen_notify=False,
        install_signal_handlers=False,
        delete_jobs="successful",
        fetch_job_polling_interval=0.05,
    )
