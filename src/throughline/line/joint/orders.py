"""The verbs of joint plans. Each is one transaction; the calls to the carrier lie between two of them (`jobs`)."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from throughline.kernel import clock, crypto
from throughline.kernel.errors import Conflict, NotFound
from throughline.kernel.i18n import N_, Text
from throughline.kernel.ids import new_id
from throughline.kernel.jobs import defer
from throughline.kernel.settings import settings
from throughline.line.joint import registry, states
from throughline.line.joint.budget import release, reserve
from throughline.line.joint.changes import change
from throughline.line.joint.eligibility import LineFacts, LoanFacts, Taken, Verdict, judge
from throughline.line.joint.facts import line_facts
from throughline.line.joint.models import JointGrant, JointMonth
from throughline.line.joint.offers import Gives, Kind, Offer, find, offers
from throughline.line.joint.ports import Order, Placed, PlanAnswer, Word
from throughline.line.joint.states import Act, Standing, State
from throughline.line.models import Line
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

STEP = "line.joint_step"
# Should the job of a new order be lost, the sweep finds the row.
JOB_IS_LATE = timedelta(minutes=2)
MAX_LINES = 20


class OfferUnknown(NotFound):
    """No offer has this id, or the line is not the caller's."""

    code = "joint-offer-not-found"
    title = N_("There is no such offer for this line")


class GrantUnknown(NotFound):
    """No grant has this id."""

    code = "joint-grant-not-found"
    title = N_("There is no such grant")


class NotEligible(Conflict):
    """Something stands against the grant; `reason` says what."""

    code = "joint-offer-not-eligible"
    title = N_("This offer can't be granted now")


class NotOpen(Conflict):
    """The grant has ended or was refused."""

    code = "joint-grant-not-open"
    title = N_("This has ended already")


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer for a line, and what stands against it."""

    line_id: UUID
    offer: Offer
    verdict: Verdict


def offered(session: Session, borrower_id: UUID, loans: LoanFacts, *, now: datetime) -> list[Offered]:
    """Every offer of the carriers of a borrower's lines, with what stands against each."""
    lines = session.scalars(
        select(Line).where(Line.borrower_id == borrower_id).order_by(Line.id.desc()).limit(MAX_LINES)
    ).all()
    consent = parties.has_consent(session, borrower_id, Purpose.JOINT_PLAN)
    found = []
    for line in lines:
        facts = line_facts(session, line, now=now)
        for offer in offers():
            if offer.carrier == line.carrier and offer.in_force(_today(now)):
                verdict = _judge(session, offer, line, facts, loans, consent=consent, now=now)
                found.append(Offered(line.id, offer, verdict))
    return found


def request(
    session: Session, borrower_id: UUID, line_id: UUID, offer_id: str, loans: LoanFacts, *, now: datetime
) -> UUID:
    """Order an offer for a line; returns the grant's id. Raises `OfferUnknown`, `NotEligible`.

    The row with its key and the place in the budget are written here; the carrier is called by the job. The line's
    row is locked first, so that of two requests at once the second sees the first.
    """
    line = session.get(Line, (borrower_id, line_id), with_for_update=True, populate_existing=True)
    offer = find(offers(), offer_id)
    if line is None or offer is None or offer.carrier != line.carrier:
        raise OfferUnknown
    facts = line_facts(session, line, now=now)
    consent = parties.has_consent(session, borrower_id, Purpose.JOINT_PLAN)
    verdict = _judge(session, offer, line, facts, loans, consent=consent, now=now)
    month = _month(now)
    if verdict.eligible and not reserve(session, offer, month):
        # Another line took the last of it since the verdict was read.
        verdict = judge(
            offer,
            facts,
            loans,
            Taken(0, False, offer.monthly_budget_minor),
            consent=consent,
            set_up=True,
            today=_today(now),
        )
    if not verdict.eligible:
        first = verdict.refusals[0]
        raise NotEligible(first.msgid, **first.params, reason=first.code)
    plan = registry.plan_for(offer)
    if plan is None:
        raise NotEligible(NotEligible.title, reason="not_set_up")
    grant_id = new_id()
    grant = JointGrant(
        borrower_id=borrower_id,
        id=grant_id,
        line_id=line.id,
        contact_point_id=line.contact_point_id,
        carrier=offer.carrier,
        offer_id=offer.id,
        kind=offer.kind.value,
        plan=plan.name,
        idem_key=f"joint-{grant_id}",
        state=State.REQUESTED.value,
        line_state=facts.state,
        data_state=facts.data.value,
        terms=terms_of(offer),
        facts={"line": _plain(facts), "loans": asdict(loans)},
        cost_minor=offer.cost_minor,
        currency=offer.currency,
        budget_month=month,
        requested_at=now,
        changed_at=now,
        checks=0,
        next_step_at=clock.real_now() + JOB_IS_LATE,
    )
    session.add(grant)
    session.flush()
    change(session, grant, None, None, now=now)
    _defer_step(session, grant)
    return grant_id


