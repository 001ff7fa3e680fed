"""Decisions by people: cases in review, appeals, grants by hand, grants taken back. Another person than before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from throughline.continuity import chronicle, episodes, measures, notices, policy, protection
from throughline.continuity.episodes import NewEpisode
from throughline.continuity.events import ProtectionRevoked
from throughline.continuity.evidence import standing as evidence_standing
from throughline.continuity.facts import facts_of, policies_of
from throughline.continuity.models import Appeal, Episode, ProtectionCase
from throughline.continuity.policy import Outcome, Verdict, Window
from throughline.contracts import outage as outage_policy
from throughline.kernel import crypto
from throughline.kernel.errors import Conflict, Invalid, NotFound
from throughline.kernel.i18n import LOCALES, N_, Text, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import cancel_timer
from throughline.lending import service as lending
from throughline.notary import service as notary

MOST_WORDS = 2_000
MOST_APPEALS = 3  # of one decision
LONGEST_BY_HAND = timedelta(days=365)


class CaseNotFound(NotFound):
    """No such protection case."""

    code = "protection-case-not-found"
    title = N_("There is no such protection case")


class NotInReview(Conflict):
    """Nobody has to decide this case."""

    code = "protection-case-not-in-review"
    title = N_("This case does not wait for a decision")


class EvidenceWaits(Conflict):
    """A report may not be refused while what speaks for it was not looked at."""

    code = "evidence-waits"
    title = N_("Evidence for this report waits: decide about the evidence first")


class NothingToRevoke(Conflict):
    """Only what was granted can be taken back."""

    code = "protection-case-not-granted"
    title = N_("This case grants nothing that could be taken back")


class AppealImpossible(Conflict):
    """The case can't be objected to, or is objected to already."""

    code = "appeal-impossible"
    title = N_("This decision is being looked at already, or there is nothing to object to")


class SamePerson(Conflict):
    """Whoever decided before must not decide about the objection."""

    code = "same-person"
    title = N_("Somebody else than the person who decided before must decide this")


class ReasonMissing(Invalid):
    """A decision by a person carries its reason in both languages."""

    code = "reason-missing"
    title = N_("Please give the reason in Chinese and in English, at most 500 characters each")


class DayImpossible(Invalid):
    """The last day of a grant by hand can't be."""

    code = "protection-day-impossible"
    title = N_("The last protected day lies between the begin of the outage and a year after it")


def case(session: Session, case_id: UUID) -> ProtectionCase:
    """One case. Raises CaseNotFound."""
    found = session.scalars(select(ProtectionCase).where(ProtectionCase.id == case_id)).one_or_none()
    if found is None:
        raise CaseNotFound
    return found


def queue(session: Session, *, after: UUID | None, limit: int) -> list[ProtectionCase]:
    """A page of cases that wait for a person, in review or under appeal, oldest first."""
    appealed = select(Appeal.case_id).where(Appeal.state == "open")
    query = select(ProtectionCase).where(
        or_(ProtectionCase.state == "review", ProtectionCase.id.in_(appealed))
    )
    if after is not None:
        query = query.where(ProtectionCase.id > after)
    return list(session.scalars(query.order_by(ProtectionCase.id).limit(limit)))


def decide_review(
    session: Session, case_id: UUID, *, grant: bool, reason: Text, by: UUID, now: datetime
) -> ProtectionCase:
    """Decide a case in review: grant it in full, or refuse it, which takes back what was held meanwhile.

    Raises CaseNotFound, NotInReview, EvidenceWaits, ReasonMissing.
    """
    need_reason(reason)
    episode, found = _locked(session, case_id)
    if found.state != "review":
        raise NotInReview
    if not grant and evidence_standing.waits(session, episode.id):
        raise EvidenceWaits
    _settle(session, episode, found, grant=grant, reason=reason, by=by, now=now)
    return found


def appeal(session: Session, borrower_id: UUID, case_id: UUID, words: str, *, now: datetime) -> Appeal:
    """A borrower objects to a decision. Nothing negative is reported until it is answered.

    Raises CaseNotFound, AppealImpossible.
    """
    episode, found = _locked(session, case_id)
    if found.borrower_id != borrower_id:
        raise CaseNotFound
    known = session.scalars(
        select(Appeal).where(Appeal.case_id == case_id, Appeal.borrower_id == borrower_id)
    ).all()
    if not may_appeal(found, known):
        raise AppealImpossible
    row_id = new_id()
    row = Appeal(
        borrower_id=borrower_id,
        id=row_id,
        case_id=case_id,
        state="open",
        words=crypto.seal(session, borrower_id, _place(row_id), words[:MOST_WORDS]),
        made_at=now,
    )
    session.add(row)
    session.flush()
    since = min(found.due_date, lending.business_date(session))
    text = bilingual(N_("The borrower objects to a decision; a person looks at it."))
    lending.place_report_hold(session, found.loan_id, lending.Hold(_hold(row_id), since, None, text), now=now)
    notary.commit(
        session,
        borrower_id,
        "appeal_made",
        {"appeal": str(row_id), "case": str(case_id)},
        now=now,
    )
    chronicle.note(session, episode, "appeal", text, at=now, details={"case": str(case_id)})
    return row


