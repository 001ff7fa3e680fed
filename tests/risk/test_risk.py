"""Decisions: monotone where they must be, the same again from the snapshot, and blind to the phone line."""

from __future__ import annotations

import inspect
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.ids import new_id
from throughline.risk import policy, scorecard, service
from throughline.risk.facts import ApplicationFacts, FactsInvalid, derived

CARD = scorecard.shipped(service.CHAMPION)
TABLES = policy.shipped(service.POLICY)
GOOD = ApplicationFacts(800_000, 0, 300_000, 30)


def _judge(facts: ApplicationFacts, age: int = 30, principal: int = 300_000) -> policy.Judgement:
    numbers = derived(facts, age_years=age, principal_minor=principal, installment_minor=52_700)
    return policy.judge(TABLES, numbers, scorecard.score(CARD, numbers))


ORDER = {"decline": 0, "refer": 1, "approve": 2}


@given(
    st.integers(0, 3_000_000),
    st.integers(0, 1_000_000),
    st.integers(0, 1_000_000),
    st.integers(0, 400),
    st.integers(1, 400_000),
)
def test_more_income_less_debt_longer_work_never_hurt(
    income: int, debt: int, living: int, months: int, more: int
) -> None:
    here = _judge(ApplicationFacts(income, debt, living, months))
    for better in (
        ApplicationFacts(income + more, debt, living, months),
        ApplicationFacts(income, max(0, debt - more), living, months),
        ApplicationFacts(income, debt, living, min(720, months + more % 300)),
    ):
        there = _judge(better)
        assert ORDER[there.outcome] >= ORDER[here.outcome]
        if here.outcome == there.outcome == "approve":
            assert there.annual_rate_percent is not None
            assert here.annual_rate_percent is not None
            assert there.annual_rate_percent <= here.annual_rate_percent


def test_the_points_scale_is_the_published_one() -> None:
    assert scorecard.probability(600) == Decimal("0.019608")  # 1 in 51
    odds = [(1 - scorecard.probability(points)) / scorecard.probability(points) for points in (600, 620)]
    assert abs(odds[1] / odds[0] - 2) < Decimal("0.001")


def test_a_knock_out_gives_its_own_reason_only() -> None:
    assert _judge(GOOD, age=17).reasons == ("KO-AGE",)
    assert _judge(ApplicationFacts(100_000, 0, 0, 30)).outcome == "decline"


def test_every_reason_has_both_languages() -> None:
    from throughline.risk import reasons

    codes = [rule.id for rule in TABLES.knock_outs] + [f"SC-{c.group.upper()}" for c in CARD.characteristics]
    for code in codes:
        text = reasons.text(code)
        assert text["en"] != text["zh-CN"]


@pytest.mark.parametrize(
    "facts",
    [ApplicationFacts(-1, 0, 0, 0), ApplicationFacts(1, 0, 0, 721), ApplicationFacts(10**11, 0, 0, 0)],
)
def test_numbers_that_cannot_be_meant_are_refused(session: Session, facts: ApplicationFacts) -> None:
    with pytest.raises(FactsInvalid):
        service.decide(
            session, new_id(), facts, principal_minor=1, installment_minor=1, age_years=30, now=clock.now()
        )


def test_a_decision_is_made_again_in_every_bit(session: Session) -> None:
    borrower = new_id()
    made = service.decide(
        session,
        borrower,
        GOOD,
        principal_minor=300_000,
        installment_minor=52_700,
        age_years=30,
        now=clock.now(),
    )
    assert made.outcome == "approve"
    assert made == service.decision(session, borrower, made.id)
    (row,) = service.decisions(session, after=None, limit=10)
    assert service.replay(session, row)
    assert b"800000" not in row.snapshot
    row.limit_minor += 1
    assert not service.replay(session, row)


def test_the_phone_line_is_no_input() -> None:
    names = set(inspect.signature(service.decide).parameters) | set(ApplicationFacts.__dataclass_fields__)
    assert not {name for name in names if "line" in name or "phone" in name or "carrier" in name}
    facts = {characteristic.name for characteristic in CARD.characteristics} | {
        rule.fact for rule in TABLES.knock_outs
    }
    assert facts <= set(derived(GOOD, age_years=30, principal_minor=1, installment_minor=1))