def terms_of(offer: Offer) -> dict[str, Any]:
    """An offer as it is kept with a grant: what the borrower was shown."""
    return {
        "name": offer.name,
        "terms": offer.terms,
        "gives": asdict(offer.gives),
        "payer": offer.payer,
        "carrier_name": offer.carrier_name,
        "campaign": offer.campaign,
        "agreement": offer.agreement,
    }


def _plain(facts: LineFacts) -> dict[str, Any]:
    return {**asdict(facts), "data": facts.data.value}


def _judge(
    session: Session,
    offer: Offer,
    line: Line,
    facts: LineFacts,
    loans: LoanFacts,
    *,
    consent: bool,
    now: datetime,
) -> Verdict:
    return judge(
        offer,
        facts,
        loans,
        _taken(session, offer, line, now=now),
        consent=consent,
        set_up=registry.plan_for(offer) is not None,
        today=_today(now),
    )


def _taken(session: Session, offer: Offer, line: Line, *, now: datetime) -> Taken:
    mine = (JointGrant.line_id == line.id, JointGrant.offer_id == offer.id)
    in_period, asked_today = session.execute(
        select(
            func.count().filter(JointGrant.state != State.REFUSED.value),
            func.count().filter(JointGrant.requested_at > now - timedelta(days=1)),
        ).where(*mine, JointGrant.requested_at > now - timedelta(days=offer.limit_days))
    ).one()
    open_now = session.execute(
        select(JointGrant.id).where(*mine, JointGrant.state.in_([one.value for one in states.OPEN])).limit(1)
    ).first()
    cost = session.execute(
        select(JointMonth.cost_minor).where(JointMonth.offer_id == offer.id, JointMonth.month == _month(now))
    ).scalar_one_or_none()
    return Taken(in_period, open_now is not None, cost or 0, asked_today)


# --- steps -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be said to the carrier, outside of any transaction."""

    act: Act
    plan: str
    order: Order | None
    placed: Placed


def begin_step(session: Session, grant_id: UUID, *, now: datetime, real_now: datetime) -> Step | None:
    """What a grant needs next, written down before it is done; None: nothing now."""
    grant = locked(session, grant_id)
    act = states.next_act(_standing(grant), now=real_now)
    if act is None:
        return None
    plan = registry.plan(grant.plan)
    if plan is None:
        if act is Act.SEND:
            _refuse(session, grant, "not_set_up", now=now)
        return None  # what was sent waits until the way to this carrier is set up again
    if act is Act.SEND:
        return _begin_send(session, grant, now=now, real_now=real_now)
    if grant.state == State.REQUESTED and grant.answered_at is None:
        change(session, grant, State.UNKNOWN, "call_lost", now=now)
    # Counted before the call, so that questions which kill their process have an end too.
    grant.checks += 1
    more = states.wait_after(grant.checks) is not None
    grant.next_step_at = real_now + states.IN_FLIGHT if more else None
    return Step(act, grant.plan, None, _placed(session, grant))


def _begin_send(session: Session, grant: JointGrant, *, now: datetime, real_now: datetime) -> Step | None:
    # The consent is read in this transaction: a withdrawal a moment ago counts.
    if grant.revoke_asked_at or not parties.has_consent(session, grant.borrower_id, Purpose.JOINT_PLAN):
        _refuse(session, grant, grant.revoke_code or "consent_withdrawn", now=now)
        return None
    token = uuid.uuid4()  # the API wants version 4
    grant.sent_at = real_now
    grant.token_hash = token_hash(str(token))
    grant.next_step_at = real_now + states.IN_FLIGHT
    try:
        number = parties.contact_value(
            session, grant.contact_point_id, Purpose.JOINT_PLAN, now=now, reader="line"
        )
    except parties.UnknownContactPoint:
        grant.sent_at = None
        _refuse(session, grant, "no_number", now=now)
        return None
    terms = grant.terms
    order = Order(
        key=grant.idem_key,
        offer_id=grant.offer_id,
        campaign=terms["campaign"],
        kind=Kind(grant.kind),
        gives=Gives(**terms["gives"]),
        currency=grant.currency,
        number=number,
        callback_token=token,
    )
    return Step(Act.SEND, grant.plan, order, _placed(session, grant))


