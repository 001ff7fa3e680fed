"""Challenges: a row for each ceremony, consumed by one UPDATE, so that nothing can be answered twice."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from throughline.identity import actions
from throughline.identity.models import Challenge
from throughline.kernel.errors import Problem
from throughline.kernel.i18n import N_

LIFE = timedelta(minutes=5)


class ChallengeGone(Problem):
    """Unknown, answered already, expired, or for something else."""

    status = 400
    code = "challenge-gone"
    title = N_("This request was answered already or has expired; begin again")


def issue(
    session: Session,
    purpose: str,
    *,
    now: datetime,
    borrower_id: UUID | None = None,
    session_id: UUID | None = None,
    authority: str | None = None,
    action: dict[str, Any] | None = None,
) -> Challenge:
    """A fresh challenge of 256 bits, good for 5 minutes; with an action it is bound to the action's hash."""
    nonce = secrets.token_bytes(32)
    row = Challenge(
        purpose=purpose,
        challenge=nonce if action is None else actions.challenge_for(nonce, action),
        borrower_id=borrower_id,
        session_id=session_id,
        authority=authority,
        nonce=None if action is None else nonce,
        action=action,
        action_hash=None if action is None else actions.action_hash(action),
        created_at=now,
        expires_at=now + LIFE,
    )
    session.add(row)
    session.flush()
    return row


def consume(session: Session, challenge_id: UUID, purpose: str, *, now: datetime) -> Challenge:
    """Take a challenge for good. Raises `ChallengeGone`; of two at once, one finds it gone.

    If the caller's transaction fails the challenge is free again: what failed was no valid signature,
    and a valid one can't be made from it.
    """
    row = session.scalars(
        update(Challenge)
        .where(
            Challenge.id == challenge_id,
            Challenge.purpose == purpose,
            Challenge.consumed_at.is_(None),
            Challenge.expires_at > now,
        )
        .values(consumed_at=now)
        .returning(Challenge),
        execution_options={"populate_existing": True},
    ).one_or_none()
    if row is None:
        raise ChallengeGone
    return row
