"""Reading grants."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.line.joint.models import JointGrant
from throughline.line.joint.orders import GrantUnknown


def grants(
    session: Session,
    *,
    borrower_id: UUID | None = None,
    offer_id: str | None = None,
    state: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> list[JointGrant]:
    """A page of grants, newest first; `after` is the id of the last one read."""
    query = select(JointGrant)
    if borrower_id is not None:
        query = query.where(JointGrant.borrower_id == borrower_id)
    if offer_id is not None:
        query = query.where(JointGrant.offer_id == offer_id)
    if state is not None:
        query = query.where(JointGrant.state == state)
    if after is not None:
        query = query.where(JointGrant.id < after)
    return list(session.scalars(query.order_by(JointGrant.id.desc()).limit(limit)))


def grant(session: Session, grant_id: UUID, *, borrower_id: UUID | None = None) -> JointGrant:
    """One grant; another borrower's is unknown. Raises `GrantUnknown`."""
    query = select(JointGrant).where(JointGrant.id == grant_id)
    if borrower_id is not None:
        query = query.where(JointGrant.borrower_id == borrower_id)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise GrantUnknown
    return found
