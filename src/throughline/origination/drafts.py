"""Draft terms and schedules of an offer, made by the arithmetic of lending."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy.orm import Session

from throughline.contracts.offers import OfferTerms, Row
from throughline.lending import service as lending
from throughline.lending.schedule import Tranche, build_schedule
from throughline.lending.terms import LoanTerms
from throughline.origination.models import Application
from throughline.risk import service as risk


def terms_of(
    session: Session, product_code: str, principal_minor: int, installments: int, annual_rate_percent: Decimal
) -> LoanTerms:
    """The terms that the product gives today. Raises OutsideProduct, ProductUnknown."""
    product = lending.product_in_force(session, product_code, lending.business_date(session))
    return product.terms(
        principal_minor=principal_minor, installments=installments, annual_rate_percent=annual_rate_percent
    )


def highest_installment_minor(session: Session, application: Application) -> int:
    """What the asked loan costs a month at the dearest rate: what affordability is judged at."""
    terms = terms_of(
        session,
        application.product_code,
        application.requested_minor,
        application.installments,
        risk.highest_rate_percent(),
    )
    plan = build_schedule(terms, [Tranche(lending.business_date(session), terms.principal_minor)])
    return max(row.principal_minor + row.interest_minor for row in plan.installments)


def offer_terms(
    session: Session, application: Application, *, principal_minor: int, annual_rate_percent: Decimal
) -> OfferTerms:
    """The offer with its draft schedule, as if paid out on the open business day."""
    terms = terms_of(
        session, application.product_code, principal_minor, application.installments, annual_rate_percent
    )
    today = lending.business_date(session)
    plan = build_schedule(terms, [Tranche(today, principal_minor)])
    penalty = terms.overdue_interest
    return OfferTerms(
        product_code=application.product_code,
        principal_minor=principal_minor,
        currency=terms.currency,
        annual_rate_percent=annual_rate_percent,
        disbursed_on=today,
        schedule=tuple(
            Row(row.nr, row.due_date, row.principal_minor, row.interest_minor) for row in plan.installments
        ),
        penalty_rate_percent=penalty.annual_rate_percent if penalty else Decimal(0),
        penalty_grace_days=penalty.grace_days if penalty else 0,
    )
