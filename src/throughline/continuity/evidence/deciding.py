"""Deciding about evidence for a report: accepted for days, it becomes an outage on evidence; or refused with a reason.

Evidence for an objection is decided with the objection (`reviews.decide_appeal`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.continuity import chronicle, notices, protection, reviews, views
from throughline.continuity.evidence import handing_in, standing
from throughline.continuity.evidence.models import EvidenceFile
from throughline.continuity.models import Episode
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.lending import service as lending

# What evidence of a report usually proves about the line; whoever decides may say otherwise.
USUAL_KIND = {
    "line_out": "suspended",
    "phone_lost": "suspended",
    "phone_broken": "suspended",
    "number_changed": "cancelled",
}
MOST_LOANS = handing_in.MOST_LOANS


@dataclass(frozen=True, slots=True)
class Proved:
    """What evidence proves: the line could not receive, in which way, from when to when (None: it goes on)."""

    kind: str
    from_at: datetime
    to_at: datetime | None


def accept(
    session: Session, episode_id: UUID, proved: Proved, *, reason: Text, by: UUID, now: datetime
) -> UUID:
    """Accept what waits for a report; returns the episode of the outage that is recorded on it.

    The policy judges that outage like any other, so the past is repaired; it takes over the reports of those days,
    and what a person was to decide about them is decided with it. Raises EpisodeUnknown, NothingWaits,
    EvidenceUnseen, ReasonMissing, DayImpossible.
    """
    report, rows = _locked(session, episode_id, reason, by)
    outage_id = reviews.record(
        session,
        reviews.Recorded(
            report.borrower_id,
            proved.kind,
            proved.from_at,
            proved.to_at,
            bilingual(N_("Recorded on the evidence that you handed in.")),
            (f"staff:{by}", *(f"evidence:{row.id}" for row in rows)),
        ),
        now=now,
    )
    standing.settle(session, rows, accepted=True, reason=reason, by=by, now=now, outage_id=outage_id)
    _decided(session, report, rows, "evidence_accepted", reason, by, outage_id, now=now)
    _grant_what_waits(session, report, reason, by, now=now)
    return outage_id


def refuse(session: Session, episode_id: UUID, *, reason: Text, by: UUID, now: datetime) -> None:
    """Refuse what waits for a report. What was given on the borrower's word stays.

    Raises EpisodeUnknown, NothingWaits, EvidenceUnseen, ReasonMissing.
    """
    report, rows = _locked(session, episode_id, reason, by)
    standing.settle(session, rows, accepted=False, reason=reason, by=by, now=now)
    _decided(session, report, rows, "evidence_refused", reason, by, None, now=now)


def _locked(session: Session, episode_id: UUID, reason: Text, by: UUID) -> tuple[Episode, list[EvidenceFile]]:
    reviews.need_reason(reason)
    known = views.episode(session, episode_id)
    report = session.get_one(Episode, (known.borrower_id, episode_id), with_for_update=True)
    rows = standing.to_decide(session, episode_id, by)
    if not rows:
        raise standing.NothingWaits
    return report, rows


def _decided(
    session: Session,
    report: Episode,
    rows: list[EvidenceFile],
    kind: str,
    reason: Text,
    by: UUID,
    outage_id: UUID | None,
    *,
    now: datetime,
) -> None:
    for loan in sorted(
        lending.loans_of(session, report.borrower_id, limit=MOST_LOANS), key=lambda one: one.id
    ):
        lending.lift_report_hold(session, loan.id, handing_in.hold_name(report.id), reason=reason, now=now)
    details = {"files": len(rows), "by": str(by), "into": str(outage_id) if outage_id else None}
    chronicle.note(session, report, kind, reason, at=now, details=details)
    if outage_id is not None:
        chronicle.note(session, views.episode(session, outage_id), kind, reason, at=now, details=details)
    notices.evidence_decided(session, report, rows[-1].id, kind, now=now)


def _grant_what_waits(session: Session, report: Episode, reason: Text, by: UUID, *, now: datetime) -> None:
    """Cases of the report that wait for a person: the evidence is what they waited for."""
    if report.merged_into is None:
        return
    for case in protection.cases_in(session, report, ("review",)):
        try:
            reviews.decide_review(session, case.id, grant=True, reason=reason, by=by, now=now)
        except reviews.NotInReview:
            continue  # no rule gives days on the word any more: it stays with a person
