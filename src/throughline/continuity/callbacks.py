"""People to call back: a borrower names a number on which they can be reached, staff call and say what came of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.continuity import chronicle
from throughline.continuity.models_way import Callback
from throughline.kernel import crypto
from throughline.kernel.errors import Conflict, Invalid, NotFound
from throughline.kernel.i18n import N_, bilingual
from throughline.kernel.ids import new_id

TOPICS = ("repay", "application", "sign_in", "outage", "complaint", "other")
TIMES = ("any", "morning", "afternoon", "evening")
WITHIN = timedelta(days=1)
MOST_OPEN = 2
MOST_TRIES = 3
MOST_WORDS = 500
_NUMBER = re.compile(r"^\+?[0-9][0-9 ()-]{4,24}$")


class NoNumber(Invalid):
    """The number can't be called."""

    code = "callback-number"
    title = N_("Please give a phone number with digits only, such as +86 138 0000 0000")


class CallbackUnclear(Invalid):
    """The topic or the time is none that we know."""

    code = "callback-unclear"
    title = N_("Please choose what it is about and when we may call")


class CallbacksOpen(Conflict):
    """There are enough open ones."""

    code = "callbacks-open"
    title = N_("You have asked for a call already; we will call you")


class CallbackUnknown(NotFound):
    """No such open request."""

    code = "callback-unknown"
    title = N_("There is no such open request for a call")


@dataclass(frozen=True, slots=True)
class CallbackView:
    """A request as staff see it who are about to call."""

    id: UUID
    borrower_id: UUID
    topic: str
    number: str
    words: str
    best_time: str
    state: str
    tries: int
    made_at: datetime
    due_at: datetime
    taken_by: UUID | None


def ask(
    session: Session,
    borrower_id: UUID,
    *,
    number: str,
    topic: str,
    words: str = "",
    best_time: str = "any",
    now: datetime,
) -> UUID:
    """Ask to be called within a day; returns the request's id. Raises NoNumber, CallbackUnclear, CallbacksOpen."""
    if not _NUMBER.fullmatch(number.strip()):
        raise NoNumber(NoNumber.title, field="number")
    if topic not in TOPICS or best_time not in TIMES:
        raise CallbackUnclear
    if _open(session, borrower_id) >= MOST_OPEN:
        raise CallbacksOpen
    row_id = new_id()
    session.add(
        Callback(
            borrower_id=borrower_id,
            id=row_id,
            topic=topic,
            number=crypto.seal(session, borrower_id, _place(row_id, "number"), number.strip()),
            words=crypto.seal(session, borrower_id, _place(row_id, "words"), words[:MOST_WORDS]),
            best_time=best_time,
            state="open",
            tries=0,
            made_at=now,
            due_at=now + WITHIN,
        )
    )
    session.flush()
    chronicle.note_for_borrower(
        session,
        borrower_id,
        "callback",
        bilingual(N_("The borrower asks to be called on another number.")),
        at=now,
    )
    return row_id


def queue(session: Session, *, after: UUID | None, limit: int) -> list[Callback]:
    """A page of open requests, the oldest first; without numbers and words."""
    query = select(Callback).where(Callback.state == "open")
    if after is not None:
        query = query.where(Callback.id > after)
    return list(session.scalars(query.order_by(Callback.id).limit(limit)))


def view(session: Session, callback_id: UUID) -> CallbackView:
    """One request, opened for the person who calls. Raises CallbackUnknown."""
    row = session.scalars(select(Callback).where(Callback.id == callback_id)).one_or_none()
    if row is None:
        raise CallbackUnknown
    return CallbackView(
        row.id,
        row.borrower_id,
        row.topic,
        crypto.open_sealed(session, row.borrower_id, _place(row.id, "number"), row.number),
        crypto.open_sealed(session, row.borrower_id, _place(row.id, "words"), row.words),
        row.best_time,
        row.state,
        row.tries,
        row.made_at,
        row.due_at,
        row.taken_by,
    )


def called(session: Session, callback_id: UUID, *, reached: bool, by: UUID, now: datetime) -> Callback:
    """Say what came of a call: reached, or not; after three tries without an answer it is over.

    Raises CallbackUnknown.
    """
    row = session.scalars(
        select(Callback).where(Callback.id == callback_id, Callback.state == "open").with_for_update()
    ).one_or_none()
    if row is None:
        raise CallbackUnknown
    row.tries += 1
    row.taken_by = by
    if reached or row.tries >= MOST_TRIES:
        row.state, row.closed_at = "reached" if reached else "not_reached", now
    else:
        row.due_at = now + WITHIN
    said = (
        N_("The borrower was called and reached.")
        if reached
        else N_("The borrower was called; nobody answered.")
    )
    chronicle.note_for_borrower(session, row.borrower_id, "callback", bilingual(said), at=now)
    return row


def withdraw(session: Session, borrower_id: UUID, callback_id: UUID, *, now: datetime) -> None:
    """The borrower needs no call any more. Raises CallbackUnknown."""
    row = session.get(Callback, (borrower_id, callback_id), with_for_update=True)
    if row is None or row.state != "open":
        raise CallbackUnknown
    row.state, row.closed_at = "withdrawn", now


def open_of(session: Session, borrower_id: UUID) -> list[Callback]:
    """The borrower's open requests (at most two)."""
    return list(
        session.scalars(
            select(Callback)
            .where(Callback.borrower_id == borrower_id, Callback.state == "open")
            .order_by(Callback.id)
            .limit(10)
        )
    )


def _open(session: Session, borrower_id: UUID) -> int:
    return session.execute(
        select(func.count())
        .select_from(Callback)
        .where(Callback.borrower_id == borrower_id, Callback.state == "open")
    ).scalar_one()


def _place(callback_id: UUID, what: str) -> str:
    return f"continuity_callback|{callback_id}|{what}"
