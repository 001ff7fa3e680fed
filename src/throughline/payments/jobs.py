"""Background work of payments: one network call between two short transactions."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.jobs import periodic, task
from throughline.kernel.logging import get_logger
from throughline.payments import attempts, intake, orders, registry
from throughline.payments.ports import Rail
from throughline.payments.states import Cause
from throughline.payments.sweep import sweep

log = get_logger(__name__)


@task(attempts.SEND, max_attempts=20, max_run_s=120)
def send(*, attempt_id: str) -> None:
    """Send a prepared attempt to its rail and record the answer."""
    attempt = UUID(attempt_id)
    begun = database().run(lambda session: attempts.begin_send(session, attempt, now=clock.now()))
    if begun is None:
        return
    rail_name, instruction = begun
    report = registry.rail(rail_name).create(instruction)
    database().run(
        lambda session: attempts.record(session, attempt, report, Cause.ANSWER, now=clock.now()), retry_s=30
    )


@task(attempts.QUERY, max_attempts=20, max_run_s=120)
def query(*, attempt_id: str, nr: int | None) -> None:
    """Ask the rail about an attempt, once; perhaps send the same once more (see `attempts.record_query`)."""
    attempt = UUID(attempt_id)
    question = database().run(lambda session: attempts.begin_query(session, attempt, nr, now=clock.now()))
    if question is None:
        return
    rail = registry.rail(question.rail)
    if question.close_first:
        rail.cancel(question.out_ref)
    report = rail.query(question.out_ref)
    again = database().run(
        lambda session: attempts.record_query(session, attempt, report, rail, now=clock.now()), retry_s=30
    )
    if again is not None:
        answer = rail.create(again)
        database().run(
            lambda session: attempts.record(session, attempt, answer, Cause.ANSWER, now=clock.now()),
            retry_s=30,
        )


@task(intake.WORK, max_attempts=8)
def work_event(*, event_id: str) -> None:
    """Act on a stored message of a provider."""
    database().run(lambda session: intake.work_off(session, UUID(event_id), now=clock.now()))


@periodic("* * * * *", "payments.fetch_files", queue="default")
def fetch_files(timestamp: int) -> None:
    """Every minute: fetch the files that wait at the providers, at most 50 from each."""
    del timestamp
    for rail in registry.rails().values():
        _fetch(rail)


def _fetch(rail: Rail) -> None:
    after = database().run(lambda session: intake.cursor(session, rail))
    fetched, reached = rail.fetch_notices(after)
    if reached == after:
        return

    def keep(session: Session) -> None:
        for notice, raw in fetched:
            intake.take(session, rail, notice, raw, now=clock.now())
        intake.move_cursor(session, rail, reached)

    database().run(keep)


@periodic("*/10 * * * *", "payments.sweep", queue="default")
def sweep_open_ends(timestamp: int) -> None:
    """Every 10 minutes: defer again what was lost, and look for a rail for what waits."""
    del timestamp
    swept = database().run(lambda session: sweep(session, now=clock.now()))
    if swept.jobs:
        log.warning("payments swept", jobs=swept.jobs)
    for order_id in swept.waiting:
        _route(order_id)


def _route(order_id: UUID) -> None:
    database().run(lambda session: orders.route_waiting(session, order_id, now=clock.now()))
