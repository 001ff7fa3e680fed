"""What may be said of a loan for a month: its figures, the guard asked, and the words that come of both.

The gate's decision is stored only where something negative would leave; a question alone leaves no trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from throughline.compliance import service as compliance
from throughline.kernel.settings import settings
from throughline.lending.account import terms_of
from throughline.lending.bureau import guard, policy
from throughline.lending.bureau.evidence import Evidence
from throughline.lending.bureau.figures import Figures, HoldCode, Said, figures_of, held
from throughline.lending.history import LoanEvent
from throughline.lending.models import LoanRow
from throughline.lending.replay import replay
from throughline.lending.state import LoanState

GATE = "negative_report"


@dataclass(frozen=True, slots=True)
class Saying:
    """What is said, and why. `verdict` is None where nothing negative was to be said."""

    figures: Figures
    said: Said
    verdict: guard.Verdict | None
    decision_id: UUID | None
    event_seq: int

    def columns(self) -> dict[str, Any]:
        """The columns of a report that follow from this."""
        notice = self.verdict.notice if self.verdict and self.said.negative else None
        return {
            "event_seq": self.event_seq,
            "past_due_days": self.figures.past_due_days,
            "delinquent_days": self.figures.delinquent_days,
            "negative": self.said.negative,
            "said": self.said.document(),
            "missing": missing_documents(self.verdict),
            "late_since": self.figures.late_since,
            "notice_ref": notice.ref if notice else None,
            "notice_way": notice.way.value if notice else None,
            "noticed_at": notice.reached_at if notice else None,
            "notice_contact_point_id": notice.contact_point_id if notice else None,
            "decision_id": self.decision_id,
        }


def missing_documents(verdict: guard.Verdict | None) -> list[dict[str, Any]]:
    """What is missing, as it is stored and shown."""
    return [
        {"piece": one.piece, "code": one.code, "text": one.text}
        for one in (verdict.missing if verdict else ())
    ]


def month_of(day: date) -> date:
    """The first day of a day's month."""
    return day.replace(day=1)


def month_end(month: date) -> date:
    """The last day of a month: the day that is reported."""
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def say(
    session: Session,
    row: LoanRow,
    events: Sequence[LoanEvent],
    evidence: Evidence,
    *,
    as_of: date,
    on: date,
    store: bool,
    now: datetime,
) -> Saying:
    """What may be said of a loan as it stood at the end of `as_of`, if it leaves on a day.

    With `store` the gate's decision is kept when nothing else stands in the way.
    """
    place = settings().jurisdiction
    state = replay(terms_of(row), events, as_of=as_of)
    threshold = policy.in_force("negative_from_days", place, as_of).value
    figures = figures_of(state, as_of, negative_from_days=threshold)
    if not figures.negative or figures.late_since is None:
        return Saying(figures, figures.said, None, None, row.event_seq)
    verdict = guard.judge(_asked(figures, evidence, place, on, ()))
    facts = _facts(state, verdict)
    decision_id: UUID | None = None
    if verdict.allowed and store:
        decision = compliance.check(
            session, GATE, facts, on, f"credit_report:{row.id}", row.borrower_id, now=now
        )
        decision_id, blocking = decision.id, decision.blocking
    else:
        blocking = compliance.foresee(GATE, facts, on)
    if blocking:
        names = [one.rule.id for one in blocking]
        verdict = guard.judge(_asked(figures, evidence, place, on, names))
    if verdict.allowed:
        return Saying(figures, figures.said, verdict, decision_id, row.event_seq)
    said = held(figures.said, verdict.code or HoldCode.HELD)
    return Saying(figures, said, verdict, None, row.event_seq)


def _asked(
    figures: Figures, evidence: Evidence, place: str, on: date, blocking: Sequence[str]
) -> guard.Asked:
    return guard.Asked(
        on=on,
        period_first=month_of(figures.as_of),
        as_of=figures.as_of,
        late_since=figures.late_since or figures.as_of,
        notice_days=policy.in_force("notice_days", place, on).value,
        notices=evidence.notices,
        undelivered=evidence.undelivered,
        holds=evidence.holds,
        blocking=blocking,
    )


def _facts(state: LoanState, verdict: guard.Verdict) -> dict[str, Any]:
    """The facts that the gate owes. Nobody but the borrower is ever written to: messages go to own addresses."""
    cost_minor = sum(sum(row.due[1:]) for row in state.installments)
    return {
        "lender_type": settings().lender_type,
        "negative_notice_sent": verdict.notice is not None,
        "third_party_contacted": False,
        "total_cost_ratio": Decimal(cost_minor) / Decimal(max(1, state.disbursed_minor)),
    }
