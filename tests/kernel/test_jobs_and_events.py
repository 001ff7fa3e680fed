"""Jobs, timers and events on a real database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel import clock, events, jobs
from throughline.kernel.db import Database
from throughline.kernel.db import database as this_database
from throughline.kernel.events import StoredEvent
from throughline.kernel.ids import new_id

ran: list[str] = []


@jobs.task("test.note")
def note(*, word: str) -> None:
    ran.append(word)


@jobs.task("test.fail", max_attempts=3)
def fail(*, word: str) -> None:
    ran.append(word)
    raise RuntimeError("call +8613800138000 about 110101199003071233")


@pytest.fixture(autouse=True)
def _fresh() -> None:
    ran.clear()


def _count(session: Session, what: str) -> int:
    return int(session.execute(text(f"SELECT count(*) FROM {what}")).scalar_one())


def test_a_rollback_defers_nothing(database: Database, run_jobs: Callable[..., int]) -> None:
    with database.transaction() as session:
        jobs.defer(session, "test.note", {"word": "lost"})
        session.rollback()
    with database.transaction() as session:
        jobs.defer(session, "test.note", {"word": "kept"})
    run_jobs()
    assert ran == ["kept"]


def test_many_jobs_keep_their_order(database: Database, run_jobs: Callable[..., int]) -> None:
    words = [f"{n:03}" for n in range(200)]
    with database.transaction() as session:
        ids = jobs.defer_many(
            session, [jobs.NewJob("test.note", {"word": word}, lock="one") for word in words]
        )
    assert ids == sorted(ids)
    run_jobs()
    assert ran == words


def test_a_failing_job_ends_dead_and_is_shown_without_personal_data(
    database: Database, run_jobs: Callable[..., int]
) -> None:
    with database.transaction() as session:
        job_id = jobs.defer(session, "test.fail", {"word": "again"})
    run_jobs()
    assert ran == ["again"] * 3
    with database.transaction() as session:
        status = session.execute(
            text("SELECT status::text FROM procrastinate_jobs WHERE id = :id"), {"id": job_id}
        ).scalar_one()
        failure = session.get_one(jobs.JobFailure, job_id)
    assert status == "failed"
    assert failure.runs == 3
    assert "13800138000" not in failure.error
    assert "110101199003071233" not in failure.error


def test_a_timer_waits_for_business_time(
    database: Database, run_jobs: Callable[..., int], demo_clock: Callable[..., timedelta]
) -> None:
    with database.transaction() as session:
        due = clock.now() + timedelta(days=2)
        jobs.set_timer(session, "test", "one", due, "test.note", {"word": "due"})
        jobs.set_timer(session, "test", "two", due, "test.note", {"word": "cancelled"})
    run_jobs()
    assert ran == []
    with database.transaction() as session:
        assert jobs.cancel_timer(session, "test", "two")
        assert not jobs.cancel_timer(session, "test", "two")
    demo_clock(days=3)
    run_jobs()
    assert ran == ["due"]


def test_long_waits_and_scheduled_locks_are_refused(session: Session) -> None:
    with pytest.raises(ValueError, match="timers"):
        jobs.defer(session, "test.note", {"word": "x"}, at=clock.real_now() + timedelta(hours=1))
    with pytest.raises(ValueError, match="lock"):
        jobs.defer(session, "test.note", {"word": "x"}, at=clock.real_now(), lock="a")


def test_jobs_of_a_dead_worker_go_back(database: Database, run_jobs: Callable[..., int]) -> None:
    with database.transaction() as session:
        job_id = jobs.defer(session, "test.note", {"word": "rescued"})
        session.execute(
            text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute')")
        )
        session.execute(
            text(
                "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)"
                " WHERE id = :id"
            ),
            {"id": job_id},
        )
    with database.transaction() as session:
        assert jobs.requeue_stalled(session, now=clock.real_now()) == 1
    run_jobs()
    assert ran == ["rescued"]


def test_a_job_that_outran_its_limit_goes_back_from_a_living_worker(database: Database) -> None:
    with database.transaction() as session:
        job_id = jobs.defer(session, "test.note", {"word": "late"})
        session.execute(text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())"))
        session.execute(
            text(
                "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM procrastinate_workers)"
                " WHERE id = :id"
            ),
            {"id": job_id},
        )
    with database.transaction() as session:
        assert jobs.requeue_stalled(session, now=clock.real_now()) == 0
        # The heartbeat is told to be young as well, so that only the age of the run counts.
        later = clock.real_now() + timedelta(minutes=11)
        session.execute(text("UPDATE procrastinate_workers SET last_heartbeat = :at"), {"at": later})
        assert jobs.requeue_stalled(session, now=later) == 1
        session.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": job_id})


@dataclass(frozen=True, slots=True)
class Happened:
    TYPE: ClassVar[str] = "test.happened.v1"
    nr: int
    thing_id: UUID


got: list[tuple[str, UUID, int]] = []
broken: set[UUID] = set()


@events.subscribe("test.happened.v1", name="test.listener")
def listen(session: Session, event: StoredEvent) -> None:
    if event.aggregate_id in broken:
        raise RuntimeError("not now")
    got.append(("listener", event.aggregate_id, event.payload["nr"]))


@pytest.fixture
def _clean_events() -> Iterator[None]:
    got.clear()
    broken.clear()
    yield
    broken.clear()


def _publish(thing: UUID, *numbers: int) -> list[UUID]:
    with this_database().transaction() as session:
        return [
            events.publish(
                session, Happened(nr, thing), aggregate_type="thing", aggregate_id=thing, borrower_id=None
            )
            for nr in numbers
        ]


@pytest.mark.usefixtures("_clean_events", "database")
def test_events_arrive_in_order_and_once(run_jobs: Callable[..., int]) -> None:
    thing = new_id()
    ids = _publish(thing, 1, 2, 3)
    _publish(thing, 4)
    run_jobs()
    assert got == [("listener", thing, nr) for nr in (1, 2, 3, 4)]
    with this_database().transaction() as session:
        assert not events.deliver(session, ids[0], "test.listener")
    assert len(got) == 4


@pytest.mark.usefixtures("_clean_events", "database")
def test_a_failing_handler_blocks_only_its_aggregate(
    run_jobs: Callable[..., int], database: Database
) -> None:
    sick, well = new_id(), new_id()
    broken.add(sick)
    _publish(sick, 1, 2)
    _publish(well, 1, 2)
    run_jobs(rounds=3)
    assert got == [("listener", well, 1), ("listener", well, 2)]
    with database.transaction() as session:
        waiting = session.execute(
            text(
                "SELECT f.task_name, f.runs FROM kernel_job_failure f JOIN procrastinate_jobs j ON j.id = f.job_id WHERE j.status = 'todo'"
            )
        ).all()
    assert [(row.task_name, row.runs >= 1) for row in waiting] == [("kernel.deliver_event", True)]
    broken.clear()
    run_jobs()
    assert got[2:] == [("listener", sick, 1), ("listener", sick, 2)]


@pytest.mark.usefixtures("_clean_events")
def test_a_rolled_back_event_is_not_delivered(database: Database, run_jobs: Callable[..., int]) -> None:
    with database.transaction() as session:
        events.publish(
            session, Happened(1, new_id()), aggregate_type="thing", aggregate_id=new_id(), borrower_id=None
        )
        session.rollback()
    run_jobs()
    assert got == []
