"""What joint plans cost and what came after them, computed by SQL from the rows themselves.

"After" is not "because of": nobody was left out by lot, so the figures stand beside what the same borrowers did in
as many days before, and each share names what it is a share of. A grant counts only when its days are over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

MAX_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class CostRow:
    """The grants of an offer that were asked for in a month, by how they stand; amounts in minor units.

    `ran`: granted or ended. `open`: requested or unknown, whose cost is set aside but not certain.
    """

    offer_id: str
    month: date
    currency: str
    ran: int
    open: int
    refused: int
    ran_cost_minor: int
    open_cost_minor: int


@dataclass(frozen=True, slots=True)
class EffectRow:
    """What came in the days after the grants of an offer.

    `ran`: grants that began; `measured`: those of them whose days are over, the denominator of the payments.
    `stopped`: measured grants whose line was not in service then, the denominator of `came_back`.
    """

    offer_id: str
    ran: int
    measured: int
    stopped: int
    came_back: int
    paid_after: int
    paid_before: int


_COST = text(
    """
    SELECT offer_id, budget_month AS month, currency,
      count(*) FILTER (WHERE state IN ('granted', 'ended')) AS ran,
      count(*) FILTER (WHERE state IN ('requested', 'unknown')) AS open,
      count(*) FILTER (WHERE state = 'refused') AS refused,
      CAST(coalesce(sum(cost_minor) FILTER (WHERE state IN ('granted', 'ended')), 0) AS bigint) AS ran_cost_minor,
      CAST(coalesce(sum(cost_minor) FILTER (WHERE state IN ('requested', 'unknown')), 0) AS bigint) AS open_cost_minor
    FROM line_joint_grant
    WHERE budget_month BETWEEN :first AND :last
    GROUP BY offer_id, budget_month, currency
    ORDER BY budget_month DESC, offer_id LIMIT :limit
    """
)

# A line "came back" when its believed state became `active` within the days. A payment counts by the day on which
# it was paid; one that was taken back (reversed, or a row that a later one of its event replaces) does not.
_EFFECT = text(
    """
    WITH g AS (
      SELECT offer_id, borrower_id, line_id, line_state, requested_at,
        CAST(requested_at AT TIME ZONE :zone AS date) AS day,
        requested_at + make_interval(days => :days) <= :now AS over
      FROM line_joint_grant
      WHERE state IN ('granted', 'ended') AND budget_month BETWEEN :first AND :last
    ), seen AS (
      SELECT g.*,
        EXISTS (SELECT 1 FROM line_transition t
                WHERE t.line_id = g.line_id AND t.new = 'active' AND t.at > g.requested_at
                  AND t.at <= g.requested_at + make_interval(days => :days)) AS came_back,
        EXISTS (SELECT 1 FROM lending_event e
                WHERE e.borrower_id = g.borrower_id AND e.type IN ('repayment', 'pay_off')
                  AND e.value_date > g.day AND e.value_date <= g.day + :days
                  AND NOT EXISTS (SELECT 1 FROM lending_event u WHERE u.borrower_id = e.borrower_id
                                  AND u.loan_id = e.loan_id AND u.target = e.id
                                  AND u.type IN ('reversal', 'chargeback'))) AS paid_after,
        EXISTS (SELECT 1 FROM lending_event e
                WHERE e.borrower_id = g.borrower_id AND e.type IN ('repayment', 'pay_off')
                  AND e.value_date >= g.day - :days AND e.value_date < g.day
                  AND NOT EXISTS (SELECT 1 FROM lending_event u WHERE u.borrower_id = e.borrower_id
                                  AND u.loan_id = e.loan_id AND u.target = e.id
                                  AND u.type IN ('reversal', 'chargeback'))) AS paid_before
      FROM g
    )
    SELECT offer_id, count(*) AS ran, count(*) FILTER (WHERE over) AS measured,
      count(*) FILTER (WHERE over AND line_state <> 'active') AS stopped,
      count(*) FILTER (WHERE over AND line_state <> 'active' AND came_back) AS came_back,
      count(*) FILTER (WHERE over AND paid_after) AS paid_after,
      count(*) FILTER (WHERE over AND paid_before) AS paid_before
    FROM seen GROUP BY offer_id ORDER BY offer_id LIMIT :limit
    """
)


def cost(session: Session, *, first: date, last: date) -> list[CostRow]:
    """Cost by month and offer, newest month first; `first` and `last` are first days of months, both inside."""
    rows = session.execute(_COST, {"first": first, "last": last, "limit": MAX_ROWS})
    return [CostRow(**row) for row in rows.mappings()]


def effect(
    session: Session, *, first: date, last: date, days: int, zone: str, now: datetime
) -> list[EffectRow]:
    """What came within so many days, by offer, of the grants of these months."""
    rows = session.execute(
        _EFFECT,
        {"first": first, "last": last, "days": days, "zone": zone, "now": now, "limit": MAX_ROWS},
    )
    return [EffectRow(**row) for row in rows.mappings()]


def months_back(today: date, months: int) -> tuple[date, date]:
    """The first days of the month so many months ago and of this month."""
    last = first = today.replace(day=1)
    for _ in range(months - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    return first, last
