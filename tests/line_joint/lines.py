"""Borrowers with a running loan and a watched line in a given state, and grants in the hands of the tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from messaging.people import register
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.line import service as line
from throughline.line.joint import jobs, orders, views
from throughline.line.joint.eligibility import LoanFacts
from throughline.line.joint.models import JointGrant
from throughline.line.models import Line
from throughline.parties.purposes import Purpose

DATA = "SIM-DATA-500"
BRIDGE = "SIM-BRIDGE-30"
LOANS = LoanFacts(running=1, past_due_days=0, due_in_days=10)


@dataclass(frozen=True)
class Watched:
    """A borrower with a line."""

    borrower_id: UUID
    line_id: UUID


def watched(database: Database, state: str = "out_suspended", *, consent: bool = True) -> Watched:
    """A new borrower whose line is believed to be in a state."""
    purposes = [Purpose.CONTACT, Purpose.CONTINUITY, *([Purpose.JOINT_PLAN] if consent else [])]
    borrower = register(database, *purposes)
    with database.transaction() as session:
        return watch(session, borrower.id, borrower.phone, state)


def watch(session: Session, borrower_id: UUID, contact_point_id: UUID, state: str) -> Watched:
    line_id = line.register(session, borrower_id, contact_point_id, now=clock.now())
    assert line_id is not None
    row = session.get_one(Line, (borrower_id, line_id))
    row.state, row.probability = state, "0.9900"
    return Watched(borrower_id, line_id)


def ask_for(database: Database, who: Watched, offer_id: str, loans: LoanFacts = LOANS) -> UUID:
    return database.run(
        lambda session: orders.request(
            session, who.borrower_id, who.line_id, offer_id, loans, now=clock.now()
        )
    )


def step(grant_id: UUID) -> None:
    """Run the job of a grant, as the worker does."""
    jobs.step(grant_id=str(grant_id))


def grant_of(database: Database, grant_id: UUID) -> JointGrant:
    with database.transaction() as session:
        return views.grant(session, grant_id)


def age(database: Database, grant_id: UUID, by: timedelta) -> None:
    """The wall clock can't be moved: instead the grant was sent earlier, and its next step is due."""
    with database.transaction() as session:
        session.execute(
            text(
                "UPDATE line_joint_grant SET sent_at = sent_at - :by, next_step_at = least(next_step_at, :now)"
                " WHERE id = :id"
            ),
            {"by": by, "id": grant_id, "now": clock.real_now()},
        )


def changes(database: Database, grant_id: UUID) -> list[str]:
    """The states that were published of a grant, in order."""
    with database.transaction() as session:
        rows: list[Any] = list(
            session.execute(
                text(
                    "SELECT payload ->> 'new' FROM kernel_event WHERE aggregate_id = :id"
                    " AND type = 'line.joint_grant_changed.v1' ORDER BY seq"
                ),
                {"id": grant_id},
            ).scalars()
        )
    return rows
