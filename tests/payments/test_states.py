"""The state machine: no report, in any order, leaves `unknown` without proof or moves money twice."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from throughline.payments.states import (
    FINAL,
    OPEN,
    Cause,
    Direction,
    ForbiddenMove,
    Outcome,
    State,
    check_move,
    contradicts,
    moves,
    taken_back,
)

REPORTING = [Cause.ANSWER, Cause.QUERY, Cause.STATEMENT]
ATTEMPT_STATES = [state for state in State if state is not State.WAITING]


@pytest.mark.parametrize(
    ("direction", "state", "outcome", "cause"),
    list(itertools.product(Direction, ATTEMPT_STATES, Outcome, REPORTING)),
)
def test_every_report_in_every_state_takes_allowed_moves_only(
    direction: Direction, state: State, outcome: Outcome, cause: Cause
) -> None:
    at = state
    for target in moves(direction, state, outcome, cause):
        check_move(direction, at, target, cause)
        at = target
    if state is State.UNKNOWN and at is not state:
        assert cause in {Cause.QUERY, Cause.STATEMENT}
    if outcome in {Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.NOT_FOUND}:
        assert at not in FINAL or at is state


@pytest.mark.parametrize("cause", [Cause.ANSWER, Cause.JOB])
@pytest.mark.parametrize("target", [state for state in ATTEMPT_STATES if state is not State.UNKNOWN])
def test_unknown_is_left_by_proof_only(cause: Cause, target: State) -> None:
    for direction in Direction:
        with pytest.raises(ForbiddenMove):
            check_move(direction, State.UNKNOWN, target, cause)


def test_money_goes_back_only_the_way_it_came() -> None:
    assert taken_back(Direction.OUT) is State.RETURNED
    assert taken_back(Direction.IN) is State.REVERSED
    with pytest.raises(ForbiddenMove):
        check_move(Direction.IN, State.SUCCEEDED, State.RETURNED, Cause.STATEMENT)


def test_a_lost_answer_is_unknown_and_a_lost_query_changes_nothing() -> None:
    assert moves(Direction.OUT, State.SENT, Outcome.UNKNOWN, Cause.ANSWER) == (State.UNKNOWN,)
    for state in (State.SENT, State.UNKNOWN, State.PENDING_USER):
        assert moves(Direction.OUT, state, Outcome.UNKNOWN, Cause.QUERY) == ()


def test_money_that_came_and_went_while_we_did_not_look_is_booked_both_ways() -> None:
    for state in (State.SENT, State.UNKNOWN, State.FAILED):
        assert moves(Direction.OUT, state, Outcome.TAKEN_BACK, Cause.STATEMENT) == (
            State.SUCCEEDED,
            State.RETURNED,
        )


def test_a_settled_payment_that_is_denied_is_shown_not_undone() -> None:
    assert moves(Direction.OUT, State.SUCCEEDED, Outcome.FAILED, Cause.QUERY) == ()
    assert contradicts(State.SUCCEEDED, Outcome.FAILED)
    assert not contradicts(State.SUCCEEDED, Outcome.SUCCEEDED)


@given(st.sampled_from(Direction), st.sampled_from(ATTEMPT_STATES), st.sampled_from(Outcome))
def test_a_job_reports_nothing(direction: Direction, state: State, outcome: Outcome) -> None:
    with pytest.raises(ValueError, match="not a report"):
        moves(direction, state, outcome, Cause.JOB)


class AttemptLife(RuleBasedStateMachine):
    """One attempt under any sequence of reports; the model counts what the books would hold."""

    @initialize(direction=st.sampled_from(Direction))
    def begin(self, direction: Direction) -> None:
        self.direction = direction
        self.state = State.CREATED
        self.moved_out = self.moved_back = 0
        self.proved = False

    @rule()
    def send(self) -> None:
        if self.state is State.CREATED:
            check_move(self.direction, self.state, State.SENT, Cause.JOB)
            self.state = State.SENT

    @rule(outcome=st.sampled_from(Outcome), cause=st.sampled_from(REPORTING))
    def report(self, outcome: Outcome, cause: Cause) -> None:
        for target in moves(self.direction, self.state, outcome, cause):
            check_move(self.direction, self.state, target, cause)
            if self.state is State.UNKNOWN:
                assert cause is not Cause.ANSWER
            self.state = target
            self.moved_out += target is State.SUCCEEDED
            self.moved_back += target is taken_back(self.direction)

    @invariant()
    def money_moves_at_most_once_each_way(self) -> None:
        if not hasattr(self, "state"):
            return
        assert self.moved_out <= 1
        assert self.moved_back <= self.moved_out
        assert (self.moved_out == 1) == (self.state in {State.SUCCEEDED, State.RETURNED, State.REVERSED})
        assert self.state in OPEN | FINAL


TestAttemptLife = AttemptLife.TestCase
