"""Looking at a file: by a person who may decide, written down each time, and served so that nothing in it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from throughline.continuity import chronicle
from throughline.continuity.evidence import standing
from throughline.continuity.evidence.media import ENDINGS
from throughline.continuity.evidence.models import EvidenceFile
from throughline.continuity.models import Episode
from throughline.kernel.i18n import N_, bilingual
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

READ_AS = "outage_evidence"  # the name of the field in the person's access log

# Whatever a file pretends to be, a browser takes it for the type that we found, runs nothing and asks nobody.
SAFE = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A file in clear with the headers that go with it."""

    content: bytes = field(repr=False)
    media_type: str
    headers: Mapping[str, str]


def opened_by_staff(session: Session, file_id: UUID, *, by: UUID, now: datetime) -> Opened:
    """Open a file for the person of the staff who looks at it; the borrower sees that they did.

    Raises EvidenceUnknown.
    """
    known = standing.file(session, file_id)
    # The episode first, as everywhere: whoever decides in the same moment waits here.
    episode = session.get_one(Episode, (known.borrower_id, known.episode_id), with_for_update=True)
    row = _with_content(session, known.borrower_id, file_id, lock=True)
    found = _opened(session, row)
    parties.log_read(session, row.borrower_id, (READ_AS,), None, Purpose.CONTINUITY, f"staff:{by}", now)
    if str(by) not in row.seen_by:
        row.seen_by = [*row.seen_by, str(by)]
        text = bilingual(N_("A person of the staff opened the evidence."))
        chronicle.note(
            session, episode, "evidence_opened", text, at=now, details={"file": str(file_id), "by": str(by)}
        )
    return found


def opened_by_owner(session: Session, borrower_id: UUID, file_id: UUID) -> Opened:
    """A borrower's own file. Raises EvidenceUnknown, also where it is somebody else's."""
    return _opened(session, _with_content(session, borrower_id, file_id))


def _with_content(session: Session, borrower_id: UUID, file_id: UUID, *, lock: bool = False) -> EvidenceFile:
    query = (
        select(EvidenceFile)
        .where(EvidenceFile.borrower_id == borrower_id, EvidenceFile.id == file_id)
        .options(undefer(EvidenceFile.content))
        .execution_options(populate_existing=True)
    )
    found = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if found is None:
        raise standing.EvidenceUnknown
    return found


def _opened(session: Session, row: EvidenceFile) -> Opened:
    # A picture is shown; what a reader of PDF would do with a file is not ours to bound, so it is only saved.
    way = "attachment" if row.media_type == "application/pdf" else "inline"
    name = f"evidence-{row.id}.{ENDINGS[row.media_type]}"
    headers = SAFE | {"Content-Disposition": f'{way}; filename="{name}"'}
    return Opened(standing.content_of(session, row), row.media_type, headers)
