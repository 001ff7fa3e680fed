"""How evidence stands: what waits, what was decided about it, and that nobody decides about what they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, aliased

from throughline.continuity.evidence import numbers
from throughline.continuity.evidence.models import EvidenceFile
from throughline.continuity.facts import local
from throughline.kernel import crypto
from throughline.kernel.errors import Conflict, NotFound
from throughline.kernel.i18n import N_, Text
from throughline.notary import service as notary

MOST_FILES = 5  # of a report, and of an objection


class EvidenceUnknown(NotFound):
    """No such file, or its content is gone."""

    code = "evidence-not-found"
    title = N_("There is no such evidence, or it is not kept any more")


class NothingWaits(Conflict):
    """There is nothing to decide about, or somebody else was first."""

    code = "evidence-none-waits"
    title = N_("No evidence waits for a decision here; perhaps somebody has just decided")


class EvidenceUnseen(Conflict):
    """A decision about files that its author has not opened, such as one that has just come."""

    code = "evidence-unseen"
    title = N_("Please open every file that waits before you decide; one may have come just now")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A report whose evidence waits for a person."""

    id: UUID  # of its oldest file that waits: the place in the queue
    borrower_id: UUID
    episode_id: UUID
    files: int
    handed_in_at: datetime
    answer_by: datetime


def queue(session: Session, *, after: UUID | None, limit: int) -> list[Waiting]:
    """A page of reports whose evidence waits, oldest first. That of an objection waits with its case."""
    other = aliased(EvidenceFile)
    also = (other.episode_id == EvidenceFile.episode_id, other.state == "waiting", other.appeal_id.is_(None))
    files = select(func.count()).select_from(other).where(*also).scalar_subquery()
    query = select(
        EvidenceFile.id,
        EvidenceFile.borrower_id,
        EvidenceFile.episode_id,
        files,
        EvidenceFile.handed_in_at,
        EvidenceFile.answer_by,
    ).where(
        EvidenceFile.state == "waiting",
        EvidenceFile.appeal_id.is_(None),
        ~select(other.id).where(*also, other.id < EvidenceFile.id).exists(),
    )
    if after is not None:
        query = query.where(EvidenceFile.id > after)
    return [Waiting(*row) for row in session.execute(query.order_by(EvidenceFile.id).limit(limit))]


def files_of(session: Session, episode_id: UUID, *, appeal_id: UUID | None = None) -> list[EvidenceFile]:
    """What was handed in for a report, or for one objection to a decision in it, oldest first (at most five)."""
    return list(
        session.scalars(
            select(EvidenceFile)
            .where(EvidenceFile.episode_id == episode_id, _about(appeal_id))
            .order_by(EvidenceFile.id)
            .limit(MOST_FILES)
        )
    )


def all_of(session: Session, borrower_id: UUID, *, after: UUID | None, limit: int) -> list[EvidenceFile]:
    """A page of everything that a borrower handed in, newest first: for the person it is about."""
    query = select(EvidenceFile).where(EvidenceFile.borrower_id == borrower_id)
    if after is not None:
        query = query.where(EvidenceFile.id < after)
    return list(session.scalars(query.order_by(EvidenceFile.id.desc()).limit(limit)))


def counts(session: Session, episode_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many files were handed in for each of these reports; those without any are left out."""
    query = (
        select(EvidenceFile.episode_id, func.count())
        .where(EvidenceFile.episode_id.in_(episode_ids), EvidenceFile.appeal_id.is_(None))
        .group_by(EvidenceFile.episode_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def file(session: Session, file_id: UUID) -> EvidenceFile:
    """One file. Raises EvidenceUnknown."""
    found = session.scalars(select(EvidenceFile).where(EvidenceFile.id == file_id)).one_or_none()
    if found is None:
        raise EvidenceUnknown
    return found


def words_of(session: Session, row: EvidenceFile) -> str:
    """What the borrower wrote beside a file; empty once it is purged."""
    if row.words is None:
        return ""
    return crypto.open_sealed(session, row.borrower_id, place(row.id, "words"), row.words)


def content_of(session: Session, row: EvidenceFile) -> bytes:
    """The file in clear. Raises EvidenceUnknown once it is purged."""
    if row.content is None:
        raise EvidenceUnknown
    return crypto.open_sealed_bytes(session, row.borrower_id, place(row.id, "content"), row.content)


def place(file_id: UUID, column: str) -> str:
    """Where a value of a file is sealed for."""
    return f"continuity_evidence|{file_id}|{column}"


def waits(session: Session, episode_id: UUID, *, appeal_id: UUID | None = None) -> bool:
    """Whether evidence for a report, or for an objection, waits for a person."""
    query = select(EvidenceFile.id).where(
        EvidenceFile.episode_id == episode_id, EvidenceFile.state == "waiting", _about(appeal_id)
    )
    return session.execute(query.limit(1)).first() is not None


def to_decide(
    session: Session, episode_id: UUID, by: UUID, *, appeal_id: UUID | None = None
) -> list[EvidenceFile]:
    """What waits, locked, for the person who decides and has opened all of it. Raises EvidenceUnseen.

    The caller holds the episode, so that nothing comes in meanwhile.
    """
    rows = list(
        session.scalars(
            select(EvidenceFile)
            .where(EvidenceFile.episode_id == episode_id, EvidenceFile.state == "waiting", _about(appeal_id))
            .order_by(EvidenceFile.id)
            .limit(MOST_FILES)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )
    if any(str(by) not in row.seen_by for row in rows):
        raise EvidenceUnseen
    return rows


def settle(
    session: Session,
    rows: Sequence[EvidenceFile],
    *,
    accepted: bool,
    reason: Text,
    by: UUID,
    now: datetime,
    outage_id: UUID | None = None,
) -> None:
    """Write a decision on what waited, with a record for the borrower, and how long it is kept from now on."""
    state = "accepted" if accepted else "refused"
    kept = timedelta(days=numbers.days(f"keep_{state}_days", local(now)))
    for row in rows:
        row.state, row.decided_at, row.decided_by = state, now, by
        row.answer, row.outage_id, row.expires_at = dict(reason), outage_id, now + kept
        promise = notary.commit(
            session,
            row.borrower_id,
            f"evidence_{state}",
            {
                "evidence": str(row.id),
                "episode": str(row.episode_id),
                "outage": str(outage_id) if outage_id else None,
                "decided_by": str(by),
                "reason": reason["en"],
            },
            now=now,
        )
        row.record_id = promise.record_id
    session.flush()


def _about(appeal_id: UUID | None) -> ColumnElement[bool]:
    return EvidenceFile.appeal_id.is_(None) if appeal_id is None else EvidenceFile.appeal_id == appeal_id
