"""Money of the day goes on from the walk of before: the result must be that of a replay from the first event."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from lending.samples import History, loan_terms
from lending.test_wide_properties import ACTS, AMOUNTS, any_terms, history_of
from throughline.lending.accrual import accrued_to
from throughline.lending.books import totals
from throughline.lending.history import PAYMENTS, EventType, LoanEvent
from throughline.lending.quote import payoff_quote
from throughline.lending.replay import Walk, replay
from throughline.lending.state import LoanState
from throughline.lending.terms import LoanTerms

MONEY = sorted(PAYMENTS)


def _seen(state: LoanState) -> tuple[object, ...]:
    """All that is ever asked of a state, also of the plan behind its installments."""
    earned = accrued_to(state, state.as_of)
    return state, state.outstanding, earned, totals(state, earned), payoff_quote(state, state.as_of)


@given(
    any_terms(), ACTS, st.lists(st.tuples(st.sampled_from(MONEY), AMOUNTS), min_size=1, max_size=4), st.data()
)
@settings(max_examples=400)
def test_going_on_equals_a_replay_from_scratch(
    terms: LoanTerms,
    acts: list[tuple[object, int, int]],
    money: list[tuple[EventType, int]],
    data: st.DataObject,
) -> None:
    events = history_of(terms, acts)
    newest = max((one.value_date for one in events), default=date(2026, 1, 15))
    on = newest + timedelta(days=data.draw(st.integers(-20, 400), label="day"))
    walk = Walk.through(terms, events, as_of=on)
    for nr, (kind, amount) in enumerate(money):
        event = LoanEvent(id=f"new-{nr}", type=kind, value_date=on, amount_minor=amount)
        before, seen = walk.state, _seen(replay(terms, events, as_of=on))
        events = [*events, event]
        if not walk.takes(event):
            walk = Walk.through(terms, events, as_of=on)
            continue
        after = walk.go_on(event)
        assert _seen(after) == _seen(replay(terms, events, as_of=on))
        assert _seen(before) == seen, "a state that was given out stays as it was"


def test_only_money_that_comes_last_goes_on() -> None:
    history = History(loan_terms())
    history.disburse(date(2026, 1, 15))
    today = date(2026, 3, 1)
    walk = Walk.through(history.terms, history.events, as_of=today)
    payment = LoanEvent(id="p", type=EventType.REPAYMENT, value_date=today, amount_minor=100)
    assert walk.takes(payment)
    back_dated = LoanEvent(id="p", type=EventType.REPAYMENT, value_date=date(2026, 2, 1), amount_minor=100)
    assert not walk.takes(back_dated)
    assert not walk.takes(LoanEvent(id="p", type=EventType.PAY_OFF, value_date=today))
    charge_off = LoanEvent(id="c", type=EventType.CHARGE_OFF, value_date=today)
    marked = Walk.through(history.terms, [*history.events, charge_off], as_of=today)
    assert not marked.takes(payment), "a charge-off of the day stands after its payments"
