"""The worker process: takes jobs from the queue until it is told to stop, then drains.

It leaves a note with its id in the queue's table of workers, so that the supervisor of the same machine
can strike out a worker that was killed: its jobs then come back in seconds, not after the 45 s that its
heartbeat would be waited for.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from opentelemetry.trace import SpanKind
from procrastinate import JobContext
from procrastinate.worker import Worker
from sqlalchemy import text

from throughline.kernel import jobs, rooms
from throughline.kernel.db import database, database_url
from throughline.kernel.logging import get_logger
from throughline.kernel.settings import settings
from throughline.kernel.telemetry import JOB_RUNS, JOB_SECONDS, span

log = get_logger(__name__)

POLL_S = 0.25
HEARTBEAT_S = 5
DRAIN_S = 20
REGISTER_S = 60
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
            worker = Worker(
                app,
                queues=queues,
                name=f"{','.join(queues)}:{os.getpid()}",
                concurrency=concurrency,
                listen_notify=False,
                fetch_job_polling_interval=POLL_S,
                update_heartbeat_interval=HEARTBEAT_S,
                stalled_worker_timeout=jobs.STALLED_AFTER_S,
                delete_jobs="successful",
                shutdown_graceful_timeout=DRAIN_S,
                worker_middleware=[_measure],
            )
            working = asyncio.create_task(worker.run())  # type: ignore[no-untyped-call]  # the library's own gap
            noting = asyncio.create_task(_note(worker))
            done, _ = await asyncio.wait({working}, timeout=RETIRE_AFTER.total_seconds())
            noting.cancel()
            if not done:
                log.info("the worker retires")
                working.cancel()
            await asyncio.gather(working, return_exceptions=not done)
    _note_of(os.getpid()).unlink(missing_ok=True)


async def _measure(call_next: Callable[[], Awaitable[Any]], context: JobContext, _worker: Worker) -> Any:
    started, result = time.monotonic(), "failed"
    # A name that no task has comes from outside this code: it must not become a label.
    name = context.job.task_name if context.job.task_name in jobs.app.tasks else "unknown"
    try:
        with span(f"job {name}", kind=SpanKind.CONSUMER) as current:
            current.set_attribute("throughline.job_id", context.job.id or 0)
            answer = await call_next()
        result = "done"
        return answer
    finally:
        JOB_RUNS.labels(name, result).inc()
        JOB_SECONDS.labels(name).observe(time.monotonic() - started)


async def _note(worker: Worker) -> None:
    deadline = time.monotonic() + REGISTER_S
    while worker.worker_id is None and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    note = _note_of(os.getpid())
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(str(worker.worker_id), encoding="ascii")


def strike_out(pid: int) -> bool:
    """Remove the dead worker of that process from the queue's table; False if it left no note."""
    return _strike_out(_note_of(pid))


def strike_out_all() -> int:
    """Remove all workers that left a note on this machine: for a start when none can be alive."""
    return sum(_strike_out(note) for note in _folder().glob("worker-*"))


def _strike_out(note: Path) -> bool:
    try:
        worker_id = int(note.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        note.unlink(missing_ok=True)
        return False
    database().run(
        lambda session: session.execute(
            text("DELETE FROM procrastinate_workers WHERE id = :id"), {"id": worker_id}
        )
    )
    note.unlink(missing_ok=True)
    return True


def _folder() -> Path:
    return settings().home / "run"


def _note_of(pid: int) -> Path:
    return _folder() / f"worker-{pid}"
