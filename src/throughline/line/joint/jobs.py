"""Jobs of joint plans: one call to the carrier between two transactions, and what must not be forgotten."""

from __future__ import annotations

from uuid import UUID

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.jobs import NewJob, defer_many, periodic, task
from throughline.kernel.logging import get_logger
from throughline.line.joint import orders, registry
from throughline.line.joint.orders import STEP, Step
from throughline.line.joint.ports import PlanAnswer, Word
from throughline.line.joint.states import Act

log = get_logger(__name__)

BATCH = 200


@task(STEP, max_attempts=5, max_run_s=120)
def step(*, grant_id: str) -> None:
    """Do what a grant needs next: send, ask or revoke."""
    grant = UUID(grant_id)
    begun = database().run(
        lambda session: orders.begin_step(session, grant, now=clock.now(), real_now=clock.real_now())
    )
    if begun is None:
        return
    answer = _call(begun)
    database().run(
        lambda session: orders.end_step(
            session, grant, begun.act, answer, now=clock.now(), real_now=clock.real_now()
        ),
        retry_s=30,
    )


def _call(begun: Step) -> PlanAnswer:
    plan = registry.plan(begun.plan)
    if plan is None:
        return PlanAnswer(Word.NO_ANSWER, code="not_set_up")
    match begun.act:
        case Act.SEND if begun.order is not None:
            return plan.grant(begun.order)
        case Act.REVOKE:
            return plan.revoke(begun.placed)
        case _:
            return plan.status(begun.placed)


@periodic("* * * * *", "line.joint_sweep", queue="default")
def sweep(timestamp: int) -> None:
    """Every minute: a job for each grant whose next step is due, at most 200; the rest comes a minute later."""
    del timestamp
    database().run(
        lambda session: defer_many(
            session,
            [
                NewJob(STEP, {"grant_id": str(grant_id)})
                for grant_id in orders.due(session, real_now=clock.real_now(), limit=BATCH)
            ],
        )
    )
