"""The monthly budget of an offer: one row, changed by one statement, so that it holds in any interleaving."""

from __future__ import annotations

from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.line.joint.models import JointGrant
from throughline.line.joint.offers import Offer

_RESERVE = text(
    """
    INSERT INTO line_joint_month AS m (offer_id, month, grants, cost_minor) VALUES (:offer_id, :month, 1, :cost)
    ON CONFLICT (offer_id, month) DO UPDATE SET grants = m.grants + 1, cost_minor = m.cost_minor + :cost
      WHERE m.cost_minor + :cost <= :budget
    RETURNING 1
    """
)
_RELEASE = text(
    """
    UPDATE line_joint_month SET grants = grants - 1, cost_minor = cost_minor - :cost
    WHERE offer_id = :offer_id AND month = :month
    """
)
_BOOK = text(
    """
    UPDATE line_joint_month SET grants = grants + 1, cost_minor = cost_minor + :cost
    WHERE offer_id = :offer_id AND month = :month
    """
)


def reserve(session: Session, offer: Offer, month: date) -> bool:
    """Take the cost of one grant out of the month's budget; False if it is not there.

    The first grant of a month needs no look: an offer's budget is never less than one grant costs.
    """
    values = {
        "offer_id": offer.id,
        "month": month,
        "cost": offer.cost_minor,
        "budget": offer.monthly_budget_minor,
    }
    return session.execute(_RESERVE, values).first() is not None


def release(session: Session, grant: JointGrant) -> None:
    """Put the cost of a refused grant back."""
    session.execute(_RELEASE, _of(grant))


def book_after_all(session: Session, grant: JointGrant) -> None:
    """A grant that counted as refused did run: its cost is a fact, whether the budget has room or not."""
    session.execute(_BOOK, _of(grant))


def _of(grant: JointGrant) -> dict[str, object]:
    return {"offer_id": grant.offer_id, "month": grant.budget_month, "cost": grant.cost_minor}
