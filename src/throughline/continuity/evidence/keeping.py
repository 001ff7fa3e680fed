"""What has served its purpose goes: content and words are emptied, the record of the decision stays."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from throughline.continuity.evidence.models import EvidenceFile

BATCH = 500


def purge(session: Session, *, now: datetime) -> int:
    """Empty some of what has expired; returns how many. Called until nothing is left."""
    keys = (
        select(EvidenceFile.borrower_id, EvidenceFile.id)
        .where(EvidenceFile.expires_at <= now, EvidenceFile.purged_at.is_(None))
        .order_by(EvidenceFile.expires_at)
        .limit(BATCH)
    )
    gone = session.execute(
        update(EvidenceFile)
        .where(tuple_(EvidenceFile.borrower_id, EvidenceFile.id).in_(keys))
        .values(content=None, words=None, purged_at=now)
        .returning(EvidenceFile.id)
    )
    return len(gone.all())
