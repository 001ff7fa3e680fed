"""Locking the books through a posting date, and unlocking them: acts with an actor and a reason, kept for ever."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.kernel.errors import Conflict, Invalid
from throughline.kernel.i18n import N_
from throughline.ledger.days import post_alone
from throughline.ledger.models import LedgerDay, PeriodAct


class PeriodNotClosed(Conflict):
    """Only days that the close of business has closed can be locked."""

    code = "period-not-closed"
    title = N_("That day is still open, or was never closed")


class LockUnchanged(Conflict):
    """The act would change nothing, or turn the other way."""

    code = "period-lock-unchanged"
    title = N_("The books are not locked that way")


@dataclass(frozen=True, slots=True)
class PeriodActView:
    """A lock or an unlock. `locked_through` is what stands since: the last locked day, None for none."""

    action: str
    locked_through: date | None
    actor: str
    reason: str
    recorded_at: datetime


def locked_through(session: Session) -> date | None:
    """The last locked posting date, None when nothing is locked."""
    return session.scalars(
        select(PeriodAct.locked_through).order_by(PeriodAct.id.desc()).limit(1)
    ).one_or_none()


def lock_period(session: Session, through: date, *, actor: str, reason: str, now: datetime) -> None:
    """Refuse postings on dates up to and with `through`. The open business date stays behind every lock.

    Raises PeriodNotClosed, LockUnchanged, Invalid.
    """
    post_alone(session)
    newest = session.execute(select(func.max(LedgerDay.posting_date))).scalar_one()
    if newest is None or through > newest:
        raise PeriodNotClosed(
            N_("Closed through: %(day)s"), day=newest.isoformat() if newest is not None else "–"
        )
    before = locked_through(session)
    if before is not None and through <= before:
        raise LockUnchanged
    _act(session, "lock", through, actor, reason, now)


def unlock_period(session: Session, back_to: date | None, *, actor: str, reason: str, now: datetime) -> None:
    """Take the lock back so that `back_to` is the last locked day (None: nothing is locked).

    Raises LockUnchanged, Invalid.
    """
    post_alone(session)
    before = locked_through(session)
    if before is None or (back_to is not None and back_to >= before):
        raise LockUnchanged
    _act(session, "unlock", back_to, actor, reason, now)


def _act(session: Session, action: str, through: date | None, actor: str, reason: str, now: datetime) -> None:
    if not reason.strip():
        raise Invalid(N_("A reason is needed"), field="reason")
    session.add(
        PeriodAct(action=action, locked_through=through, actor=actor, reason=reason.strip(), recorded_at=now)
    )
    session.flush()


def period_acts(session: Session, *, limit: int = 50) -> list[PeriodActView]:
    """The newest locks and unlocks."""
    rows = session.scalars(select(PeriodAct).order_by(PeriodAct.id.desc()).limit(limit))
    return [
        PeriodActView(row.action, row.locked_through, row.actor, row.reason, row.recorded_at) for row in rows
    ]
