"""What borrowers say of their lines, and evidence against it: shown to staff, and never by absence.

A claim moves no belief. It is weighed when it is made and whenever later evidence of its line comes in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from throughline.kernel.db import plain_array
from throughline.kernel.errors import Conflict, Invalid, NotFound
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.line import contradiction
from throughline.line.beliefs import Batch
from throughline.line.contradiction import Claim, Sign
from throughline.line.events import LineClaimContradicted, LineClaimed
from throughline.line.models import Line, LineClaim, LineSignal
from throughline.line.state import Meaning, PublicState
from throughline.line.track import instant

CLAIMABLE = tuple(
    state.value for state in PublicState if state not in {PublicState.UNKNOWN, PublicState.REASSIGNED}
)
LONGEST_PAST = timedelta(days=180)
WEIGHED_FOR = timedelta(days=180)  # after it was made
MOST_LATELY = 20  # of a line in 30 days
MAX_SIGNS = 2_000


class LineNotYours(NotFound):
    """The borrower has no such line."""

    code = "line-unknown"
    title = N_("You have no such line with us")


class ClaimImpossible(Invalid):
    """The times of a claim can't be."""

    code = "line-claim-impossible"
    title = N_(
        "A report begins in the past, at most 180 days ago, and ends after its begin and not later than now"
    )


class TooManyClaims(Conflict):
    """Somebody reports the same line again and again."""

    code = "line-claims-too-many"
    title = N_("You have reported this line often lately; we have all that you told us")


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim as staff see it. `contradicted_at` empty: nothing speaks against it."""

    id: UUID
    line_id: UUID
    borrower_id: UUID
    state: str
    from_at: datetime
    to_at: datetime | None
    made_at: datetime
    made_by: str
    contradicted_at: datetime | None
    evidence: list[Any]


def make(
    session: Session,
    borrower_id: UUID,
    line_id: UUID,
    *,
    state: str,
    from_at: datetime,
    to_at: datetime | None,
    now: datetime,
    made_by: str = "borrower",
) -> UUID:
    """Store what a borrower says of a line; returns the claim's id.

    Raises LineNotYours, ClaimImpossible, TooManyClaims.
    """
    line = session.get(Line, (borrower_id, line_id), with_for_update=True)
    if line is None:
        raise LineNotYours
    if (
        state not in CLAIMABLE
        or not now - LONGEST_PAST <= from_at <= now
        or not (to_at is None or from_at < to_at <= now)
    ):
        raise ClaimImpossible
    lately = session.scalars(
        select(LineClaim.id)
        .where(LineClaim.line_id == line_id, LineClaim.made_at > now - timedelta(days=30))
        .limit(MOST_LATELY)
    ).all()
    if len(lately) >= MOST_LATELY:
        raise TooManyClaims
    row = LineClaim(
        borrower_id=borrower_id,
        id=new_id(),
        line_id=line_id,
        state=state,
        from_at=from_at,
        to_at=to_at,
        made_at=now,
        made_by=made_by,
        contradicted_at=None,
        evidence=[],
    )
    session.add(row)
    session.flush()
    publish(
        session,
        LineClaimed(row.id, line_id, borrower_id, line.contact_point_id, state, from_at, to_at, now),
        aggregate_type="line",
        aggregate_id=line_id,
        borrower_id=borrower_id,
    )
    _weigh(session, row, line.contact_point_id)
    return row.id


def weigh(session: Session, batch: Batch, *, now: datetime) -> None:
    """Weigh the claims of locked lines anew; what was contradicted once stays so."""
    points = {line.id: line.contact_point_id for line in batch.lines}
    rows = session.scalars(
        select(LineClaim)
        .where(
            text("line_claim.line_id = ANY (CAST(:claimed AS uuid[]))").bindparams(
                claimed=plain_array(points)
            ),
            LineClaim.contradicted_at.is_(None),
            LineClaim.made_at > now - WEIGHED_FOR,
        )
        .order_by(LineClaim.id)
        .limit(10_000)
    ).all()
    for row in rows:
        _weigh(session, row, points[row.line_id])


def of_line(session: Session, line_id: UUID, *, limit: int = 100) -> list[ClaimView]:
    """The claims about a line, newest first."""
    rows = session.scalars(
        select(LineClaim).where(LineClaim.line_id == line_id).order_by(LineClaim.made_at.desc()).limit(limit)
    )
    return [
        ClaimView(
            row.id, row.line_id, row.borrower_id, row.state, row.from_at, row.to_at, row.made_at, row.made_by,
            row.contradicted_at, row.evidence,
        )
        for row in rows
    ]  # fmt: skip


def _weigh(session: Session, row: LineClaim, contact_point_id: UUID) -> None:
    verdict = contradiction.against(
        Claim(
            row.made_at.timestamp(),
            row.made_at.timestamp(),
            row.state,
            row.from_at.timestamp(),
            row.to_at.timestamp() if row.to_at else None,
        ),
        _signs(session, row),
    )
    if verdict is None:
        return
    at_s, named = verdict
    row.contradicted_at, row.evidence = instant(at_s), list(named)
    session.flush()
    publish(
        session,
        LineClaimContradicted(
            row.id, row.line_id, row.borrower_id, contact_point_id, row.contradicted_at, list(named)
        ),
        aggregate_type="line",
        aggregate_id=row.line_id,
        borrower_id=row.borrower_id,
    )


def _signs(session: Session, row: LineClaim) -> Sequence[Sign]:
    rows = session.execute(
        select(LineSignal.id, LineSignal.observed_at, LineSignal.received_at, LineSignal.meaning)
        .where(
            LineSignal.line_id == row.line_id,
            LineSignal.observed_at >= row.from_at,
            LineSignal.observed_at <= (row.to_at or row.made_at),
            LineSignal.meaning.is_not(None),
        )
        .order_by(LineSignal.observed_at)
        .limit(MAX_SIGNS)
    )
    return [
        Sign(observed.timestamp(), received.timestamp(), Meaning(meaning or ""), str(signal_id))
        for signal_id, observed, received, meaning in rows
    ]
