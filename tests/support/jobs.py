"""Drain the job queue in this process with the real worker code."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from throughline.kernel import clock, jobs
from throughline.kernel.db import Database


def drain(database: Database, *, rounds: int, timers: bool, hurry: bool) -> int:
    """Run what is due until nothing is; returns the number of runs. `hurry` pulls waiting retries forward."""
    runs = 0
    for _ in range(rounds):
        with database.transaction() as session:
            if timers:
                jobs.sweep_timers(session, now=clock.now())
            if hurry:
                session.execute(
                    text("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE status = 'todo'")
                )
            waiting = session.execute(
                text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")
            ).scalar_one()
        if not waiting:
            break
        runs += waiting
        asyncio.run(_work(database.url))
    return runs


async def _work(url: str) -> None:
    connector = jobs.worker_connector(url, pool_size=4)
    with jobs.app.replace_connector(connector) as app:
        async with app.open_async():
            await app.run_worker_async(
                wait=False,
                concurrency=1,
                listen_notify=False,
                install_signal_handlers=False,
                delete_jobs="successful",
                fetch_job_polling_interval=0.05,
            )
