"""Handing in: for a report on the borrower's word, also long after it has ended, and for an objection that is open."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from throughline.continuity import chronicle
from throughline.continuity.evidence import numbers, standing
from throughline.continuity.evidence.media import NewFile
from throughline.continuity.evidence.models import EvidenceFile
from throughline.continuity.facts import local
from throughline.continuity.models import Appeal, Episode, ProtectionCase
from throughline.identity import attempts
from throughline.kernel import clock, crypto
from throughline.kernel.errors import Conflict, NotFound, TooMany
from throughline.kernel.i18n import N_, bilingual
from throughline.kernel.ids import new_id
from throughline.lending import service as lending
from throughline.lending.state import LoanStatus
from throughline.notary import service as notary

TRIES = attempts.Limit("evidence", 20, attempts.QUARTER_HOUR)
MOST_LOANS = 50


class ReportNotFound(NotFound):
    """The borrower has no such outage."""

    code = "outage-not-found"
    title = N_("You have no such report with us")


class EvidenceNotNeeded(Conflict):
    """The outage stands on evidence."""

    code = "evidence-not-needed"
    title = N_(
        "This outage stands on evidence already, so no more is needed. If the days are wrong, object to the "
        "decision on the page of your loan; evidence can be added there"
    )


class EvidenceTooLate(Conflict):
    """The report has been over for too long."""

    code = "evidence-too-late"
    title = N_(
        "Evidence for this report was accepted until %(day)s. Object to the decision on the page of your loan, or "
        "ask us to call you: a person looks at it then"
    )


class NoOpenObjection(Conflict):
    """Nobody is asked to decide anew."""

    code = "evidence-no-objection"
    title = N_("Please object to the decision first; then evidence for the objection can be added")


class TooManyFiles(Conflict):
    """The report has its five files."""

    code = "evidence-too-many"
    title = N_("%(most)s files are handed in for this already, the most that we take. We look at those")


class TooManyTries(TooMany):
    """Somebody sends files again and again."""

    code = "evidence-too-often"
    title = N_("You have sent many files just now. Please wait a quarter of an hour; what arrived is with us")


def count_try(borrower_id: UUID) -> None:
    """Count a file that is about to be read, in a transaction of its own. Raises TooManyTries."""
    try:
        attempts.count(TRIES, attempts.of_account(borrower_id), now=clock.real_now())
    except attempts.TooManyAttempts:
        raise TooManyTries from None


def for_report(
    session: Session, borrower_id: UUID, episode_id: UUID, new: NewFile, *, now: datetime
) -> EvidenceFile:
    """Hand in a file for a report; nothing negative is reported until a person has answered.

    The same file again is the one that is there. Raises ReportNotFound, EvidenceNotNeeded, EvidenceTooLate,
    TooManyFiles.
    """
    episode = session.get(Episode, (borrower_id, episode_id), with_for_update=True)
    if episode is None:
        raise ReportNotFound
    known = _same(session, borrower_id, episode_id, None, new)
    if known is not None:
        return known
    require_accepted(episode, now=now)
    row = _take(session, episode, None, new, now=now)
    _hold_reports(session, episode, now=now)
    return row


def for_appeal(
    session: Session, borrower_id: UUID, case_id: UUID, new: NewFile, *, now: datetime
) -> EvidenceFile:
    """Hand in a file for the open objection to a decision. Raises ReportNotFound, NoOpenObjection, TooManyFiles."""
    case = session.get(ProtectionCase, (borrower_id, case_id))
    if case is None:
        raise ReportNotFound
    episode = session.get_one(Episode, (borrower_id, case.episode_id), with_for_update=True)
    appeal = open_appeal(session, case)
    if appeal is None:
        raise NoOpenObjection
    known = _same(session, borrower_id, episode.id, appeal.id, new)
    return known if known is not None else _take(session, episode, appeal.id, new, now=now)


def report_of(session: Session, borrower_id: UUID, episode_id: UUID) -> Episode:
    """A borrower's own outage. Raises ReportNotFound, also where it is somebody else's."""
    found = session.get(Episode, (borrower_id, episode_id))
    if found is None:
        raise ReportNotFound
    return found


def open_appeal(session: Session, case: ProtectionCase) -> Appeal | None:
    """The objection to a decision that nobody has answered yet."""
    return session.scalars(
        select(Appeal)
        .where(Appeal.borrower_id == case.borrower_id, Appeal.case_id == case.id, Appeal.state == "open")
        .execution_options(populate_existing=True)
    ).one_or_none()


def accepted_until(episode: Episode) -> datetime | None:
    """Until when evidence for a report is accepted; None while the report goes on."""
    if episode.closed_at is None:
        return None
    return episode.closed_at + timedelta(days=numbers.days("accept_days", local(episode.closed_at)))


def require_accepted(episode: Episode, *, now: datetime) -> None:
    """Whether evidence for an episode is accepted now. Raises EvidenceNotNeeded, EvidenceTooLate."""
    if episode.cause != "claim" or episode.state == "merged":
        raise EvidenceNotNeeded
    until = accepted_until(episode)
    if until is not None and now > until:
        raise EvidenceTooLate(day=local(until).isoformat())


def hold_name(episode_id: UUID) -> str:
    """The source of the hold on reports to credit bureaus while evidence waits."""
    return f"evidence:{episode_id}"


def _same(
    session: Session, borrower_id: UUID, episode_id: UUID, appeal_id: UUID | None, new: NewFile
) -> EvidenceFile | None:
    digest = _digest(borrower_id, new)
    rows = standing.files_of(session, episode_id, appeal_id=appeal_id)
    return next((row for row in rows if row.digest == digest), None)


def _take(
    session: Session, episode: Episode, appeal_id: UUID | None, new: NewFile, *, now: datetime
) -> EvidenceFile:
    owner = episode.borrower_id
    if _handed_in(session, episode.id, appeal_id) >= standing.MOST_FILES:
        raise TooManyFiles(most=standing.MOST_FILES)
    row_id = new_id()
    row = EvidenceFile(
        borrower_id=owner,
        id=row_id,
        episode_id=episode.id,
        appeal_id=appeal_id,
        kind=new.kind,
        media_type=new.media_type,
        size_bytes=len(new.content),
        digest=_digest(owner, new),
        words=crypto.seal(session, owner, standing.place(row_id, "words"), new.words),
        content=crypto.seal_bytes(session, owner, standing.place(row_id, "content"), new.content),
        state="waiting",
        handed_in_at=now,
        answer_by=now + timedelta(days=numbers.days("answer_days", local(now))),
        seen_by=[],
    )
    session.add(row)
    session.flush()
    said = {"evidence": str(row_id), "kind_of_file": new.kind, "sha256": hashlib.sha256(new.sent).hexdigest()}
    about = {"episode": str(episode.id), "appeal": str(appeal_id) if appeal_id else None}
    row.record_id = notary.commit(session, owner, "evidence_handed_in", said | about, now=now).record_id
    text = bilingual(N_("The borrower handed in evidence; a person looks at it."))
    details = {"file": str(row_id), "kind_of_file": new.kind}
    chronicle.note(session, episode, "evidence_handed_in", text, at=now, details=details)
    return row


def _handed_in(session: Session, episode_id: UUID, appeal_id: UUID | None) -> int:
    about = EvidenceFile.appeal_id.is_(None) if appeal_id is None else EvidenceFile.appeal_id == appeal_id
    query = select(func.count()).select_from(EvidenceFile).where(EvidenceFile.episode_id == episode_id, about)
    return session.execute(query).scalar_one()


def _hold_reports(session: Session, episode: Episode, *, now: datetime) -> None:
    since = local(episode.dark_since)
    text = bilingual(N_("The borrower handed in evidence of an outage; a person looks at it."))
    hold = lending.Hold(hold_name(episode.id), since, None, text)
    for loan in sorted(
        lending.loans_of(session, episode.borrower_id, limit=MOST_LOANS), key=lambda one: one.id
    ):
        if loan.status is LoanStatus.ACTIVE:
            lending.place_report_hold(session, loan.id, hold, now=now)


def _digest(borrower_id: UUID, new: NewFile) -> bytes:
    """For this borrower alone: equal files of two people have nothing in common here."""
    return crypto.pepper("evidence", borrower_id.bytes + hashlib.sha256(new.sent).digest())
