"""Whatever outages are recorded, in whatever order, nested or overlapping: nobody is worse off, and taking back restores.

Played on the real books. What is compared is all that a borrower could mind: what they owe, when, and how late they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from continuity.debtors import Debtor, debtor, noon, rolled_back, today
from throughline.continuity import incidents, protection, service
from throughline.continuity.episodes import NewEpisode, open_episode
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.lending import service as lending

DAY = timedelta(days=1)
REASON = {"zh-CN": "误判。", "en": "In error."}
TEXT = {"zh-CN": "停机", "en": "out"}


@dataclass(frozen=True)
class Outage:
    """Days are counted from the due date of the first installment."""

    cause: str
    kind: str
    first: int
    days: int


outages = st.lists(
    st.builds(
        Outage,
        cause=st.just("line"),
        kind=st.sampled_from(["suspended", "pre_cancelled"]),
        first=st.integers(-6, 6),
        days=st.integers(0, 9),
    )
    | st.builds(
        Outage,
        cause=st.just("own"),
        kind=st.sampled_from(["platform", "payment_channel", "message_route"]),
        first=st.integers(-4, 6),
        days=st.integers(0, 4),
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def one(database: Database) -> Debtor:
    return debtor(database, started_days_ago=50)


def record(session: Session, who: Debtor, outage: Outage) -> UUID:
    """Learn of an outage that is over."""
    began = noon(who.due + outage.first * DAY)
    ended = min(began + timedelta(days=outage.days, hours=1), clock.now())
    if outage.cause == "own":
        new = service.NewIncident(f"staff:{new_id()}", "own", outage.kind, {}, began)
        incident, _ = incidents.open_incident(session, new, now=clock.now())
        incidents.end_incident(session, incident.id, ended_at=ended, now=clock.now())
        return incidents.touch(session, incident, who.id, None, now=clock.now()).id
    episode, _ = open_episode(
        session,
        NewEpisode(
            borrower_id=who.id, cause="line", kind=outage.kind, source="staff", dark_since=began,
            ended_at=ended, reason=TEXT,
        ),
        now=clock.now(),
    )  # fmt: skip
    protection.protect_what_falls_due(session, episode, now=clock.now())
    return episode.id


def state(session: Session, who: Debtor, on: date) -> tuple[object, ...]:
    view = lending.loan_view(session, who.loan_id, on)
    return (
        view.due, view.paid, view.outstanding, view.delinquency, view.range,
        tuple((row.due_date, tuple(row.due)) for row in view.installments),
    )  # fmt: skip


def no_worse(session: Session, who: Debtor, on: date, before: lending.LoanView) -> None:
    after = lending.loan_view(session, who.loan_id, on)
    # In all: interest that is spared makes the rate of principal in the installment a little higher, so that a
    # penalty for days that are not protected may be a fen more, never more than what was spared.
    assert sum(after.due) <= sum(before.due)
    assert after.due[1] <= before.due[1]
    assert after.delinquency.delinquent_days <= before.delinquency.delinquent_days
    assert after.delinquency.past_due_days <= before.delinquency.past_due_days
    for new, old in zip(after.installments, before.installments, strict=True):
        assert new.due_date >= old.due_date


@settings(max_examples=25, deadline=None)
@given(outages, st.integers(0, 40))
def test_no_case_makes_a_borrower_worse_off(
    database: Database, one: Debtor, some: list[Outage], later: int
) -> None:
    with rolled_back(database) as session:
        days = (today(), today() + later * DAY)
        before = [lending.loan_view(session, one.loan_id, on) for on in days]
        for outage in some:
            record(session, one, outage)
            for on, old in zip(days, before, strict=True):
                no_worse(session, one, on, old)


@settings(max_examples=20, deadline=None)
@given(outages, st.randoms())
def test_the_order_of_recording_changes_nothing(
    database: Database, one: Debtor, some: list[Outage], random: object
) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = []
    for order in (some, shuffled):
        with rolled_back(database) as session:
            for outage in order:
                record(session, one, outage)
            found.append((state(session, one, today()), state(session, one, today() + 30 * DAY)))
    assert found[0] == found[1]


@settings(max_examples=20, deadline=None)
@given(outages)
def test_what_is_taken_back_had_never_been(database: Database, one: Debtor, some: list[Outage]) -> None:
    with rolled_back(database) as session:
        days = (today(), today() + 30 * DAY)
        before = [state(session, one, on) for on in days]
        for outage in some:
            episode_id = record(session, one, outage)
            for case in service.cases_of(session, episode_id):
                if case.state in ("granted", "ended", "review"):
                    service.revoke(session, case.id, reason=REASON, by=new_id(), now=clock.now())
            assert [state(session, one, on) for on in days] == before