def may_appeal(found: ProtectionCase, appeals: Sequence[Appeal]) -> bool:
    """Whether a decision can be objected to: it is not the best there is, nobody looks at it, and not three times."""
    waits = any(one.state == "open" for one in appeals)
    return found.state in ("refused", "ended", "revoked") and not waits and len(appeals) < MOST_APPEALS


def decide_appeal(
    session: Session,
    appeal_id: UUID,
    *,
    uphold: bool,
    reason: Text,
    by: UUID,
    now: datetime,
    last_day: date | None = None,
) -> Appeal:
    """Answer an objection: upheld, the case is granted, by hand up to `last_day` where no rule gives it.

    Evidence that was handed in for it is decided with it.
    Raises CaseNotFound, AppealImpossible, SamePerson, EvidenceUnseen, ReasonMissing, DayImpossible.
    """
    need_reason(reason)
    row = session.scalars(select(Appeal).where(Appeal.id == appeal_id)).one_or_none()
    if row is None:
        raise CaseNotFound
    episode, found = _locked(session, row.case_id)
    session.refresh(row, with_for_update=True)
    if row.state != "open":
        raise AppealImpossible
    if found.decided_by == by:
        raise SamePerson
    files = evidence_standing.to_decide(session, episode.id, by, appeal_id=row.id)
    if uphold:
        _grant_by_hand(session, episode, found, last_day, reason, by, now=now)
    evidence_standing.settle(session, files, accepted=uphold, reason=reason, by=by, now=now)
    row.state = "upheld" if uphold else "dismissed"
    row.decided_at, row.decided_by, row.answer = now, by, dict(reason)
    lending.lift_report_hold(session, found.loan_id, _hold(row.id), reason=reason, now=now)
    notary.commit(
        session,
        row.borrower_id,
        "appeal_answered",
        {"appeal": str(row.id), "case": str(found.id), "upheld": uphold, "reason": reason["en"]},
        now=now,
    )
    kind = "appeal_upheld" if uphold else "appeal_dismissed"
    chronicle.note(session, episode, kind, reason, at=now, details={"case": str(found.id)})
    notices.appeal_answered(session, found, row, now=now)
    return row


def revoke(session: Session, case_id: UUID, *, reason: Text, by: UUID, now: datetime) -> ProtectionCase:
    """Take back a grant made in error: the loan stands as if it had never been; the record of it stays.

    Raises CaseNotFound, NothingToRevoke, SamePerson, ReasonMissing.
    """
    need_reason(reason)
    episode, found = _locked(session, case_id)
    if found.state not in ("granted", "ended", "review") or found.batch_id is None:
        raise NothingToRevoke
    if found.decided_by == by:
        raise SamePerson
    measures.take_back(session, found.loan_id, found.batch_id, reason=reason, now=now)
    cancel_timer(session, protection.CAP_TIMER, str(found.id))
    found.state, found.batch_id, found.end_reason = "revoked", None, dict(reason)
    found.ended_at, found.decided_by = now, by
    notary.commit(
        session,
        found.borrower_id,
        "protection_revoked",
        {"case": str(found.id), "loan": str(found.loan_id), "by": str(by), "reason": reason["en"]},
        now=now,
    )
    chronicle.note(
        session, episode, "protection_revoked", reason, at=now,
        details={"case": str(found.id), "loan": str(found.loan_id)},
    )  # fmt: skip
    notices.publish(
        session, episode, ProtectionRevoked(episode.id, found.id, found.borrower_id, found.loan_id, reason)
    )
    notices.revoked(session, found, now=now)
    return found


