"""Accrual plans of every kind of loan: where there is a plan, it says of each day what a replay says."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from lending.test_wide_properties import ACTS, END, LAST_DAY, PAYOUT, any_terms, history_of
from throughline.lending.accrual import accrued_to
from throughline.lending.replay import replay
from throughline.lending.segments import accrual_plan
from throughline.lending.state import LoanStatus
from throughline.lending.terms import LoanTerms


@given(any_terms(), ACTS, st.integers(0, LAST_DAY), st.lists(st.integers(1, 500), min_size=6, max_size=6))
@settings(max_examples=400)
def test_a_plan_says_what_a_replay_says(
    terms: LoanTerms, acts: list[tuple[object, int, int]], offset: int, later: list[int]
) -> None:
    now = PAYOUT + timedelta(days=offset)
    events = [one for one in history_of(terms, acts) if one.value_date <= now and one.target is None]
    state = replay(terms, events, as_of=now)
    plan = accrual_plan(terms, events, state)
    if plan is None:
        return
    for days in later:
        day = now + timedelta(days=days)
        if not plan.covers(day) or day > END + timedelta(days=700):
            continue
        future = replay(terms, events, as_of=day)
        assert future.status is LoanStatus.ACTIVE
        assert plan.at(day) == accrued_to(future, day, closed=False)
        assert plan.rolled(state, day).installments == future.installments
