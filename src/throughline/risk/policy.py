"""Policy tables: knock-outs, limit and price by grade. Pure decisions over dated data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from throughline.risk.scorecard import Score

Outcome = Literal["approve", "refer", "decline"]


@dataclass(frozen=True, slots=True)
class KnockOut:
    """A rule that ends the matter: the fact is below `below`, or at or above `at_least`."""

    id: str
    fact: str
    below: Decimal | None
    at_least: Decimal | None

    def hits(self, facts: Mapping[str, Decimal]) -> bool:
        value = facts[self.fact]
        return (self.below is not None and value < self.below) or (
            self.at_least is not None and value >= self.at_least
        )


@dataclass(frozen=True, slots=True)
class Grade:
    """From this score on: at most this much, at this nominal annual rate."""

    name: str
    from_score: int
    limit_minor: int
    limit_to_monthly_income_percent: int
    annual_rate_percent: Decimal


@dataclass(frozen=True, slots=True)
class Policy:
    """The tables of one version."""

    version: str
    knock_outs: tuple[KnockOut, ...]
    grades: tuple[Grade, ...]
    refer_from_score: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the tables say. `reasons` are codes, the first weighs most; at most four."""

    outcome: Outcome
    grade: str | None
    limit_minor: int
    annual_rate_percent: Decimal | None
    reasons: tuple[str, ...]


def parse(document: Mapping[str, Any]) -> Policy:
    """Tables from their JSON; grades from the best to the worst."""
    grades = tuple(
        Grade(
            row["grade"],
            row["from_score"],
            row["limit_minor"],
            row["limit_to_monthly_income_percent"],
            Decimal(row["annual_rate_percent"]),
        )
        for row in document["grades"]
    )
    if [row.from_score for row in grades] != sorted((row.from_score for row in grades), reverse=True):
        raise ValueError("grades stand from the best to the worst")
    return Policy(
        document["version"],
        tuple(
            KnockOut(
                row["id"],
                row["fact"],
                Decimal(row["below"]) if "below" in row else None,
                Decimal(row["from"]) if "from" in row else None,
            )
            for row in document["knock_outs"]
        ),
        grades,
        document["refer_from_score"],
    )


@lru_cache(maxsize=8)
def shipped(version: str) -> Policy:
    """Tables of this package by their version."""
    text = files("throughline.risk").joinpath(f"data/{version}.json").read_text(encoding="utf-8")
    return parse(json.loads(text))


def judge(policy: Policy, facts: Mapping[str, Decimal], scored: Score) -> Judgement:
    """Outcome, limit and price. If a knock-out decided, its reason is the reason and the score's are not given."""
    hits = tuple(rule.id for rule in policy.knock_outs if rule.hits(facts))
    if hits:
        return Judgement("decline", None, 0, None, hits[:4])
    reasons = tuple(f"SC-{group.upper()}" for group, _ in scored.lost_by_group)[:4]
    for grade in policy.grades:
        if scored.points >= grade.from_score:
            by_income = int(facts["monthly_income_minor"] * grade.limit_to_monthly_income_percent / 100)
            return Judgement(
                "approve", grade.name, min(grade.limit_minor, by_income), grade.annual_rate_percent, reasons
            )
    if scored.points >= policy.refer_from_score:
        return Judgement("refer", None, 0, None, reasons)
    return Judgement("decline", None, 0, None, reasons)
