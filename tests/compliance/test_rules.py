"""Every shipped row on its boundary days; the grammar under attack; decisions that can be judged again."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from throughline.compliance import rules, service
from throughline.compliance.evaluation import evaluate
from throughline.compliance.expressions import ExpressionError, Fact, parse
from throughline.compliance.rules import Rule, RuleError
from throughline.kernel import clock
from throughline.kernel.ids import new_id

SHIPPED = rules.shipped()
ONE_DAY = timedelta(days=1)
NAMES = frozenset({"a", "b", "t", "s"})


@pytest.mark.parametrize("rule", SHIPPED.rules, ids=lambda rule: rule.id)
def test_a_row_is_in_force_from_its_first_day_to_its_last(rule: Rule) -> None:
    assert not rule.in_force(rule.valid_from - ONE_DAY)
    assert rule.in_force(rule.valid_from)
    if rule.valid_to is not None:
        assert rule.in_force(rule.valid_to)
        assert not rule.in_force(rule.valid_to + ONE_DAY)


@pytest.mark.parametrize("rule", [r for r in SHIPPED.rules if r.predicate], ids=lambda rule: rule.id)
def test_a_missing_fact_is_never_a_breach_and_never_met(rule: Rule) -> None:
    verdicts = [
        one
        for one in rules.judge(SHIPPED, {}, rule.valid_from, jurisdiction=rule.jurisdiction)
        if one.rule is rule
    ]
    assert [one.verdict for one in verdicts] == ["unknown"]
    assert verdicts[0].missing


def test_the_shipped_set_is_whole() -> None:
    assert len(SHIPPED.rules) == 51
    assert sum(rule.predicate is None for rule in SHIPPED.rules) == 5
    known = {rule.key for rule in SHIPPED.rules}
    for gate, keys in rules.GATES.items():
        assert set(keys) <= known, gate


OFFER: dict[str, Fact] = {
    "lender_type": "consumer_finance",
    "product": "unsecured_cash",
    "principal": Decimal(3000),
    "tenor_days": 180,
    "lpr1y": Decimal("0.03"),
}


@pytest.mark.parametrize(
    ("lender_type", "on", "apr", "outcome"),
    [
        ("consumer_finance", date(2026, 11, 24), "0.24", "allow"),
        ("consumer_finance", date(2026, 11, 24), "0.24004", "block"),  # shown as 24.00 %, still over
        ("private", date(2026, 11, 24), "0.12", "allow"),
        ("private", date(2026, 11, 24), "0.1201", "block"),
        ("private", date(2019, 1, 1), "0.36", "allow"),
        ("small_loan", date(2027, 12, 31), "0.24", "allow"),
        ("small_loan", date(2028, 1, 1), "0.24", "block"),
    ],
)
def test_caps_bite_on_their_day_and_number(lender_type: str, on: date, apr: str, outcome: str) -> None:
    facts = OFFER | {"lender_type": lender_type, "apr": Decimal(apr)}
    verdicts = rules.judge(SHIPPED, facts, on, jurisdiction="CN", gate="offer")
    assert rules.outcome(verdicts, "offer") == outcome


def test_an_open_question_blocks_at_a_strict_gate_only() -> None:
    on = date(2026, 11, 24)
    assert (
        rules.outcome(rules.judge(SHIPPED, {}, on, jurisdiction="CN", gate="pre_sign"), "pre_sign") == "block"
    )
    open_offer = rules.judge(SHIPPED, OFFER, on, jurisdiction="CN", gate="offer")
    assert rules.outcome(open_offer, "offer") == "warn"
    later = rules.judge(SHIPPED, OFFER, on, jurisdiction="CN", gate="offer", owed_later=frozenset({"apr"}))
    assert {one.verdict for one in later if one.missing} == {"pending"}


def test_overlapping_doubled_and_foreign_rows_are_refused() -> None:
    row = (
        "{id: %s, key: K, jurisdiction: CN, from: 2026-01-01, to: %s, applies: 'True', demand: d, "
        "predicate: '%s', confidence: high, cite: c}"
    )
    head = "fact_names: {apr: x}\nrules:\n"

    def build(*parts: tuple[str, str, str]) -> str:
        return head + "".join(f"- {row % part}\n" for part in parts)

    assert len(rules.load(build(("A", "2026-02-01", "apr <= 1"))).rules) == 1
    for wrong in (
        build(("A", "null", "apr <= 1"), ("A", "null", "apr <= 1")),
        build(("A", "null", "apr <= 1"), ("B", "null", "apr <= 1")),
        build(("A", "null", "height <= 1")),
        build(("A", "null", "apr.real <= 1")),
    ):
        with pytest.raises(RuleError):
            rules.load(wrong)


@pytest.mark.parametrize(
    ("source", "facts", "value"),
    [
        ("a <= 0.36", {"a": Decimal("0.36")}, True),
        ("8 <= a < 22", {"a": 22}, False),
        ("8 <= a < 22", {"a": 8}, True),
        ("a <= 1 and b <= 1", {"a": 2}, False),
        ("a <= 1 or b <= 1", {"a": 1}, True),
        ("a <= 1 and b <= 1", {"a": 1}, None),
        ("not (a <= 1)", {}, None),
        ("s in ('x', 'y')", {"s": "y"}, True),
        ("s not in ('x', 'y')", {"s": "y"}, False),
        ("a <= (15 + (15 if t else 0))", {"a": 30, "t": True}, True),
        ("a <= (15 + (15 if t else 0))", {"a": 30, "t": False}, False),
        ("-a < b * 2 - 1", {"a": 1, "b": Decimal("0.1")}, True),
    ],
)
def test_conditions_mean_what_they_say(source: str, facts: dict[str, Fact], value: bool | None) -> None:
    assert evaluate(parse(source, NAMES), facts).value is value


@pytest.mark.parametrize(
    "source",
    [
        "__import__('os')", "a.b", "a[0]", "a ** 9", "lambda: 1", "[a]", "f'{a}'", "a if b else c", "a / 2", "a @ b",
        "a is b", "0x10 < a", "1j < a", "(a := 1) < 2", "a <", "", "None == a", "a in (b, 1)", "{1: 2}", "print(a)",
        "a" * 501, "(" * 40 + "a" + ")" * 40 + " < -" + "-" * 30 + "1", " and ".join(["a < 1"] * 40), "x\x00",
    ],
)  # fmt: skip
def test_what_is_outside_the_grammar_is_refused(source: str) -> None:
    with pytest.raises(ExpressionError):
        parse(source, NAMES)


@given(st.text(max_size=60))
def test_no_text_escapes(source: str) -> None:
    try:
        expression = parse(source, NAMES)
        evaluate(expression, {"a": 1, "b": Decimal(2), "t": True, "s": "x"})
    except ExpressionError:
        pass


@pytest.mark.parametrize(
    ("source", "facts"),
    [("a <= 1", {"a": True}), ("a <= 1", {"a": "1"}), ("a == 1", {"a": "1"}), ("a", {"a": 1})],
)
def test_wrong_kinds_are_faults_not_verdicts(source: str, facts: dict[str, Fact]) -> None:
    with pytest.raises(ExpressionError):
        evaluate(parse(source, NAMES), facts)


def test_a_gate_is_stored_and_judged_again_alike(session: Session) -> None:
    decision = service.check(
        session,
        "offer",
        OFFER | {"apr": Decimal("0.3")},
        date(2026, 11, 24),
        "application:1",
        new_id(),
        jurisdiction="CN",
        now=clock.now(),
    )
    assert decision.outcome == "block"
    assert [one.rule_id for one in decision.blocking] == ["CN-SPC-2017-24"]
    (row,) = service.decisions_of(session, subject="application:1")
    assert row.verdicts[3]["sentence"]["en"] == "CN-SPC-2017-24 is breached: apr <= 0.24 (0.3 / 0.24)."
    assert row.verdicts[3]["sentence"]["zh-CN"].startswith("违反 CN-SPC-2017-24")
    assert service.replay(row) == []
    row.verdicts = [one | {"row_hash": "0"} if one["id"] == "CN-SPC-2017-24" else one for one in row.verdicts]
    assert service.replay(row) == ["CN-SPC-2017-24"]
