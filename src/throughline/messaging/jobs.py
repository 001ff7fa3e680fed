"""Background work of messaging: one network call between two short transactions."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.jobs import periodic, task
from throughline.kernel.logging import get_logger
from throughline.messaging import advance, attempts, codes, flow, held
from throughline.messaging.sender import process

log = get_logger(__name__)


@task(attempts.ASK, queue=attempts.QUEUE, max_attempts=3, max_run_s=120)
def ask(*, attempt_id: str) -> None:
    """Ask the provider about an attempt whose end is not known."""
    attempt = UUID(attempt_id)
    asked = database().run(lambda session: attempts.question(session, attempt, now=clock.now()))
    if asked is None:
        return
    route, question = asked
    finding = process.ask(route, question)
    database().run(lambda session: attempts.answer(session, attempt, finding, now=clock.now()), retry_s=30)


@task(flow.ADVANCE)
def advance_intent(*, intent_id: str) -> None:
    """Do what is due for one intent; an outdated timer finds nothing to do."""
    _advance(UUID(intent_id))


@periodic("* * * * *", "messaging.sweep", queue="default")
def sweep(timestamp: int) -> None:
    """Every minute: codes whose time is over are forgotten; up to 500 steps whose time has come, lost sends first."""
    del timestamp
    database().run(lambda session: codes.forget(session, now=clock.now()))
    due = database().run(lambda session: advance.due(session, now=clock.now()))
    for intent_id in due:
        try:
            _advance(intent_id)
        except Exception:
            # One broken message must not stop all others; people see it in the log and in the console.
            log.exception("a message can't be advanced", intent_id=str(intent_id))
            database().run(partial(advance.postpone, intent_id=intent_id, now=clock.now()))


def _advance(intent_id: UUID) -> None:
    back = database().run(lambda session: advance.advance(session, intent_id, now=clock.now()))
    for contact_point_id in back:
        _release(contact_point_id)


def _release(contact_point_id: UUID) -> None:
    def release(session: Session) -> int:
        return held.release_held(session, contact_point_id, now=clock.now())

    released = database().run(release)
    if released:
        log.info("messages released by the sweep", count=released)
