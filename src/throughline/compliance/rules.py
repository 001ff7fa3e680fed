"""Rules in force on a day and their verdicts: pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import rfc8785
import yaml

from throughline.compliance.evaluation import Comparison, Evaluation, evaluate
from throughline.compliance.expressions import Expression, Fact, parse

Confidence = Literal["high", "medium", "low"]
VerdictName = Literal["met", "breached", "not_applicable", "pending", "unknown", "duty"]
OutcomeName = Literal["allow", "warn", "block"]


class RuleError(ValueError):
    """A rule file is wrong; the text names the row."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One dated row. Dates are inclusive. `row_hash` is over the row as it was published."""

    id: str
    key: str
    jurisdiction: str
    valid_from: date
    valid_to: date | None
    applies: Expression
    demand: str
    predicate: Expression | None
    confidence: Confidence
    cite: str
    row_hash: str

    def in_force(self, on: date) -> bool:
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules with the names of the facts that they may read."""

    rules: tuple[Rule, ...]
    fact_names: frozenset[str]

    @property
    def version(self) -> str:
        """SHA-256 over all row hashes: what was in force as a whole."""
        return hashlib.sha256("".join(sorted(rule.row_hash for rule in self.rules)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's verdict on the facts."""

    rule: Rule
    verdict: VerdictName
    missing: tuple[str, ...]
    trace: tuple[Comparison, ...]

    @property
    def rule_id(self) -> str:
        return self.rule.id


# Which keys each gate asks (docs/compliance.md), and at which gates an open question blocks.
GATES: dict[str, tuple[str, ...]] = {
    "product_publish": (
        "CN.private.cap", "CN.licensed.reduction", "CN.smallloan.cap", "CN.smallloan.cap.short", "CN.facilitation",
        "CN.internetloan.limit", "CN.cashloan.upfront", "IN.digital.lending", "EU.ccd", "UK.cap", "ID.cap",
        "ID.cap.long", "PH.cap", "KE.dcp",
    ),
    "offer": (
        "CN.private.cap", "CN.licensed.reduction", "CN.smallloan.cap", "CN.smallloan.cap.short",
        "CN.internetloan.limit", "CN.facilitation", "UK.cap", "ID.cap", "ID.cap.long", "PH.cap", "KE.dcp",
    ),
    "decision": ("CN.pipl.automated", "EU.automated", "EU.ccd", "US.adverse"),
    "pre_sign": (
        "CN.cost.table", "CN.apr.display", "CN.pipl.sensitive", "CN.personalloan", "IN.digital.lending", "US.tila",
        "EU.ccd", "NG.fccpc",
    ),
    "payout": ("CN.cashloan.upfront", "IN.digital.lending"),
    "extension": ("CN.cashloan.rollover", "CN.private.cap", "CN.licensed.reduction", "CN.smallloan.cap"),
    "contact": ("CN.collections", "IN.collections", "US.collections", "PH.collections", "KE.dcp"),
    "debit": ("US.debit.attempts",),
    "negative_report": ("CN.credit.notice", "CN.credit.channel", "CN.credit.repair", "KE.dcp"),
}  # fmt: skip
# Facts that a gate cannot have yet: what is shown, told or done to a borrower belongs to later gates.
OWED_LATER: dict[str, frozenset[str]] = {
    "product_publish": frozenset(
        {
            "apr_displayed", "kfs_shown", "payout_to_borrower_account", "phonebook_access",
            "third_party_contacted", "negative_notice_sent", "solely_automated", "human_review_offered",
        }
    ),
}  # fmt: skip
STRICT_GATES = frozenset({"pre_sign", "payout", "contact", "debit", "negative_report"})


def load(text: str) -> RuleSet:
    """Read a rule file (YAML). Raises RuleError for a malformed, doubled or overlapping row."""
    document = yaml.safe_load(text)
    names = frozenset(document["fact_names"])
    rules: list[Rule] = []
    for row in document["rules"]:
        try:
            rules.append(_rule(row, names))
        except (KeyError, TypeError, ValueError) as error:
            raise RuleError(f"{row.get('id', '?')}: {error}") from error
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise RuleError(f"{rule.id} stands twice")
        seen.add(rule.id)
    for rule in rules:
        for other in rules:
            if rule.id < other.id and rule.key == other.key and _overlap(rule, other):
                raise RuleError(f"{rule.id} and {other.id} overlap")
    return RuleSet(tuple(sorted(rules, key=lambda rule: rule.id)), names)


