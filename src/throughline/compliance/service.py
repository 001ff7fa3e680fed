"""The verbs of compliance: ask a gate, and keep what was asked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.compliance import rules
from throughline.compliance.expressions import Fact
from throughline.compliance.models import RuleDecision
from throughline.compliance.rates import lpr_one_year
from throughline.compliance.rules import OutcomeName, Verdict
from throughline.compliance.sentences import sentence
from throughline.kernel.settings import settings

__all__ = ["Decision", "Verdict", "check", "decisions_of", "foresee", "replay", "rules_on"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of a gate. `id` names the stored record."""

    id: UUID
    outcome: OutcomeName
    verdicts: tuple[Verdict, ...]
    gate: str

    @property
    def blocking(self) -> list[Verdict]:
        """The verdicts that block."""
        return [one for one in self.verdicts if rules.blocks(one, self.gate)]


def check(
    session: Session,
    gate: str,
    facts: Mapping[str, Fact],
    on_date: date,
    subject: str,
    borrower_id: UUID,
    *,
    jurisdiction: str | None = None,
    now: datetime,
) -> Decision:
    """Ask a gate and store the question with its answer.

    `on_date` is the local date that the rules of this gate go by (contract date for rates and payout,
    the day of the event for contact, debit and reports). `lpr1y` is filled in from the published series
    when the caller does not give it. Raises KeyError for an unknown gate, ExpressionError for a fact of
    the wrong type.
    """
    where, given = _given(facts, on_date, jurisdiction)
    verdicts = rules.judge(rules.shipped(), given, on_date, jurisdiction=where, gate=gate)
    outcome = rules.outcome(verdicts, gate)
    document = {
        name: str(value) if isinstance(value, Decimal) else value for name, value in sorted(given.items())
    }
    row = RuleDecision(
        borrower_id=borrower_id,
        gate=gate,
        subject=subject,
        jurisdiction=where,
        on_date=on_date,
        facts=document,
        facts_hash=hashlib.sha256(rfc8785.dumps(document)).hexdigest(),
        rule_set=rules.shipped().version,
        outcome=outcome,
        verdicts=[verdict_document(one) for one in verdicts],
        decided_at=now,
    )
    session.add(row)
    session.flush()
    return Decision(row.id, outcome, tuple(verdicts), gate)


def foresee(
    gate: str, facts: Mapping[str, Fact], on_date: date, *, jurisdiction: str | None = None
) -> list[Verdict]:
    """The verdicts that would block at a gate, as `check` would find them; nothing is stored."""
    where, given = _given(facts, on_date, jurisdiction)
    found = rules.judge(rules.shipped(), given, on_date, jurisdiction=where, gate=gate)
    return [one for one in found if rules.blocks(one, gate)]


def _given(facts: Mapping[str, Fact], on_date: date, jurisdiction: str | None) -> tuple[str, dict[str, Fact]]:
    where = jurisdiction or settings().jurisdiction
    if where.startswith("CN"):
        return where, {"lpr1y": lpr_one_year(on_date), **facts}
    return where, dict(facts)


def verdict_document(one: Verdict) -> dict[str, Any]:
    """A verdict as JSON (the shape of `throughline compliance check`, and one sentence in both languages)."""
    return {
        "id": one.rule.id,
        "key": one.rule.key,
        "jurisdiction": one.rule.jurisdiction,
        "from": one.rule.valid_from.isoformat(),
        "to": one.rule.valid_to.isoformat() if one.rule.valid_to else None,
        "confidence": one.rule.confidence,
        "demand": one.rule.demand,
        "cite": one.rule.cite,
        "verdict": one.verdict,
        "missing": list(one.missing),
        "trace": [
            {"text": step.text, "left": step.left, "right": step.right, "value": step.value}
            for step in one.trace
        ],
        "row_hash": one.rule.row_hash,
        "sentence": sentence(one),
    }


def rules_on(on: date, *, jurisdiction: str | None = None) -> list[rules.Rule]:
    """The shipped rules in force on a day, in order of id."""
    return [
        rule
        for rule in rules.shipped().rules
        if rule.in_force(on) and (jurisdiction is None or rule.jurisdiction == jurisdiction)
    ]


def decisions_of(
    session: Session, *, subject: str | None = None, after: UUID | None = None, limit: int = 50
) -> list[RuleDecision]:
    """A page of stored decisions, newest first; of one subject, such as "application:<id>", or of all."""
    query = select(RuleDecision)
    if subject is not None:
        query = query.where(RuleDecision.subject == subject)
    if after is not None:
        query = query.where(RuleDecision.id < after)
    return list(session.scalars(query.order_by(RuleDecision.id.desc()).limit(limit)))


def replay(row: RuleDecision) -> list[str]:
    """Judge a stored decision again by today's rule file; returns the ids of the rows that differ (none: identical)."""
    facts = {name: Decimal(value) if _is_number(value) else value for name, value in row.facts.items()}
    again = {
        one.rule.id: verdict_document(one)
        for one in rules.judge(
            rules.shipped(), facts, row.on_date, jurisdiction=row.jurisdiction, gate=row.gate
        )
    }
    stored = {one["id"]: one for one in row.verdicts}
    compared = ("verdict", "row_hash", "trace", "missing")
    return sorted(
        rule_id
        for rule_id in again.keys() | stored.keys()
        if rule_id not in again
        or rule_id not in stored
        or any(again[rule_id][name] != stored[rule_id][name] for name in compared)
    )


def _is_number(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return Decimal(value).is_finite()
    except ArithmeticError:
        return False
