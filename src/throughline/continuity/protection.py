"""Protecting a loan in an outage: judged by the policy, put on the loan as one batch, ended by its rule or its cap."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.continuity import chronicle, episodes, measures, notices, policy
from throughline.continuity.events import ProtectionDecided, ProtectionEnded
from throughline.continuity.facts import begin_of, facts_of, local, policies_of
from throughline.continuity.models import Episode, ProtectionCase
from throughline.continuity.policy import Facts, Outcome, Verdict, Window
from throughline.contracts import outage
from throughline.contracts.outage import OutageRow
from throughline.kernel.i18n import N_, Text, bilingual
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import cancel_timer, set_timer
from throughline.lending import service as lending
from throughline.lending.state import LoanStatus
from throughline.notary import service as notary

CAP_TIMER = "continuity.cap"
AHEAD = timedelta(days=3)  # installments so far ahead are judged at once; later ones as they fall due
COVERING = ("granted", "review")
NOTHING_OWED = N_("The loan is repaid or written off, or its payout came back: nothing is owed to protect.")
CLOSED_MEANWHILE = N_(
    "The loan was closed, repaid or written off, before the protection ended on %(last)s. It stays as it is."
)


def protect_what_falls_due(session: Session, episode: Episode, *, now: datetime) -> int:
    """Judge every loan of the borrower with an installment near the outage; returns the cases granted.

    Looks from the longest lead time before the outage to three days ahead, and for an outage that is over to its
    last catch-up day, at installments that are open or were paid late: what it cost meanwhile is repaired.
    """
    began = local(episode.dark_since)
    ended = local(episode.back_at) if episode.back_at is not None else None
    row = outage.newest().row_for(episode.cause, episode.kind, began)
    lead, catch_up = (row.lead_days, row.catch_up_days) if row is not None else (0, 0)
    if ended is None:
        until = max(lending.business_date(session), began) + AHEAD
    else:
        until = ended + timedelta(days=catch_up)
    due = lending.installments_touched(
        session, episode.borrower_id, began - timedelta(days=lead), until, unmet_on=began
    )
    return sum(protect(session, episode, one.loan_id, one.nr, one.due_date, now=now) for one in due)


def protect(
    session: Session, episode: Episode, loan_id: UUID, installment_nr: int, due_date: date, *, now: datetime
) -> bool:
    """Judge one installment and, if the policy grants it, open the protection case of its loan.

    One case for each loan and stretch of an episode: a second installment in the same stretch is covered by the
    first case. A refusal is recorded with its reason; a later, better verdict replaces it. A loan that was closed
    meanwhile, or whose payout came back, leaves nothing to protect: that is a refusal too.
    """
    known = _newest_case(session, episode, loan_id)
    if known is not None and known.state in (*COVERING, "revoked"):
        return False
    if known is not None and known.state == "ended" and known.stretch_since >= episode.stretch_since:
        return False
    loan = lending.loan_summary(session, loan_id)
    facts = facts_of(session, episode, due_date, loan.product_code, now=now)
    verdict = policy.best(policies_of(session, episode.borrower_id, loan.contract_id), facts)
    if verdict.outcome is Outcome.OPEN:
        return False
    refused_before = known if known is not None and known.state == "refused" else None
    if refused_before is not None and (
        verdict.outcome is Outcome.REFUSED
        or (refused_before.reason == bilingual(NOTHING_OWED) and loan.status is not LoanStatus.ACTIVE)
    ):
        return False
    case = refused_before or ProtectionCase(
        borrower_id=episode.borrower_id,
        id=new_id(),
        episode_id=episode.id,
        loan_id=loan_id,
        round=known.round + 1 if known is not None else 1,
    )
    case.stretch_since = episode.stretch_since
    decide(session, episode, case, verdict, facts, installment_nr, now=now)
    return case.state in ("granted", "ended") and verdict.outcome is Outcome.GRANTED


def decide(
    session: Session,
    episode: Episode,
    case: ProtectionCase,
    verdict: Verdict,
    facts: Facts,
    installment_nr: int,
    *,
    now: datetime,
    by: UUID | None = None,
) -> None:
    """Give a case its verdict: put the measures on the loan, write the decision, tell the borrower."""
    receipt = None
    if verdict.row is not None and verdict.window is not None:
        try:
            name = _next_batch(case)
            receipt = measures.put_on(session, case.loan_id, name, verdict, facts, now=now)
            _take_back_old(session, case, verdict.reason, now=now)
            case.batch_id = name
        except (lending.LoanClosed, lending.LoanNotPaidOut):
            verdict = Verdict(
                Outcome.REFUSED, None, None, frozenset(), bilingual(NOTHING_OWED), verdict.policy_version
            )
    if verdict.window is None:
        _take_back_old(session, case, verdict.reason, now=now)
    case.installment_nr = installment_nr
    case.due_date = facts.due_date
    case.state = verdict.outcome.value
    case.policy_version = verdict.policy_version
    case.rule_id = verdict.row.id if verdict.row else None
    case.first_day = verdict.window.first if verdict.window else None
    case.last_day = verdict.window.last if verdict.window else None
    case.measures = sorted(verdict.measures)
    case.difference = measures.difference(receipt) if receipt else {}
    case.reason = verdict.reason
    case.end_reason = None
    case.ended_at = None
    case.decided_by = by
    case.decided_at = now
    session.add(case)
    session.flush()
    _record_decision(session, episode, case, now=now)
    notices.decided(session, episode, case, now=now)
    if verdict.window is not None and case.state == "granted":
        _set_end(session, episode, case, verdict.window, verdict.row, facts, now=now)


def _set_end(
    session: Session,
    episode: Episode,
    case: ProtectionCase,
    window: Window,
    row: OutageRow | None,
    facts: Facts,
    *,
    now: datetime,
) -> None:
    """A case of an outage that is over has its last day already; another one has a timer for its cap."""
    if facts.ended is not None or window.last < lending.business_date(session):
        end_case(session, episode, case, last_day=window.last, reason=_over(row, window.last), now=now)
        if facts.ended is not None and row is not None:
            _move_due_date(session, case, row, facts.ended, now=now)
    else:
        _arm_cap(session, case, window.last, now=now)


def _over(row: OutageRow | None, last: date) -> Text:
    days = row.catch_up_days if row is not None else 0
    return bilingual(
        N_("The outage is over; with %(days)s days to catch up the protection runs until %(last)s."),
        days=days,
        last=last.isoformat(),
    )


def _next_batch(case: ProtectionCase) -> UUID:
    """A name for the next batch of a case: its own for the first, a new one for each that follows a decision."""
    return case.id if case.decided_at is None else new_id()


def _take_back_old(session: Session, case: ProtectionCase, reason: Text, *, now: datetime) -> None:
    """Take back what stood for the case before; the new batch is on the loan already, so no day is ever bare."""
    if case.batch_id is not None:
        measures.take_back(session, case.loan_id, case.batch_id, reason=reason, now=now)
        case.batch_id = None


def _newest_case(session: Session, episode: Episode, loan_id: UUID) -> ProtectionCase | None:
    return session.scalars(
        select(ProtectionCase)
        .where(ProtectionCase.episode_id == episode.id, ProtectionCase.loan_id == loan_id)
        .order_by(ProtectionCase.round.desc())
        .limit(1)
        .with_for_update()
    ).one_or_none()


def _arm_cap(session: Session, case: ProtectionCase, last: date, *, now: datetime) -> None:
    days_left = (last - lending.business_date(session)).days + 1
    _set_timer(session, case, now + timedelta(days=max(1, days_left)))


def _set_timer(session: Session, case: ProtectionCase, at: datetime) -> None:
    set_timer(
        session,
        CAP_TIMER,
        str(case.id),
        at,
        "continuity.cap_case",
        {"borrower_id": str(case.borrower_id), "case_id": str(case.id)},
    )


def _record_decision(session: Session, episode: Episode, case: ProtectionCase, *, now: datetime) -> None:
    kind = f"protection_{case.state}"
    promise = notary.commit(
        session,
        case.borrower_id,
        kind,
        {
            "case": str(case.id),
            "episode": str(episode.id),
            "loan": str(case.loan_id),
            "policy": case.policy_version,
            "rule": case.rule_id,
            "first_day": case.first_day.isoformat() if case.first_day else None,
            "last_day": case.last_day.isoformat() if case.last_day else None,
            "measures": list(case.measures),
            "decided_by": str(case.decided_by) if case.decided_by else None,
            "reason": case.reason["en"],
        },
        now=now,
    )
    case.record_id = promise.record_id
    publish_decision(session, episode, case)
    chronicle.note(
        session,
        episode,
        kind,
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


def publish_decision(session: Session, episode: Episode, case: ProtectionCase) -> None:
    """Tell other rooms what was decided."""
    notices.publish(
        session,
        episode,
        ProtectionDecided(
            episode.id, case.id, case.borrower_id, case.loan_id, case.state, case.rule_id, case.reason
        ),
    )


def end_case(
    session: Session, episode: Episode, case: ProtectionCase, *, last_day: date, reason: Text, now: datetime
) -> None:
    """Give a granted case its last day; the pauses of the loan are cut there, nothing is taken back.

    A loan that was closed meanwhile is left alone: cutting its pauses could make it owe again. The case ends
    all the same, says why, and the borrower, who owes nothing, is not written to.
    """
    if case.batch_id is None:
        raise LookupError("a granted case has its measures")
    closed = not measures.cut(session, case.loan_id, case.batch_id, last_day, reason=reason, now=now)
    if closed:
        reason = bilingual(CLOSED_MEANWHILE, last=last_day.isoformat())
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
    notices.publish(
        session,
        episode,
        ProtectionEnded(episode.id, case.id, case.borrower_id, case.loan_id, last_day.isoformat(), reason),
    )
    if not closed:
        notices.protection_ended(session, case, now=now)


def into_review(session: Session, episode: Episode, case: ProtectionCase, *, now: datetime) -> None:
    """Put a granted case before a person. What it holds stays on the loan until they have decided."""
    cancel_timer(session, CAP_TIMER, str(case.id))
    case.state = Outcome.REVIEW.value
    case.decided_at = now
    case.reason = policy.CONTRADICTED
    session.flush()
    _record_decision(session, episode, case, now=now)
    notices.decided(session, episode, case, now=now)


def end_cases(session: Session, episode: Episode, back_on: date, *, now: datetime) -> int:
    """The outage is over: every granted case of the episode gets its last day by its row; returns how many.

    Where the row moves due dates, the installment's moves to the first working days after the end.
    """
    ended = 0
    for case in cases_in(session, episode, ("granted",)):
        row = row_of(case)
        if row is None or case.last_day is None or case.first_day is None:
            raise LookupError("a granted case has its row and its window")
        last_day = min(back_on + timedelta(days=row.catch_up_days), case.last_day)
        reason = bilingual(
            N_(
                "Your line is back since %(back)s. The protection ends after %(days)s days to catch up: "
                "from the day after %(last)s days of delay count again."
            )
            if episode.cause == "line"
            else N_(
                "The outage ended on %(back)s. The protection ends after %(days)s days to catch up: "
                "from the day after %(last)s days of delay count again."
            ),
            back=back_on.isoformat(),
            days=row.catch_up_days,
            last=last_day.isoformat(),
        )
        end_case(session, episode, case, last_day=last_day, reason=reason, now=now)
        _move_due_date(session, case, row, back_on, now=now)
        ended += 1
    return ended


def _move_due_date(
    session: Session, case: ProtectionCase, row: OutageRow, back_on: date, *, now: datetime
) -> None:
    """Move the due date by the row, and judge the borrower's other outages that the new day lies in.

    Those may have been judged before: so the order in which outages are learned of makes no difference.
    """
    new = measures.shift_due_date(session, case, row, back_on, now=now)
    if new is None:
        return
    lead = max(one.lead_days for one in outage.newest().rows)
    since, until = begin_of(case.due_date), begin_of(new + timedelta(days=lead + 1))
    for other in episodes.overlapping(
        session, case.borrower_id, since, until, causes=("line", "carrier", "own")
    ):
        if other.id != case.episode_id:
            protect(session, other, case.loan_id, case.installment_nr, new, now=now)


def cases_in(session: Session, episode: Episode, states: Iterable[str]) -> list[ProtectionCase]:
    """The cases of an episode in some states, locked, in the order in which they were opened."""
    return list(
        session.scalars(
            select(ProtectionCase)
            .where(ProtectionCase.episode_id == episode.id, ProtectionCase.state.in_(tuple(states)))
            .order_by(ProtectionCase.id)
            .limit(200)
            .with_for_update()
        )
    )


def row_of(case: ProtectionCase) -> OutageRow | None:
    """The policy row by which a case was decided."""
    signed = outage.version(case.policy_version) if case.policy_version else None
    return signed.row(case.rule_id) if signed is not None and case.rule_id is not None else None


def limit_by_reach(session: Session, episode: Episode, *, now: datetime) -> int:
    """The person was reached by another route: their cases last the row's days from then on, if not ended sooner.

    Returns how many cases got an earlier last day. The pauses are cut when that day is over.
    """
    limited = 0
    for case in cases_in(session, episode, ("granted",)):
        row = row_of(case)
        if row is None or case.last_day is None:
            continue
        facts = facts_of(session, episode, case.due_date, None, now=now)
        last = policy.window_of(row, facts).last
        if last >= case.last_day:
            continue
        case.last_day = last
        _arm_cap(session, case, last, now=now)
        chronicle.note(
            session,
            episode,
            "protection_limited",
            bilingual(
                N_(
                    "You were reached without the line: the protection goes on until %(last)s so that you can act."
                ),
                last=last.isoformat(),
            ),
            at=now,
            details={"case": str(case.id), "loan": str(case.loan_id), "last_day": last.isoformat()},
        )
        limited += 1
    session.flush()
    return limited


def cap_case(session: Session, borrower_id: UUID, case_id: UUID, *, now: datetime) -> bool:
    """End a case whose last day is over; False if there is nothing to end (any more).

    A case in review has no end by time: what it holds is given for as long as nobody has decided.
    """
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
        _set_timer(session, case, now + timedelta(hours=1))
        return False
    row = row_of(case)
    longest = N_(
        "The protection has reached its longest time and ended on %(last)s. Please call us: there are other ways."
    )
    reached = N_(
        "The protection ended on %(last)s: you had been reached by another way and had %(days)s days to act."
    )
    whole = (
        row is not None and (case.last_day - case.first_day).days + 1 >= row.cap_days
        if case.first_day
        else True
    )
    word = row is not None and row.proof == "word"
    by_word = N_("The days that we give on your word alone ended on %(last)s. Evidence is still accepted.")
    msgid = by_word if word else longest if whole else reached
    reason = bilingual(msgid, last=case.last_day.isoformat(), days=row.reached_days if row else 0)
    end_case(session, episode, case, last_day=case.last_day, reason=reason, now=now)
    return True


def on_installment_due(
    session: Session, borrower_id: UUID, loan_id: UUID, nr: int, due_date: date, *, now: datetime
) -> int:
    """An installment falls due: protect it if an outage touches the borrower; returns the cases granted."""
    episodes = session.scalars(
        select(Episode)
        .where(Episode.borrower_id == borrower_id, Episode.state == "open")
        .with_for_update()
        .limit(20)
    ).all()
    return sum(protect(session, episode, loan_id, nr, due_date, now=now) for episode in episodes)
