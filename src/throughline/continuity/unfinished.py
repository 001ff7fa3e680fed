"""What a borrower was doing when the line went: kept, and offered again by a route that works."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from throughline.continuity import chronicle
from throughline.continuity.models import Episode
from throughline.continuity.models_way import Unfinished
from throughline.kernel.i18n import N_, bilingual
from throughline.kernel.ids import new_id
from throughline.messaging import service as messaging

# States of an application in which the next step is the borrower's, and what that step is.
STEPS = {"draft": "application", "offered": "signature", "signing": "signature"}
HELD = {
    "application": N_("The borrower was in the middle of an application; it is kept and offered again."),
    "signature": N_("The borrower was about to sign a contract; it is kept and offered again."),
    "repayment": N_("The borrower was in the middle of a repayment; it is kept and offered again."),
}
RECENT = timedelta(days=14)  # older ones were left, not interrupted
DEADLINE = timedelta(days=14)


def note(
    session: Session, borrower_id: UUID, kind: str, subject_id: UUID, step: str, *, now: datetime
) -> None:
    """Something was begun or went on; safe to repeat."""
    session.execute(
        insert(Unfinished)
        .values(
            borrower_id=borrower_id, id=new_id(), kind=kind, subject_id=subject_id, step=step, changed_at=now
        )
        .on_conflict_do_update(
            index_elements=["kind", "subject_id"],
            set_={"step": step, "changed_at": now, "done_at": None, "outcome": None},
        )
    )
    session.expire_all()


def finish(session: Session, kind: str, subject_id: UUID, outcome: str, *, now: datetime) -> bool:
    """It came to its end; False where nothing was begun."""
    row = session.scalars(
        select(Unfinished)
        .where(Unfinished.kind == kind, Unfinished.subject_id == subject_id, Unfinished.done_at.is_(None))
        .with_for_update()
    ).one_or_none()
    if row is None:
        return False
    row.done_at, row.outcome = now, outcome
    return True


def on_application(
    session: Session, borrower_id: UUID, application_id: UUID, state: str, *, now: datetime
) -> None:
    """An application moved: what of it is left to the borrower, and what is done."""
    wanted = STEPS.get(state)
    for kind in ("application", "signature"):
        if kind == wanted:
            note(session, borrower_id, kind, application_id, state, now=now)
        else:
            finish(session, kind, application_id, state, now=now)


def hold(session: Session, episode: Episode, *, now: datetime) -> int:
    """An outage began: keep what the borrower had begun lately, and tell them where it stands; returns how many.

    The message goes by the routes that still work; what it says stands behind the sign-in.
    """
    held = 0
    for row in open_of(session, episode.borrower_id):
        if row.held_by is not None or row.changed_at < now - RECENT:
            continue
        row.held_at, row.held_by = now, episode.id
        chronicle.note(
            session, episode, "held", bilingual(HELD[row.kind]), at=now,
            details={"begun": row.kind, "step": row.step},
        )  # fmt: skip
        held += 1
    if held:
        messaging.request(
            session,
            messaging.NewIntent(
                borrower_id=episode.borrower_id,
                idem_key=f"go-on:{episode.id}",
                purpose="service_continuity",
                klass="continuity",
                template="go_on_where_you_were",
                params={},
                deadline=now + DEADLINE,
                subject=f"episode:{episode.id}",
            ),
            now=now,
        )
    return held


def offer_again(session: Session, episode: Episode, *, now: datetime) -> int:
    """The person is here by another route: what was held is offered to them now; returns how many."""
    rows = [row for row in open_of(session, episode.borrower_id) if row.held_by == episode.id]
    for row in rows:
        if row.offered_at is None:
            row.offered_at = now
            chronicle.note(
                session,
                episode,
                "offered_again",
                bilingual(N_("What was held is offered to the borrower again, by a route that works.")),
                at=now,
                details={"begun": row.kind, "step": row.step},
            )
    return len(rows)


def open_of(session: Session, borrower_id: UUID) -> list[Unfinished]:
    """What a borrower has begun and not ended, newest first (at most 20); locked."""
    return list(
        session.scalars(
            select(Unfinished)
            .where(Unfinished.borrower_id == borrower_id, Unfinished.done_at.is_(None))
            .order_by(Unfinished.changed_at.desc())
            .limit(20)
            .with_for_update()
        )
    )


def held_of(session: Session, borrower_id: UUID) -> list[Unfinished]:
    """What is held for a borrower, for the overview: newest first, at most 20."""
    return list(
        session.scalars(
            select(Unfinished)
            .where(
                Unfinished.borrower_id == borrower_id,
                Unfinished.done_at.is_(None),
                Unfinished.held_at.is_not(None),
            )
            .order_by(Unfinished.changed_at.desc())
            .limit(20)
        )
    )