def end_step(
    session: Session, grant_id: UUID, act: Act, answer: PlanAnswer, *, now: datetime, real_now: datetime
) -> None:
    """Write down what the carrier said. An answer that comes late or twice changes nothing that is final."""
    grant = locked(session, grant_id)
    if grant.state not in states.OPEN:
        return
    if answer.word is not Word.NO_ANSWER and act is Act.SEND:
        grant.answered_at = real_now
    if answer.remote_id is not None:
        grant.remote_id = answer.remote_id
    match answer.word:
        case Word.GRANTED:
            _grant(session, grant, act, answer, now=now, real_now=real_now)
        case Word.PENDING:
            grant.answered_at = real_now
            if grant.state == State.UNKNOWN:
                change(session, grant, State.REQUESTED, None, now=now)
            _later(grant, real_now=real_now)
        case Word.REFUSED:
            if grant.state == State.GRANTED:
                end(session, grant, "carrier", now=now)
            else:
                _refuse(session, grant, "carrier_refused", now=now)
        case Word.ENDED:
            ended_by_us = act is Act.REVOKE
            code = grant.revoke_code if ended_by_us else answer.code
            grant.starts_at = grant.starts_at or answer.starts_at or grant.sent_at
            end(session, grant, code or "carrier", now=now)
        case Word.NOT_KNOWN:
            _not_known(session, grant, now=now, real_now=real_now)
        case Word.NO_ANSWER:
            if grant.state == State.REQUESTED and grant.answered_at is None:
                change(session, grant, State.UNKNOWN, answer.code or "no_answer", now=now)
            _later(grant, real_now=real_now)
            over = grant.ends_at is not None and grant.ends_at <= real_now
            if grant.state == State.GRANTED and over and grant.next_step_at is None:
                # The agreed time is over and nobody there has answered for days: it is over for us too.
                end(session, grant, "expired_unconfirmed", now=now)


def _grant(
    session: Session,
    grant: JointGrant,
    act: Act,
    answer: PlanAnswer,
    *,
    now: datetime,
    real_now: datetime,
) -> None:
    grant.starts_at = answer.starts_at or grant.starts_at or grant.sent_at
    grant.ends_at = answer.ends_at or grant.ends_at
    overdue = grant.ends_at is not None and grant.ends_at <= real_now
    if grant.state != State.GRANTED:
        grant.checks = 0
        change(session, grant, State.GRANTED, None, now=now)
    if grant.revoke_asked_at:
        _later(grant, real_now=real_now)
        if act is not Act.REVOKE:  # a carrier that will not end it is asked again with patience
            _defer_step(session, grant)
    elif overdue:
        _later(grant, real_now=real_now)  # past its end and the carrier says it runs: ask again, with limits
    else:
        grant.checks = 0
        grant.next_step_at = states.look_at(grant.ends_at, now=real_now)


def _not_known(session: Session, grant: JointGrant, *, now: datetime, real_now: datetime) -> None:
    if grant.state == State.GRANTED:
        if grant.revoke_asked_at or (grant.ends_at is not None and grant.ends_at <= real_now):
            end(session, grant, grant.revoke_code or "expired", now=now)
        else:
            _later(grant, real_now=real_now)
    elif grant.sent_at is not None and real_now >= grant.sent_at + states.SETTLED:
        _refuse(session, grant, "not_received", now=now)
    else:
        _later(grant, real_now=real_now)


def _later(grant: JointGrant, *, real_now: datetime) -> None:
    wait = states.wait_after(grant.checks)
    grant.next_step_at = real_now + wait if wait is not None else None


def end(session: Session, grant: JointGrant, code: str, *, now: datetime) -> None:
    """A grant is over. `code` says by whom or what."""
    grant.next_step_at = None
    grant.ended_at = now
    change(session, grant, State.ENDED, code, now=now)


def _refuse(session: Session, grant: JointGrant, code: str, *, now: datetime) -> None:
    grant.next_step_at = None
    grant.ended_at = now
    release(session, grant)
    change(session, grant, State.REFUSED, code, now=now)