def _rule(row: Mapping[str, Any], names: frozenset[str]) -> Rule:
    canonical = {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in row.items()
        if name
        in {"id", "key", "jurisdiction", "from", "to", "applies", "demand", "predicate", "confidence", "cite"}
    }
    if row["confidence"] not in {"high", "medium", "low"}:
        raise ValueError("confidence is high, medium or low")
    return Rule(
        id=row["id"],
        key=row["key"],
        jurisdiction=row["jurisdiction"],
        valid_from=row["from"],
        valid_to=row["to"],
        applies=parse(row["applies"], names),
        demand=row["demand"],
        predicate=parse(row["predicate"], names) if row["predicate"] is not None else None,
        confidence=row["confidence"],
        cite=row["cite"],
        row_hash=hashlib.sha256(rfc8785.dumps(canonical)).hexdigest(),
    )


def _overlap(one: Rule, other: Rule) -> bool:
    return (one.valid_to is None or other.valid_from <= one.valid_to) and (
        other.valid_to is None or one.valid_from <= other.valid_to
    )


@lru_cache(maxsize=1)
def shipped() -> RuleSet:
    """The rules of this version of the package."""
    return load(files("throughline.compliance").joinpath("data/rules.yaml").read_text(encoding="utf-8"))


def judge(
    rule_set: RuleSet,
    facts: Mapping[str, Fact],
    on: date,
    *,
    jurisdiction: str | None = None,
    gate: str | None = None,
    owed_later: frozenset[str] | None = None,
) -> list[Verdict]:
    """The verdict of every rule in force on a day, in order of id; of one gate or of all.

    A rule whose missing facts are all in `owed_later` (by default what the gate leaves to later ones) is
    pending, not unknown. Raises ExpressionError for
    a fact of the wrong type: a fault of the caller.
    """
    keys = GATES[gate] if gate is not None else None
    later: frozenset[str] = frozenset()
    if gate is not None:
        later = OWED_LATER.get(gate, later) if owed_later is None else owed_later
    return [
        _verdict(rule, facts, later)
        for rule in rule_set.rules
        if rule.in_force(on)
        and (
            jurisdiction is None
            or jurisdiction == rule.jurisdiction
            or jurisdiction.startswith(rule.jurisdiction + "-")
        )
        and (keys is None or rule.key in keys)
    ]


def _verdict(rule: Rule, facts: Mapping[str, Fact], owed_later: frozenset[str]) -> Verdict:
    applies = evaluate(rule.applies, facts)
    if applies.value is False:
        return _made(rule, "not_applicable", applies)
    if applies.value is None:
        return _made(rule, "unknown", applies)
    if rule.predicate is None:
        return _made(rule, "duty", applies)
    holds = evaluate(rule.predicate, facts)
    if holds.value is None:
        later = bool(holds.missing) and set(holds.missing) <= owed_later
        return _made(rule, "pending" if later else "unknown", holds)
    return _made(rule, "met" if holds.value else "breached", holds)


def _made(rule: Rule, verdict: VerdictName, evaluation: Evaluation) -> Verdict:
    return Verdict(rule, verdict, tuple(evaluation.missing), tuple(evaluation.trace))


def outcome(verdicts: Iterable[Verdict], gate: str | None) -> OutcomeName:
    """Block: a high or medium row is breached, or unknown at a strict gate. Warn: a low row, or unknown elsewhere."""
    worst: OutcomeName = "allow"
    for one in verdicts:
        if blocks(one, gate):
            return "block"
        if one.verdict in {"breached", "unknown"}:
            worst = "warn"
    return worst


def blocks(one: Verdict, gate: str | None) -> bool:
    """Whether this verdict alone blocks at the gate. A row of low confidence never does."""
    if one.rule.confidence == "low":
        return False
    return one.verdict == "breached" or (one.verdict == "unknown" and gate in STRICT_GATES)
