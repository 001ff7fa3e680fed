"""Outages of many: one incident, an episode for each borrower who owes something then, moved due dates, one end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from continuity.debtors import Debtor, debtor, noon, today
from throughline.compliance.calendars import working_days
from throughline.continuity import incidents, service
from throughline.continuity.models import Episode
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.lending import service as lending

DAY = timedelta(days=1)


def ours(
    session: Session, who: Debtor, kind: str = "platform", *, days_ago: int = 10
) -> incidents.OutageIncident:
    del who
    found, fresh = service.open_incident(
        session,
        service.NewIncident(f"staff:{uuid4()}", "own", kind, {}, noon(today() - days_ago * DAY)),
        now=clock.now(),
    )
    assert fresh
    return found


def episodes_of(session: Session, incident_id: UUID, who: Debtor) -> list[Episode]:
    return [one for one in service.episodes_page(session, borrower_id=who.id, after=None, limit=10)
            if one.incident_id == incident_id]  # fmt: skip


def test_whom_our_outage_touches_and_how_it_ends(
    database: Database, late: Debtor, early: Debtor, run_jobs: Callable[..., int]
) -> None:
    with database.transaction() as session:
        before = lending.loan_view(session, late.loan_id)
        interest = before.due[1]
        found = ours(session, late)
        again, fresh = service.open_incident(
            session,
            service.NewIncident(found.source_ref, "own", "platform", {}, found.began_at),
            now=clock.now(),
        )
        assert (again.id, fresh) == (found.id, False)
    run_jobs(rounds=3, timers=False, hurry=False)
    with database.transaction() as session:
        (episode,) = episodes_of(session, found.id, late)
        (case,) = service.cases_of(session, episode.id)
        assert (episode.cause, case.state) == ("own", "granted")
        assert episodes_of(session, found.id, early) == []  # nothing of theirs falls due then
        assert lending.loan_view(session, late.loan_id).due[3] == 0
        end = noon(late.due + DAY)
        service.end_incident(session, found.id, ended_at=end, now=clock.now())
        with pytest.raises(incidents.IncidentOver):
            service.end_incident(session, found.id, ended_at=end, now=clock.now())
    run_jobs(rounds=3, timers=False, hurry=False)
    with database.transaction() as session:
        (episode,) = episodes_of(session, found.id, late)
        assert (episode.state, episode.back_at) == ("closed", end)
        (case,) = service.cases_of(session, episode.id)
        assert case.state == "ended"
        after = lending.loan_view(session, late.loan_id)
        moved = after.installments[0].due_date
        assert moved == working_days("CN").on_or_after(late.due + 2 * DAY)
        assert after.due[1] <= interest  # the move costs nothing
        assert sum(after.due) <= sum(before.due)


def test_a_carriers_incident_touches_its_own_lines_only(
    database: Database, late: Debtor, run_jobs: Callable[..., int]
) -> None:
    """Nobody in this test has a line with that carrier, so nobody gets an episode."""
    with database.transaction() as session:
        new = service.NewIncident(
            f"line:{uuid4()}", "carrier", "network", {"carrier": "nowhere", "region": ""}, noon(late.due)
        )
        found, _ = service.open_incident(session, new, now=clock.now())
    run_jobs(rounds=2, timers=False, hurry=False)
    with database.transaction() as session:
        count = session.scalar(
            select(func.count()).select_from(Episode).where(Episode.incident_id == found.id)
        )
        assert count == 0
        assert service.incident(session, found.id).covered_at is not None


def test_an_incident_is_covered_in_pages_and_again_without_doubling(database: Database) -> None:
    some = [debtor(database) for _ in range(5)]
    with database.transaction() as session:
        found = ours(session, some[0], "message_route")
    patch = pytest.MonkeyPatch()
    patch.setattr(incidents, "CHUNK", 2)
    try:
        for _ in range(2):
            after: UUID | None = None
            for _ in range(1_000):
                with database.transaction() as session:
                    after = incidents.cover(session, found.id, after, now=clock.now())
                if after is None:
                    break
    finally:
        patch.undo()
    with database.transaction() as session:
        for one in some:
            (episode,) = episodes_of(session, found.id, one)
            assert len(service.cases_of(session, episode.id)) == 1
        service.end_incident(session, found.id, ended_at=clock.now(), now=clock.now())


@pytest.mark.parametrize(
    "changes",
    [
        {"cause": "line", "kind": "suspended"},
        {"kind": "rain"},
        {"scope": {"planet": "Mars"}},
        {"cause": "carrier", "kind": "network", "scope": {}},
        {"began_at": clock.now() + timedelta(days=2)},
        {"began_at": clock.now() - timedelta(days=400)},
    ],
)
def test_what_cannot_be_is_refused(session: Session, changes: dict[str, object]) -> None:
    given: dict[str, object] = {
        "source_ref": "staff:x", "cause": "own", "kind": "platform", "scope": {}, "began_at": clock.now(),
    }  # fmt: skip
    with pytest.raises(incidents.IncidentImpossible):
        service.open_incident(session, service.NewIncident(**(given | changes)), now=clock.now())  # type: ignore[arg-type]


def test_an_incident_that_is_not_there(session: Session) -> None:
    with pytest.raises(incidents.IncidentUnknown):
        service.incident(session, uuid4())
    with pytest.raises(incidents.IncidentUnknown):
        service.end_incident(session, uuid4(), ended_at=clock.now(), now=clock.now())


def test_who_has_paid_meanwhile_is_not_left_in_an_incident_that_is_over(
    database: Database, run_jobs: Callable[..., int]
) -> None:
    who = debtor(database, started_days_ago=31)
    with database.transaction() as session:
        found, _ = service.open_incident(
            session,
            service.NewIncident(f"staff:{uuid4()}", "own", "message_route", {}, noon(who.due)),
            now=clock.now(),
        )
    run_jobs(rounds=3, timers=False, hurry=False)
    with database.transaction() as session:
        (episode,) = episodes_of(session, found.id, who)
        assert episode.state == "open"
        view = lending.loan_view(session, who.loan_id)
        paid = lending.NewEvent(
            type=lending.EventType.REPAYMENT,
            value_date=who.due,
            amount_minor=sum(view.due),
            idempotency_key=f"paid:{who.loan_id}",
        )
        lending.record_event(session, who.loan_id, paid, now=clock.now())
        service.end_incident(session, found.id, ended_at=clock.now(), now=clock.now())
    run_jobs(rounds=3, timers=False, hurry=False)
    with database.transaction() as session:
        (episode,) = episodes_of(session, found.id, who)
        assert episode.state == "closed"
