"""What continuity tells the borrower, under which key so that nothing is told twice, and what it tells other rooms."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.continuity.models import Appeal, Episode, ProtectionCase
from throughline.kernel import events as outbox
from throughline.messaging import service as messaging

DEADLINE = timedelta(days=7)
GRANTED = {
    "line": "outage_protection_granted",
    "carrier": "protection_granted_carrier",
    "own": "protection_granted_own",
    "claim": "protection_granted_word",
}


def publish(session: Session, episode: Episode, event: outbox.Event) -> None:
    """Publish what happened in an episode, in the order of the episode."""
    outbox.publish(
        session,
        event,
        aggregate_type="episode",
        aggregate_id=episode.id,
        borrower_id=episode.borrower_id,
    )


def decided(session: Session, episode: Episode, case: ProtectionCase, *, now: datetime) -> None:
    """Tell the borrower what was decided. A refusal is told only where the borrower had asked."""
    if case.state == "granted":
        _tell(session, case, GRANTED[episode.cause], f"protection-granted:{case.id}", now=now)
    elif case.state == "review":
        _tell(session, case, "protection_review", f"protection-review:{case.id}", now=now)
    elif episode.cause == "claim" or case.decided_by is not None:
        _tell(session, case, "protection_refused", f"protection-refused:{case.id}:{case.decided_by}", now=now)


def protection_ended(session: Session, case: ProtectionCase, *, now: datetime) -> None:
    """Tell the borrower until which day the protection runs."""
    episode = session.get_one(Episode, (case.borrower_id, case.episode_id))
    template = "outage_ended" if episode.cause == "line" else "protection_ends"
    _tell(session, case, template, f"protection-ended:{case.id}", now=now)


def revoked(session: Session, case: ProtectionCase, *, now: datetime) -> None:
    """Tell the borrower that a grant was taken back, and how to object."""
    _tell(session, case, "protection_revoked", f"protection-revoked:{case.id}", now=now)


def appeal_answered(session: Session, case: ProtectionCase, appeal: Appeal, *, now: datetime) -> None:
    """Tell the borrower that their objection was decided."""
    _tell(session, case, "appeal_answered", f"appeal-answered:{appeal.id}", now=now)


def evidence_decided(session: Session, episode: Episode, file_id: UUID, kind: str, *, now: datetime) -> None:
    """Tell the borrower what was decided about evidence: `kind` is evidence_accepted or evidence_refused."""
    messaging.request(
        session,
        messaging.NewIntent(
            borrower_id=episode.borrower_id,
            idem_key=f"{kind.replace('_', '-')}:{file_id}",
            purpose="service_continuity",
            klass="continuity",
            template=kind,
            params={},
            deadline=now + DEADLINE,
            subject=f"outage:{episode.id}",
        ),
        now=now,
    )


def _tell(session: Session, case: ProtectionCase, template: str, key: str, *, now: datetime) -> None:
    messaging.request(
        session,
        messaging.NewIntent(
            borrower_id=case.borrower_id,
            idem_key=key,
            purpose="service_continuity",
            klass="continuity",
            template=template,
            params={
                "due_date": case.due_date.isoformat(),
                "first_day": case.first_day.isoformat() if case.first_day else "",
                "last_day": case.last_day.isoformat() if case.last_day else "",
            },
            deadline=now + DEADLINE,
            subject=f"loan:{case.loan_id}",
        ),
        now=now,
    )
