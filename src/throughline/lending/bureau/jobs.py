"""Background jobs of the credit-record guard: runs, files on their way, disputes that wait at the bureau."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from uuid import UUID

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.jobs import periodic, task
from throughline.lending.bureau import answers, disputes, reporting, sending
from throughline.lending.bureau.ports import Bureau
from throughline.lending.bureau.registry import bureau
from throughline.lending.bureau.sending import Act, Step
from throughline.lending.bureau.settings import set_up

FILES_AT_ONCE = 20
STILL = timedelta(minutes=20)  # a run that has not moved for so long has lost its job


@task(reporting.RUN_TASK, queue="batch")
def run_stretch(*, month: str) -> None:
    """Report the next loans of a month."""
    database().run(partial(reporting.report_stretch, month=date.fromisoformat(month), now=clock.now()))


@periodic("* * * * * */10", "lending.bureau_sweep")
def sweep(timestamp: int) -> None:
    """Every 10 s: make files of what waits, and look at what is due."""
    del timestamp
    if not set_up():
        return
    database().run(
        lambda session: reporting.rescue_runs(session, before=clock.now() - STILL, now=clock.now())
    )
    for _ in range(FILES_AT_ONCE):
        if database().run(lambda session: sending.make_file(session, now=clock.now())) is None:
            break
    database().run(lambda session: sending.claim_due(session, now=clock.now()))
    database().run(lambda session: disputes.claim_due(session, now=clock.now()))


@task(sending.STEP_TASK)
def step(*, file_id: str) -> None:
    """Take the next step of a file at the bureau. The call stands between two transactions, never in one."""
    there = bureau()
    if there is None:
        return  # not set up any more; the file keeps its state
    key = UUID(file_id)
    todo = database().run(partial(sending.begin_step, file_id=key, now=clock.now()))
    for _ in range(3):  # a question may lead to sending again, or to withdrawing
        if todo is None:
            return
        todo = _take(there, key, todo)


def _take(there: Bureau, key: UUID, todo: Step) -> Step | None:
    if todo.act is Act.SEND:
        reply = there.send(todo.ref, todo.content)
        database().run(partial(sending.record_sent, file_id=key, reply=reply, now=clock.now()))
        return None
    if todo.act is Act.ASK:
        reply = there.ask(todo.ref)
        return database().run(partial(sending.record_asked, file_id=key, reply=reply, now=clock.now()))
    if todo.act is Act.WITHDRAW:
        reply = there.withdraw(todo.ref)
        database().run(partial(sending.record_withdrawn, file_id=key, reply=reply, now=clock.now()))
        return None
    said = there.answer(todo.ref)
    if said is None:
        database().run(partial(sending.record_no_answer, file_id=key, now=clock.now()))
    else:
        database().run(partial(answers.take_answers, file_id=key, said=said, now=clock.now()))
    return None


@periodic("*/1 * * * *", "lending.bureau_disputes")
def fetch_disputes(timestamp: int) -> None:
    """Each minute: take in the disputes that the bureau forwards."""
    del timestamp
    there = bureau()
    if there is None:
        return
    after = database().run(disputes.cursor)
    rows = there.disputes(after)
    if rows:
        database().run(partial(disputes.take_in, rows=rows, now=clock.now()))


@task(disputes.ANSWER_TASK)
def answer_dispute(*, dispute_id: str) -> None:
    """Give the bureau the decision of a dispute that it forwarded."""
    there, key = bureau(), UUID(dispute_id)
    if there is None:
        return
    due = database().run(partial(disputes.begin_answer, dispute_id=key, now=clock.now()))
    if due is not None:
        reply = there.answer_dispute(due.ref, due.key, due.outcome, due.text)
        database().run(partial(disputes.record_answer, dispute_id=key, reply=reply, now=clock.now()))
