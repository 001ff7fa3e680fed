"""Protecting a loan in an outage: judged by dated rules, paused on the loan, ended by its rule or its cap."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.continuity import chronicle, notices, policy
from throughline.continuity.events import ProtectionDecided, ProtectionEnded
from throughline.continuity.models import Episode, ProtectionCase
from throughline.kernel import clock
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import cancel_timer, set_timer
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.notary import service as notary

CAP_TIMER = "continuity.cap"
NOTHING_OWED = N_("The loan is repaid or written off, or its payout came back: nothing is owed to protect.")
CLOSED_MEANWHILE = N_(
    "The loan was closed, repaid or written off, before the protection ended on %(last)s. It stays as it is."
)


def protect_what_falls_due(session: Session, episode: Episode, *, now: datetime) -> int:
    """Judge every loan of the borrower with an unpaid installment near the outage; returns the cases granted.

    Looks from the longest lead time before the outage to three days ahead; later installments come by
    `lending.installment_due`.
    """
    zone = settings().zone
    dark_from = clock.local_date(episode.dark_since, zone)
    today = lending.business_date(session)
    lead_days = max(rule.lead_days for rule in policy.shipped_rules())
    due = lending.installments_due(
        session,
        episode.borrower_id,
        dark_from - timedelta(days=lead_days),
        max(today, dark_from) + timedelta(days=3),
    )
    granted = 0
    for installment in due:
        if protect(session, episode, installment.loan_id, installment.nr, installment.due_date, now=now):
            granted += 1
    return granted


def protect(
    session: Session, episode: Episode, loan_id: UUID, installment_nr: int, due_date: date, *, now: datetime
) -> bool:
    """Judge one installment and, if a rule grants it, open the protection case of its loan.

    One case for each loan and episode: a second installment in the same outage is covered by the first
    case. A refusal is recorded with its reason; a later, stronger verdict replaces it. A loan that was closed
    meanwhile, or whose payout came back, leaves nothing to protect: that is a refusal too.
    """
    known = session.scalars(
        select(ProtectionCase)
        .where(ProtectionCase.episode_id == episode.id, ProtectionCase.loan_id == loan_id)
        .with_for_update()
    ).one_or_none()
    if known is not None and known.state != "refused":
        return False
    verdict = policy.judge(
        policy.shipped_rules(),
        line_state=episode.line_state,
        probability_percent=int(Decimal(episode.cannot_receive) * 100),
        dark_from=clock.local_date(episode.dark_since, settings().zone),
        due_date=due_date,
        today=lending.business_date(session),
    )
    if verdict.open_question:
        return False
    case_id, receipt = known.id if known else new_id(), None
    if verdict.rule and verdict.window:
        try:
            receipt = _pause(session, case_id, loan_id, verdict, verdict.rule, verdict.window, now=now)
        except (lending.LoanClosed, lending.LoanNotPaidOut):
            verdict = policy.Verdict(False, None, None, bilingual(NOTHING_OWED))
    if known is not None and (not verdict.granted or known.reason == verdict.reason):
        return False
    case = known or ProtectionCase(
        borrower_id=episode.borrower_id, id=case_id, episode_id=episode.id, loan_id=loan_id
    )
    case.installment_nr = installment_nr
    case.due_date = due_date
    case.state = "granted" if verdict.granted else "refused"
    case.rule_id = verdict.rule.id if verdict.rule else None
    case.first_day = verdict.window.first if verdict.window else None
    case.last_day = verdict.window.last if verdict.window else None
    case.measures = sorted(verdict.rule.measures) if verdict.granted and verdict.rule else []
    case.difference = _difference(receipt) if receipt else {}
    case.reason = verdict.reason
    case.decided_at = now
    session.add(case)
    session.flush()
    if verdict.window:
        days_left = (verdict.window.last - lending.business_date(session)).days + 1
        _arm_cap(session, case, now + timedelta(days=max(1, days_left)))
        notices.protection_granted(session, case, now=now)
    _record_decision(session, episode, case, now=now)
    return verdict.granted


def _pause(
    session: Session,
    case_id: UUID,
    loan_id: UUID,
    verdict: policy.Verdict,
    rule: policy.ProtectionRule,
    window: policy.Window,
    *,
    now: datetime,
) -> lending.VariationReceipt:
    """Put the measures on the loan. Raises LoanClosed, LoanNotPaidOut, before anything is written."""
    return lending.apply_variations(
        session,
        loan_id,
        lending.VariationBatch(
            case_id=case_id,
            rule_id=rule.id,
            reason=verdict.reason,
            variations=_variations(rule, window),
            report_hold=lending.Hold(_hold_source(case_id), window.first, None, verdict.reason)
            if "report_hold" in rule.measures
            else None,
            idempotency_key=f"protect:{case_id}",
        ),
        now=now,
    )


def _difference(receipt: lending.VariationReceipt) -> dict[str, int]:
    return {
        "interest_minor": receipt.interest_minor,
        "penalty_minor": receipt.penalty_minor,
        "delinquent_days": receipt.delinquent_days,
    }


def _arm_cap(session: Session, case: ProtectionCase, at: datetime) -> None:
    set_timer(
        session,
        CAP_TIMER,
        str(case.id),
        at,
        "continuity.cap_case",
        {"borrower_id": str(case.borrower_id), "case_id": str(case.id)},
    )


def _variations(rule: policy.ProtectionRule, window: policy.Window) -> tuple[lending.Variation, ...]:
    """The measures as dated variations. The clock of delinquency runs again the day after the window."""
    ends = {
        "delinquency_pause": window.last + timedelta(days=1),
        "penalty_pause": window.last,
        "interest_pause": window.last,
    }
    return tuple(
        lending.Variation(lending.VariationKind(kind), window.first, last)
        for kind, last in ends.items()
        if kind in rule.measures
    )


def _hold_source(case_id: UUID) -> str:
    return f"protection_case:{case_id}"


def _record_decision(session: Session, episode: Episode, case: ProtectionCase, *, now: datetime) -> None:
    granted = case.state == "granted"
    promise = notary.commit(
        session,
        case.borrower_id,
        "protection_granted" if granted else "protection_refused",
        {
            "case": str(case.id),
            "episode": str(episode.id),
            "loan": str(case.loan_id),
            "rule": case.rule_id,
            "first_day": case.first_day.isoformat() if case.first_day else None,
            "last_day": case.last_day.isoformat() if case.last_day else None,
            "measures": list(case.measures),
            "reason": case.reason["en"],
        },
        now=now,
    )
    case.record_id = promise.record_id
    publish(
        session,
        ProtectionDecided(
            episode.id, case.id, case.borrower_id, case.loan_id, granted, case.rule_id, case.reason
        ),
        aggregate_type="episode",
        aggregate_id=episode.id,
        borrower_id=case.borrower_id,
    )
    chronicle.note(
        session,
        episode,
        "protection_granted" if granted else "protection_refused",
        case.reason,
        at=now,
        details={
            "case": str(case.id),
            "loan": str(case.loan_id),
            "rule": case.rule_id,
            "measures": list(case.measures),
            "difference": case.difference,
        },
    )


def end_case(
    session: Session, episode: Episode, case: ProtectionCase, *, last_day: date, reason: Text, now: datetime
) -> None:
    """Give a granted case its last day; the pauses of the loan are cut there, nothing is taken back.

    A loan that was closed meanwhile is left alone: cutting its pauses could make it owe again. The case ends
    all the same, says why, and the borrower, who owes nothing, is not written to.
    """
    closed = False
    try:
        lending.end_variations(session, case.loan_id, case.id, last_day, reason=reason, now=now)
    except lending.LoanClosed:
        closed, reason = True, bilingual(CLOSED_MEANWHILE, last=last_day.isoformat())
    lending.end_report_hold(session, case.loan_id, _hold_source(case.id), last_day)
    cancel_timer(session, CAP_TIMER, str(case.id))
    case.state = "ended"
    case.last_day = last_day
    case.end_reason = reason
    case.ended_at = now
    notary.commit(
        session,
        case.borrower_id,
        "protection_ended",
        {"case": str(case.id), "loan": str(case.loan_id), "last_day": last_day.isoformat()},
        now=now,
    )
    chronicle.note(
        session,
        episode,
        "protection_ended",
        reason,
        at=now,
        details={"case": str(case.id), "loan": str(case.loan_id), "last_day": last_day.isoformat()},
    )
    publish(
        session,
        ProtectionEnded(episode.id, case.id, case.borrower_id, case.loan_id, last_day.isoformat(), reason),
        aggregate_type="episode",
        aggregate_id=episode.id,
        borrower_id=case.borrower_id,
    )
    if not closed:
        notices.protection_ended(session, case, now=now)


def cap_case(session: Session, borrower_id: UUID, case_id: UUID, *, now: datetime) -> bool:
    """End a case whose outage outlasted its cap; False if there is nothing to end (any more)."""
    known = session.get(ProtectionCase, (borrower_id, case_id))
    if known is None:
        return False
    # The episode first, as everywhere: a return of the line in the same moment waits here.
    episode = session.get_one(Episode, (borrower_id, known.episode_id), with_for_update=True)
    case = session.get_one(ProtectionCase, (borrower_id, case_id), with_for_update=True)
    if case.state != "granted" or case.last_day is None:
        return False
    if lending.business_date(session) <= case.last_day:
        # The close of business lags behind the clock: the last day is not over in the books.
        _arm_cap(session, case, now + timedelta(hours=1))
        return False
    end_case(
        session,
        episode,
        case,
        last_day=case.last_day,
        reason=bilingual(
            N_(
                "The protection has reached its longest time and ended on %(last)s. Please call us: there are other ways."
            ),
            last=case.last_day.isoformat(),
        ),
        now=now,
    )
    return True


def on_installment_due(
    session: Session, borrower_id: UUID, loan_id: UUID, nr: int, due_date: date, *, now: datetime
) -> int:
    """An installment falls due: protect it if the borrower's line is out; returns the cases granted."""
    episodes = session.scalars(
        select(Episode)
        .where(Episode.borrower_id == borrower_id, Episode.state == "open")
        .with_for_update()
        .limit(20)
    ).all()
    return sum(protect(session, episode, loan_id, nr, due_date, now=now) for episode in episodes)
