"""The guard's proof by another way: one query over the rows themselves finds what left without (a) to (e).

It shares nothing with `guard`: notices, lines, holds and gate decisions are joined again in SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.lending.bureau import policy

MAX_FOUND = 1_000


@dataclass(frozen=True, slots=True)
class Unproved:
    """A negative report that stands at the bureau, or may, and lacks a piece (a to e)."""

    item_id: UUID
    loan_id: UUID
    piece: str


def unproved(session: Session, *, notice_days: int = 5) -> list[Unproved]:
    """Negative reports that stand with a piece missing (at most 1,000); what is being corrected is not counted."""
    rows = session.execute(
        _UNPROVED,
        {"days": notice_days, "templates": list(policy.NOTICE_TEMPLATES), "limit": MAX_FOUND},
    )
    return [Unproved(item_id, loan_id, piece) for item_id, loan_id, piece in rows]


_UNPROVED = text(
    """
    WITH standing AS (
      SELECT DISTINCT ON (i.borrower_id, i.loan_id, i.month) i.*, l.zone FROM lending_bureau_item i
      JOIN lending_loan l ON l.borrower_id = i.borrower_id AND l.id = i.loan_id
      WHERE i.state IN ('queued', 'sent', 'unknown', 'accepted')
      ORDER BY i.borrower_id, i.loan_id, i.month, i.n DESC),
    negative AS (SELECT * FROM standing WHERE negative AND state <> 'queued'),
    proof AS (
      SELECT n.id, coalesce(min(x.at) FILTER (WHERE x.good), NULL) AS at FROM negative n
      LEFT JOIN LATERAL (
        SELECT b.read_at AS at, true AS good FROM msg_intent m
          JOIN msg_inbox b ON b.borrower_id = m.borrower_id AND b.intent_id = m.id
          WHERE m.borrower_id = n.borrower_id AND m.subject = 'loan:' || n.loan_id AND m.template = ANY (:templates)
            AND b.read_at IS NOT NULL AND CAST(m.created_at AT TIME ZONE n.zone AS date) > n.late_since
        UNION ALL
        SELECT s.changed_at, c.owner = 'self' AND (c.frozen_at IS NULL OR c.frozen_at > s.changed_at)
            AND (c.kind <> 'phone' OR c.suspended_at IS NULL OR c.suspended_at > s.changed_at)
            AND (c.kind <> 'phone' OR NOT EXISTS (SELECT 1 FROM lending_bureau_dark_span d
              WHERE d.borrower_id = c.borrower_id AND d.contact_point_id = c.id AND d.from_at <= s.changed_at
                AND (d.until_at IS NULL OR d.until_at > s.changed_at)))
          FROM msg_intent m
          JOIN msg_step s ON s.borrower_id = m.borrower_id AND s.intent_id = m.id AND s.state = 'delivered'
          JOIN party_contact_point c ON c.borrower_id = s.borrower_id AND c.id = s.contact_point_id
          WHERE m.borrower_id = n.borrower_id AND m.subject = 'loan:' || n.loan_id AND m.template = ANY (:templates)
            AND CAST(m.created_at AT TIME ZONE n.zone AS date) > n.late_since
        UNION ALL
        SELECT (t.handed_over_on + time '12:00') AT TIME ZONE n.zone, true FROM lending_bureau_letter t
          WHERE t.borrower_id = n.borrower_id AND t.loan_id = n.loan_id AND t.posted_on > n.late_since) x ON true
      GROUP BY n.id)
    SELECT n.id, n.loan_id, w.piece FROM negative n JOIN proof p ON p.id = n.id
    CROSS JOIN LATERAL (VALUES
      ('a', p.at IS NULL),
      ('b', CAST(p.at AT TIME ZONE n.zone AS date) + CAST(:days AS int)
            > CAST(n.sent_at AT TIME ZONE n.zone AS date)),
      ('c', EXISTS (SELECT 1 FROM lending_report_hold h WHERE h.borrower_id = n.borrower_id
         AND h.loan_id = n.loan_id AND h.released_at IS NULL AND h.from_date <= n.as_of
         AND (h.until_date IS NULL OR h.until_date >= n.month))),
      ('e', NOT EXISTS (SELECT 1 FROM compliance_decision d WHERE d.borrower_id = n.borrower_id
         AND d.id = n.decision_id AND d.gate = 'negative_report' AND d.outcome <> 'block'))
      ) AS w(piece, lacking)
    WHERE w.lacking ORDER BY n.id LIMIT :limit
    """
)
