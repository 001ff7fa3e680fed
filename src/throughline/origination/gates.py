"""The compliance gates of an application: which facts each is handed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from throughline.compliance import service as compliance
from throughline.contracts import service as contracts
from throughline.kernel import money
from throughline.kernel.errors import Conflict
from throughline.kernel.i18n import N_
from throughline.kernel.settings import settings
from throughline.lending import service as lending
from throughline.origination.models import Application
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose
from throughline.risk import service as risk

PRODUCT = "unsecured_cash"


class RuleForbids(Conflict):
    """A rule in force today forbids the step; the decision record says which."""

    code = "rule-forbids"
    title = N_("A rule in force today forbids this step: %(rules)s")


def decision(
    session: Session, application: Application, made: risk.DecisionRecord, *, now: datetime
) -> compliance.Decision:
    """Gate `decision`: was it a machine alone, and is a person offered?"""
    facts = {"solely_automated": made.outcome != "refer", "human_review_offered": True}
    return _check(session, "decision", application, facts, now=now)


def offer(session: Session, application: Application, *, now: datetime) -> compliance.Decision:
    """Gate `offer`: the caps on rate and amount."""
    return _check(session, "offer", application, _terms(application), now=now)


def pre_sign(session: Session, application: Application, *, now: datetime) -> compliance.Decision:
    """Gate `pre_sign`: cost table shown and read, rate displayed, separate consent given."""
    if application.showing_id is None:
        raise RuntimeError("no cost table was shown")
    showing = contracts.showing(session, application.borrower_id, application.showing_id)
    facts = _terms(application) | {
        "cost_table_shown": showing.confirmed_at is not None,
        "min_read_seconds": showing.min_read_s,
        "apr_displayed": True,
        "separate_consent": parties.has_consent(session, application.borrower_id, Purpose.CREDIT),
        "kfs_shown": showing.confirmed_at is not None,
    }
    return _check(session, "pre_sign", application, facts, now=now)


def payout(session: Session, application: Application, *, now: datetime) -> compliance.Decision:
    """Gate `payout`: nothing is cut from the principal, and the money goes to the borrower's own account."""
    facts = _terms(application) | {
        "upfront_deduction": False,
        "apr_displayed": True,
        "payout_to_borrower_account": True,
    }
    return _check(session, "payout", application, facts, now=now)


def require(checked: compliance.Decision) -> None:
    """Raise RuleForbids when a gate blocks."""
    if checked.outcome == "block":
        rules = ", ".join(verdict.rule_id for verdict in checked.blocking)
        raise RuleForbids(RuleForbids.title, rules=rules)


def _terms(application: Application) -> dict[str, Any]:
    terms = application.offer or {}
    return {
        "apr": Decimal(terms["apr_percent"]) / 100,
        "principal": Decimal(money.from_minor(terms["principal_minor"], application.currency)),
        "tenor_days": terms["installments"] * 30,
    }


def _check(
    session: Session, gate: str, application: Application, facts: dict[str, Any], *, now: datetime
) -> compliance.Decision:
    return compliance.check(
        session,
        gate,
        {"lender_type": settings().lender_type, "product": PRODUCT} | facts,
        lending.business_date(session),
        f"application:{application.id}",
        application.borrower_id,
        now=now,
    )