def ask_revoke(session: Session, borrower_id: UUID, grant_id: UUID, code: str, *, now: datetime) -> None:
    """End a grant: at once if the carrier was not called yet, else by telling the carrier.

    Raises `GrantUnknown`, `NotOpen`. Safe to repeat while it runs.
    """
    grant = locked(session, grant_id)
    if grant.borrower_id != borrower_id:
        raise GrantUnknown
    if grant.state not in states.OPEN:
        raise NotOpen
    if grant.revoke_asked_at is None:
        grant.revoke_asked_at, grant.revoke_code = now, code
    if grant.state == State.REQUESTED and grant.sent_at is None:
        _refuse(session, grant, code, now=now)
        return
    grant.checks = 0
    grant.next_step_at = clock.real_now() + JOB_IS_LATE
    _defer_step(session, grant)


def revoke_all(session: Session, borrower_id: UUID, code: str, *, now: datetime) -> int:
    """End every open grant of a borrower, as the withdrawal of the consent asks; returns how many."""
    ids = session.scalars(
        select(JointGrant.id)
        .where(
            JointGrant.borrower_id == borrower_id,
            JointGrant.state.in_([one.value for one in states.OPEN]),
        )
        .order_by(JointGrant.id)
    ).all()
    asked = 0
    for grant_id in ids:
        grant = locked(session, grant_id)
        if grant.state in states.OPEN:
            ask_revoke(session, borrower_id, grant_id, code, now=now)
            asked += 1
    return asked


def ask_again(session: Session, grant_id: UUID) -> None:
    """A person wants the carrier to be asked now, also when the usual questions are used up. Raises `NotOpen`."""
    grant = locked(session, grant_id)
    if grant.state not in states.OPEN:
        raise NotOpen
    grant.checks = 0
    grant.next_step_at = clock.real_now() + JOB_IS_LATE
    _defer_step(session, grant)


def due(session: Session, *, real_now: datetime, limit: int) -> list[UUID]:
    """Grants whose next step is due; each is put off, so that it is not found again before its job has run.

    An order that never comes to be sent is given up after so many jobs; questions are counted where they begin.
    """
    rows = session.execute(
        text(
            """
            UPDATE line_joint_grant SET
              checks = CASE WHEN sent_at IS NULL THEN checks + 1 ELSE checks END,
              next_step_at = CASE WHEN sent_at IS NULL AND checks >= :most THEN NULL ELSE :later END
            WHERE id IN (SELECT id FROM line_joint_grant WHERE next_step_at <= :now
                         ORDER BY next_step_at LIMIT :limit FOR UPDATE SKIP LOCKED)
            RETURNING id
            """
        ),
        {"now": real_now, "later": real_now + JOB_IS_LATE, "limit": limit, "most": states.MAX_CHECKS},
    )
    return [row.id for row in rows]


def locked(session: Session, grant_id: UUID) -> JointGrant:
    """A grant under its lock. Raises `GrantUnknown`."""
    grant = session.scalars(
        select(JointGrant)
        .where(JointGrant.id == grant_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if grant is None:
        raise GrantUnknown
    return grant


def token_hash(token: str) -> bytes:
    """What is kept of a callback token."""
    return hashlib.sha256(token.encode()).digest()


def _placed(session: Session, grant: JointGrant) -> Placed:
    # The number itself is not read to ask or to revoke: that must go on after the consent was withdrawn.
    index = session.execute(
        select(Line.number_index).where(Line.borrower_id == grant.borrower_id, Line.id == grant.line_id)
    ).scalar_one()
    return Placed(
        grant.idem_key,
        grant.remote_id,
        grant.terms["campaign"],
        lambda number: crypto.blind_index("line.number", number) == index,
    )


def _standing(grant: JointGrant) -> Standing:
    return Standing(
        State(grant.state), grant.sent_at, grant.answered_at is not None, grant.revoke_asked_at is not None
    )


def _defer_step(session: Session, grant: JointGrant) -> None:
    defer(session, STEP, {"grant_id": str(grant.id)})


def _today(now: datetime) -> date:
    return clock.local_date(now, settings().zone)


def _month(now: datetime) -> date:
    return _today(now).replace(day=1)


def refusal_texts(verdict: Verdict) -> list[Text]:
    """What stands against a grant, the consent left out: that is asked for."""
    return [one.text for one in verdict.refusals if one.code != "consent"]
