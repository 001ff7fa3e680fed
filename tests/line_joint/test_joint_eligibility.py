"""Who may have an offer, and what a grant does next: properties over all facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files

import yaml
from hypothesis import given
from hypothesis import strategies as st

from throughline.line.joint.eligibility import LineFacts, LoanFacts, Taken, judge
from throughline.line.joint.offers import DataState, Offer, parse_offers
from throughline.line.joint.states import (
    IN_FLIGHT,
    LONGEST_WAIT,
    MAX_CHECKS,
    Act,
    Standing,
    State,
    next_act,
    wait_after,
)
from throughline.line.state import PublicState

TEXT = files("throughline.line.joint").joinpath("offers.yaml").read_text(encoding="utf-8")
DATA, BRIDGE = parse_offers(yaml.safe_load(TEXT), "shipped")
TODAY = date(2026, 6, 1)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
FINE = LineFacts("simulator", "out_suspended", 95, DataState.OK, 0)
OWES = LoanFacts(1, 0, 5)
NOTHING = Taken(0, False, 0)

lines = st.builds(
    LineFacts,
    st.sampled_from(["simulator", "other"]),
    st.sampled_from([one.value for one in PublicState]),
    st.integers(0, 100),
    st.sampled_from(DataState),
    st.integers(0, 100),
)
loans = st.builds(LoanFacts, st.integers(0, 3), st.integers(0, 400), st.none() | st.integers(-400, 400))
taken = st.builds(Taken, st.integers(0, 5), st.booleans(), st.integers(0, 600_000), st.integers(0, 20))
offers = st.builds(
    lambda offer, due, late: replace(offer, due_within_days=due, past_due_days_up_to=late),
    st.sampled_from([DATA, BRIDGE]),
    st.none() | st.integers(0, 60),
    st.none() | st.integers(0, 120),
)
days = st.dates(date(2025, 1, 1), date(2032, 1, 1))


def codes(offer: Offer, line: LineFacts = FINE, loan: LoanFacts = OWES, past: Taken = NOTHING) -> list[str]:
    found = judge(offer, line, loan, past, consent=True, set_up=True, today=TODAY)
    return [one.code for one in found.refusals]


@given(offers, lines, loans, taken, st.booleans(), st.booleans(), days)
def test_nobody_gets_what_the_agreement_does_not_say(
    offer: Offer, line: LineFacts, loan: LoanFacts, past: Taken, consent: bool, set_up: bool, today: date
) -> None:
    verdict = judge(offer, line, loan, past, consent=consent, set_up=set_up, today=today)
    for one in verdict.refusals:
        assert one.text["zh-CN"]
        assert one.text["en"]
        assert one.text["zh-CN"] != one.text["en"]
    assert verdict.eligible == (not verdict.refusals)
    if not verdict.eligible:
        return
    assert consent
    assert set_up
    assert offer.valid_from <= today <= offer.valid_until
    assert line.carrier == offer.carrier
    assert line.stranger_percent <= 20
    assert loan.running
    assert not past.open_now
    assert past.in_period < offer.limit_count
    assert past.month_cost_minor + offer.cost_minor <= offer.monthly_budget_minor
    assert offer.past_due_days_up_to is None or loan.past_due_days <= offer.past_due_days_up_to
    assert offer.due_within_days is None or (loan.due_in_days or 0) <= offer.due_within_days
    assert line.state in offer.line_states or line.data in offer.data_states


@given(lines, loans, taken)
def test_sponsored_data_never_goes_to_a_line_stopped_both_ways(
    line: LineFacts, loan: LoanFacts, past: Taken
) -> None:
    dark = replace(line, state="suspended", stranger_percent=0)
    assert "stopped_both_ways" in codes(DATA, dark, loan, past)


@given(offers, lines, loans, taken)
def test_taking_more_never_makes_eligible(
    offer: Offer, line: LineFacts, loan: LoanFacts, past: Taken
) -> None:
    more = replace(
        past, in_period=past.in_period + 1, month_cost_minor=past.month_cost_minor + offer.cost_minor
    )
    if not codes(offer, line, loan, more):
        assert not codes(offer, line, loan, past)


def test_each_thing_that_stands_against_it_has_its_code() -> None:
    assert codes(DATA) == []
    assert codes(DATA, replace(FINE, state="active")) == ["not_needed"]
    assert codes(DATA, replace(FINE, state="active", data=DataState.EXHAUSTED)) == []
    assert codes(DATA, replace(FINE, percent=60)) == ["not_sure"]
    assert codes(DATA, replace(FINE, stranger_percent=30)) == ["stranger"]
    assert codes(DATA, loan=LoanFacts(0, 0, None)) == ["no_loan"]
    assert codes(DATA, loan=LoanFacts(1, 91, -91)) == ["past_due"]
    assert codes(DATA, past=Taken(1, True, 300)) == ["running"]
    assert codes(DATA, past=Taken(2, False, 600)) == ["limit"]
    assert codes(DATA, past=Taken(0, False, 499_800)) == ["budget"]
    assert codes(DATA, past=Taken(0, False, 0, 10)) == ["too_often"]
    assert codes(replace(DATA, due_within_days=3)) == ["nothing_due"]
    assert codes(BRIDGE, replace(FINE, state="suspended")) == []
    without = judge(DATA, FINE, OWES, NOTHING, consent=False, set_up=True, today=TODAY)
    assert (without.eligible, without.offerable) == (False, True)


@given(
    st.sampled_from(State),
    st.none() | st.integers(-7200, 0),
    st.booleans(),
    st.booleans(),
)
def test_what_was_sent_is_never_sent_again(
    state: State, sent_s: int | None, answered: bool, revoke: bool
) -> None:
    sent_at = NOW + timedelta(seconds=sent_s) if sent_s is not None else None
    act = next_act(Standing(state, sent_at, answered, revoke), now=NOW)
    if act is Act.SEND:
        assert sent_at is None
        assert state is State.REQUESTED
    if state in {State.REFUSED, State.ENDED}:
        assert act is None
    if act is Act.ASK and state is State.REQUESTED and sent_at and not answered:
        assert NOW - sent_at >= IN_FLIGHT


def test_questions_end() -> None:
    waits = [wait_after(checks) for checks in range(MAX_CHECKS + 1)]
    assert waits[-1] is None
    known = [wait for wait in waits if wait is not None]
    assert len(known) == MAX_CHECKS
    assert known == sorted(known)
    assert max(known) == LONGEST_WAIT
