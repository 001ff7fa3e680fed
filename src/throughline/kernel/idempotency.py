"""Idempotency: one key, one effect, one stored answer.

The record is inserted first in the business transaction. A second request with the same key waits on
the unique index until the first has committed, then gets the stored answer; the same key with another
body is refused. There is no "in progress" answer, so no client has to guess.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import rfc8785
from sqlalchemy import Index, LargeBinary, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from throughline.kernel import clock
from throughline.kernel.crypto import LENDER_ID, open_sealed, seal
from throughline.kernel.db import Base, Instant, database
from throughline.kernel.errors import Invalid
from throughline.kernel.i18n import N_
from throughline.kernel.jobs import periodic
from throughline.kernel.statement import Statement

KEEP = timedelta(days=90)


class KeyReused(Invalid):
    """The key was used for another request."""

    code = "idempotency-key-reused"
    title = N_("This Idempotency-Key belongs to another request; use a new key for a new request")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered: HTTP status and JSON body."""

    status: int
    body: Any
    repeated: bool = False


class IdempotencyRecord(Base):
    """The answer given for (scope, key). `scope` is the caller and the operation."""

    __tablename__ = "kernel_idempotency"
    __table_args__ = (Index("ix_kernel_idempotency_created_at", "created_at"),)

    scope: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None]
    body: Mapped[bytes | None] = mapped_column(
        LargeBinary
    )  # sealed: an answer may hold what is shown only once
    for_ever: Mapped[bool]
    created_at: Mapped[Instant]


def request_hash(document: Any) -> bytes:
    """SHA-256 of a request's canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(document)).digest()


def once(
    session: Session,
    *,
    scope: str,
    key: str,
    fingerprint: bytes,
    verb: Callable[[Session], Answer],
    for_ever: bool = False,
) -> Answer:
    """Run the verb unless (scope, key) has an answer already; all in the caller's transaction.

    Raises `KeyReused` when the key came with another request before. A verb that raises leaves nothing,
    so the same key may be tried again.
    """
    place = f"kernel_idempotency|{scope}|{key}"
    if not _CLAIM.rows(session, scope, key, fingerprint, for_ever, clock.real_now()):
        known_hash, status, sealed = _KNOWN.rows(session, scope, key)[0]
        if known_hash != fingerprint:
            raise KeyReused
        body = json.loads(open_sealed(session, LENDER_ID, place, sealed))
        return Answer(status, body, repeated=True)
    answer = verb(session)
    sealed = seal(session, LENDER_ID, place, json.dumps(answer.body))
    session.flush()
    _ANSWER.rows(session, scope, key, answer.status, sealed)
    return answer


_CLAIM = Statement(
    """
    INSERT INTO kernel_idempotency (scope, key, request_hash, for_ever, created_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING RETURNING true
    """
)
_KNOWN = Statement("SELECT request_hash, status, body FROM kernel_idempotency WHERE scope = $1 AND key = $2")
_ANSWER = Statement(
    "UPDATE kernel_idempotency SET status = $3, body = $4 WHERE scope = $1 AND key = $2 RETURNING true"
)


@periodic("23 3 * * *", "kernel.forget_idempotency")
def forget_idempotency(timestamp: int) -> None:
    """Every night: drop answers older than 90 days, but those of money verbs."""
    del timestamp
    database().run(
        lambda session: session.execute(
            delete(IdempotencyRecord).where(
                IdempotencyRecord.created_at < clock.real_now() - KEEP, IdempotencyRecord.for_ever.is_(False)
            )
        )
    )
