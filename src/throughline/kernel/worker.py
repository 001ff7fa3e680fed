"""The worker process: takes jobs from the queue until it is told to stop, then drains."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from throughline.kernel import jobs, rooms
from throughline.kernel.db import database_url
from throughline.kernel.logging import get_logger

log = get_logger(__name__)

POLL_S = 0.25
HEARTBEAT_S = 5
DRAIN_S = 20
RETIRE_AFTER = timedelta(hours=6)  # a graceful exit frees what a lost final status left in `doing`


def run(queues: list[str], *, concurrency: int) -> None:
    """Work on these queues until SIGTERM, SIGINT or retirement."""
    rooms.load_all()
    asyncio.run(_run(queues, concurrency))


async def _run(queues: list[str], concurrency: int) -> None:
    # Sync tasks run in the loop's default executor: as many threads as jobs, or jobs stand in `doing`.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=concurrency + 2))
    connector = jobs.worker_connector(database_url(), pool_size=concurrency + 4)
    with jobs.app.replace_connector(connector) as app:
        async with app.open_async():
            working = asyncio.create_task(
                app.run_worker_async(
                    queues=queues,
                    name=f"{','.join(queues)}:{os.getpid()}",
                    concurrency=concurrency,
                    listen_notify=False,
                    fetch_job_polling_interval=POLL_S,
                    update_heartbeat_interval=HEARTBEAT_S,
                    stalled_worker_timeout=jobs.STALLED_AFTER_S,
                    delete_jobs="successful",
                    shutdown_graceful_timeout=DRAIN_S,
                )
            )
            done, _ = await asyncio.wait({working}, timeout=RETIRE_AFTER.total_seconds())
            if not done:
                log.info("the worker retires")
                working.cancel()
            await asyncio.gather(working, return_exceptions=not done)
