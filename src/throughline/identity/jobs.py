"""Background work of identity: what has ended is forgotten, so that its tables stay small."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from throughline.identity.models import Attempts, Challenge, Device, SessionRow
from throughline.kernel import clock
from throughline.kernel.db import Base, database
from throughline.kernel.jobs import periodic

KEEP_SESSIONS = timedelta(days=90)  # ended sessions stay visible to support and to investigations
KEEP_ATTEMPTS = timedelta(days=30)
BATCH = 5000


@periodic("41 * * * *", "identity.forget_ended")
def forget_ended(timestamp: int) -> None:
    """Every hour: delete expired challenges, old sessions, old devices and counters that nobody waits for."""
    del timestamp
    now = clock.real_now()
    database().run(lambda session: _forget(session, Challenge, Challenge.id, Challenge.expires_at < now))
    database().run(
        lambda session: _forget(session, SessionRow, SessionRow.id, SessionRow.ends_at < now - KEEP_SESSIONS)
    )
    database().run(lambda session: _forget(session, Device, Device.id, Device.ends_at < now))
    # A row that counts failures in a row is memory of an attack on one account: it stays.
    old = (Attempts.window_ends_at < now - KEEP_ATTEMPTS, Attempts.in_a_row < 10)
    database().run(lambda session: _forget(session, Attempts, Attempts.subject, *old))


def _forget(session: Session, table: type[Base], key: InstrumentedAttribute[Any], *which: Any) -> None:
    # A bounded batch each hour: a long delete would hold back everything else.
    session.execute(
        delete(table)
        .where(key.in_(select(key).where(*which).limit(BATCH)), *which)
        .execution_options(synchronize_session=False)
    )
