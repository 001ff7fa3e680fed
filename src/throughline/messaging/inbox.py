"""The inbox: what the borrower reads after signing in, written for every message at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.kernel import crypto
from throughline.kernel.errors import NotFound
from throughline.kernel.i18n import N_, Text
from throughline.kernel.ids import new_id
from throughline.messaging import flow
from throughline.messaging.models import MsgInbox
from throughline.messaging.templates import Params, Template, fill


class UnknownMessage(NotFound):
    """The borrower has no such message."""

    code = "unknown-message"
    title = N_("This message is not known here")


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """One message in both languages, as it was written that day."""

    id: UUID
    intent_id: UUID
    subject: Text
    body: Text
    created_at: datetime
    read_at: datetime | None


def write(
    session: Session, borrower_id: UUID, intent_id: UUID, text: Template, params: Params, *, now: datetime
) -> None:
    """Put a message into the inbox."""
    if text.subject is None or text.body is None:
        return
    row_id = new_id()
    content = {"subject": fill(text.subject, params), "body": fill(text.body, params)}
    session.add(
        MsgInbox(
            borrower_id=borrower_id,
            id=row_id,
            intent_id=intent_id,
            content=crypto.seal(
                session, borrower_id, _place(row_id), json.dumps(content, ensure_ascii=False)
            ),
            created_at=now,
        )
    )


def inbox(
    session: Session, borrower_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[InboxMessage]:
    """A borrower's messages, newest first; `after` is the last id of the page before."""
    wanted = select(MsgInbox).where(MsgInbox.borrower_id == borrower_id)
    if after is not None:
        wanted = wanted.where(MsgInbox.id < after)
    return [_view(session, row) for row in session.scalars(wanted.order_by(MsgInbox.id.desc()).limit(limit))]


def unread(session: Session, borrower_id: UUID) -> int:
    """How many messages the borrower has not opened."""
    return session.execute(
        select(func.count())
        .select_from(MsgInbox)
        .where(MsgInbox.borrower_id == borrower_id, MsgInbox.read_at.is_(None))
    ).scalar_one()


def mark_read(session: Session, borrower_id: UUID, message_id: UUID, *, now: datetime) -> InboxMessage:
    """Open a message; whatever of it was still to be sent outside is called off. Raises `UnknownMessage`."""
    row = session.get(MsgInbox, (borrower_id, message_id))
    if row is None:
        raise UnknownMessage
    if row.read_at is None:
        plan = flow.locked(session, row.intent_id, now=now)
        session.refresh(row)
        if row.read_at is None:
            row.read_at = now
            flow.told_by_reading(plan)
            session.flush()
    return _view(session, row)


def first_reading(session: Session, borrower_id: UUID, since: datetime, until: datetime) -> datetime | None:
    """When a borrower first opened a message of ours in a span of time; None: never."""
    return session.execute(
        select(func.min(MsgInbox.read_at)).where(
            MsgInbox.borrower_id == borrower_id, MsgInbox.read_at >= since, MsgInbox.read_at <= until
        )
    ).scalar_one()


def was_read(session: Session, borrower_id: UUID, intent_id: UUID) -> bool:
    """Whether the borrower has opened the message of this intent."""
    found = session.execute(
        select(MsgInbox.read_at).where(MsgInbox.borrower_id == borrower_id, MsgInbox.intent_id == intent_id)
    ).scalar_one_or_none()
    return found is not None


def _place(row_id: UUID) -> str:
    return f"msg_inbox|{row_id}|content"


def _view(session: Session, row: MsgInbox) -> InboxMessage:
    content = json.loads(crypto.open_sealed(session, row.borrower_id, _place(row.id), row.content))
    return InboxMessage(
        row.id, row.intent_id, content["subject"], content["body"], row.created_at, row.read_at
    )