def record_outage(
    session: Session,
    borrower_id: UUID,
    kind: str,
    *,
    from_at: datetime,
    to_at: datetime | None,
    evidence: str,
    by: UUID,
    now: datetime,
) -> UUID:
    """Staff record an outage of a line that they have evidence of, also of the past; returns the episode's id.

    `evidence` names the proof, such as a carrier's letter with its number: no personal data. Raises DayImpossible.
    """
    reason = bilingual(N_("Recorded by staff on evidence: %(evidence)s"), evidence=evidence[:200])
    return record(session, Recorded(borrower_id, kind, from_at, to_at, reason, (f"staff:{by}",)), now=now)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An outage of a line that a person found proved: when, why, and the names of what it stands on."""

    borrower_id: UUID
    kind: str
    from_at: datetime
    to_at: datetime | None
    reason: Text
    evidence: Sequence[str]


def record(session: Session, outage: Recorded, *, now: datetime) -> UUID:
    """Record an outage that a person found proved; returns the episode's id. Raises DayImpossible.

    It takes over the borrower's reports of those days, and the policy judges what falls due in them.
    """
    if (
        outage.kind not in policy.CANNOT_RECEIVE
        or not now - LONGEST_BY_HAND <= outage.from_at <= now
        or not (outage.to_at is None or outage.from_at < outage.to_at <= now)
    ):
        raise DayImpossible
    episode, _ = episodes.open_episode(
        session,
        NewEpisode(
            borrower_id=outage.borrower_id,
            cause="line",
            kind=outage.kind,
            source="staff",
            dark_since=outage.from_at,
            ended_at=outage.to_at,
            reason=outage.reason,
            evidence=outage.evidence,
        ),
        now=now,
    )
    episodes.merge_reports(session, episode, now=now)
    protection.protect_what_falls_due(session, episode, now=now)
    return episode.id


def appeals_of(session: Session, case_id: UUID) -> list[Appeal]:
    """The objections to a decision, oldest first (at most three)."""
    return list(
        session.scalars(select(Appeal).where(Appeal.case_id == case_id).order_by(Appeal.id).limit(10))
    )


def words_of(session: Session, row: Appeal) -> str:
    """What the borrower wrote, for the person who decides."""
    return crypto.open_sealed(session, row.borrower_id, _place(row.id), row.words)


def _settle(
    session: Session,
    episode: Episode,
    found: ProtectionCase,
    *,
    grant: bool,
    reason: Text,
    by: UUID,
    now: datetime,
) -> None:
    loan = lending.loan_summary(session, found.loan_id)
    facts = facts_of(session, episode, found.due_date, loan.product_code, now=now)
    cleared = replace(facts, contradicted=False, earlier=())
    if grant:
        verdict = policy.best(policies_of(session, found.borrower_id, loan.contract_id), cleared)
        if verdict.outcome is not Outcome.GRANTED:
            raise NotInReview
    else:
        verdict = Verdict(Outcome.REFUSED, protection.row_of(found), None, frozenset(), dict(reason))
        verdict = replace(verdict, policy_version=found.policy_version or "")
    verdict = replace(verdict, reason=dict(reason))
    protection.decide(session, episode, found, verdict, facts, found.installment_nr, now=now, by=by)


def _grant_by_hand(
    session: Session,
    episode: Episode,
    found: ProtectionCase,
    last_day: date | None,
    reason: Text,
    by: UUID,
    *,
    now: datetime,
) -> None:
    loan = lending.loan_summary(session, found.loan_id)
    facts = replace(
        facts_of(session, episode, found.due_date, loan.product_code, now=now), contradicted=False, earlier=()
    )
    verdict = policy.best(policies_of(session, found.borrower_id, loan.contract_id), facts)
    if last_day is not None or verdict.outcome is not Outcome.GRANTED or verdict.row is None:
        row = verdict.row or outage_policy.newest().rows[0]
        last = last_day or (verdict.window.last if verdict.window else None)
        if last is None or not facts.began <= last <= facts.began + LONGEST_BY_HAND:
            raise DayImpossible
        verdict = Verdict(
            Outcome.GRANTED,
            row,
            Window(min(facts.began, last), last),
            row.measures_for(loan.product_code),
            dict(reason),
            outage_policy.newest().version,
        )
    verdict = replace(verdict, reason=dict(reason))
    protection.decide(session, episode, found, verdict, facts, found.installment_nr, now=now, by=by)


def _locked(session: Session, case_id: UUID) -> tuple[Episode, ProtectionCase]:
    """The episode and its case, locked in that order, as everywhere."""
    known = case(session, case_id)
    episode = session.get_one(Episode, (known.borrower_id, known.episode_id), with_for_update=True)
    session.refresh(known, with_for_update=True)
    return episode, known


def need_reason(reason: Text) -> None:
    """A decision says why in both languages. Raises ReasonMissing."""
    if any(not 0 < len(reason.get(locale, "").strip()) <= 500 for locale in LOCALES):
        raise ReasonMissing


def _place(appeal_id: UUID) -> str:
    return f"continuity_appeal|{appeal_id}|words"


def _hold(appeal_id: UUID) -> str:
    return f"appeal:{appeal_id}"
