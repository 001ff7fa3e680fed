"""Background jobs of lending: the close of business, and the sums of the day behind it."""

from __future__ import annotations

from datetime import date
from functools import partial

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.jobs import periodic, task
from throughline.ledger import service as ledger
from throughline.lending import cob, sums
from throughline.lending.bureau import jobs as _bureau  # noqa: F401 - its tasks register themselves


@periodic("* * * * * */15", "lending.close_of_business")
def close_of_business(timestamp: int) -> None:
    """Every 15 s: start the close of a business day that is over; cheap when none is."""
    del timestamp
    database().run(lambda session: cob.start_due_run(session, now=clock.now()))


@task(cob.RUN_TASK, queue="batch")
def close_of_business_now() -> None:
    """The next day at once, while days of a catch-up are still open."""
    database().run(lambda session: cob.start_due_run(session, now=clock.now()))


@task(cob.CHUNK_TASK, queue="batch", max_run_s=1800)
def close_chunk(*, business_date: str, nr: int) -> None:
    """Close one chunk of loans for a day."""
    cob.close_chunk(database(), date.fromisoformat(business_date), nr)


@task(cob.SUM_TASK, queue="batch", max_run_s=1800)
def sum_up_day(*, posting_date: str) -> None:
    """Make the ledger's summary of a closed day, check its sums, and those of a sample of loans."""
    day = date.fromisoformat(posting_date)
    database().run(lambda session: ledger.sum_up_day(session, day, now=clock.now()))
    if database().run(partial(cob.catching_up, now=clock.now())):
        return  # the sample of the last day is enough
    ids = database().run(sums.sample)
    for start in range(0, len(ids), sums.TOGETHER):
        some = ids[start : start + sums.TOGETHER]
        database().run(partial(sums.check_loans, ids=some, day=day, now=clock.now()))
