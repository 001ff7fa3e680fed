"""Interest pauses that defer: collected apart, due with the last installment, never compounded (lending.md section 7)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.samples import History, loan_terms
from lending.scenarios import answer, column, entry, event, paid, payout, refused
from lending.test_wide_properties import END, LAST_DAY, PAYOUT, any_terms
from throughline.lending.accrual import accrued_to
from throughline.lending.checks import HistoryError
from throughline.lending.event_json import details_of, payload_of
from throughline.lending.history import EventType, LoanEvent, NewTerms, Treatment, Variation, VariationKind
from throughline.lending.periods import ScheduleError
from throughline.lending.quote import payoff_quote
from throughline.lending.replay import replay
from throughline.lending.segments import accrual_plan
from throughline.lending.state import LoanState, LoanStatus
from throughline.lending.terms import Amortization, InterestRounding, LoanTerms, Recalculation

FORGIVE, DEFER = Treatment.FORGIVE, Treatment.DEFER


def _pause(first: date, last: date, treatment: Treatment = DEFER, name: str = "pause") -> LoanEvent:
    one = Variation(VariationKind.INTEREST_PAUSE, first, last, treatment=treatment)
    return LoanEvent(name, EventType.VARIATION, first, variation=one, case="case")


def _state(treatment: Treatment | None, terms: LoanTerms, on: date = END) -> LoanState:
    loan = History(terms).disburse(PAYOUT)
    if treatment is not None:
        loan.record(_pause(date(2026, 4, 1), date(2026, 4, 20), treatment))
    return loan.state(on)


def test_the_loan_of_the_design() -> None:
    """12,000 over 12 months, paused from 1 to 20 April: by hand 15 and 5 days of about 3.32 and 3.02 a day.

    Forgiven, the interest is 720.26 and the last installment 995.25. Deferred, what those days bore comes on top:
    15/31 of 102.86 = 49.77 and, on 9,079 for five days, 14.92; the last installment is 1,059.94.
    """
    terms = loan_terms(principal_minor=1_200_000, installments=12)
    without, forgiven, deferred = (_state(one, terms, PAYOUT) for one in (None, FORGIVE, DEFER))
    assert sum(row.due[1] for row in without.installments) == 79_089
    assert sum(row.due[1] for row in forgiven.installments) == 72_026
    found = deferred.installments
    assert [row.deferred_minor for row in found] == [0, 0, 4_977, 1_492, *[0] * 8]
    assert [sum(row.due) for row in found[:-1]] == [106_591] * 11
    assert sum(found[-1].due) == 99_525 + 4_977 + 1_492
    assert (
        sum(row.due[1] for row in found) == 72_026 + 4_977 + 1_492 == sum(row.accrual_minor for row in found)
    )


def test_the_answer_shows_what_is_deferred_and_income_runs_on() -> None:
    """Bullet of 1,000.00, 1 % a month of 30/360: half of February (14 of 28 days) is 5.00, due in April."""
    pause = event("interest_pause", from_="2026-02-02", to="2026-02-15", treatment="defer")
    terms = {"amortization": "bullet", "installments": 3}
    found = answer([payout("2026-01-01"), pause], "2026-03-01", **terms)
    assert column(found, "interest") == ["10.00", "5.00", "15.00"]
    assert column(found, "deferred") == ["0.00", "5.00", "0.00"]
    closed = event("close_of_business", "2026-03-01")
    books = answer([payout("2026-01-01"), pause, closed], "2026-03-01", **terms)
    assert sum(Decimal(one["interest"]) for one in books["transactions"] if one["type"] == "accrual") == 20
    assert "deferred" not in answer([payout("2026-01-01")], "2026-03-01", **terms)["schedule"][0]
    everything = [paid("2026-02-01", "10"), paid("2026-03-01", "5"), paid("2026-04-01", "1015", id="last")]
    done = answer([payout("2026-01-01"), pause, *everything], "2026-04-01", **terms)
    assert done["status"] == "closed_obligations_met"
    assert entry(done, "last")["interest_receivable"] == "-15.00"


def test_a_pay_off_takes_the_deferred_interest_along() -> None:
    """On 16 February: 10.00 of January, 5.36 of 15 of February's 28 days."""
    terms = loan_terms(amortization=Amortization.BULLET, installments=3, annual_rate_percent=Decimal("36.5"))
    loan = History(terms).disburse(date(2026, 1, 1)).record(_pause(date(2026, 1, 10), date(2026, 1, 19)))
    day = date(2026, 2, 16)
    # 0.1 % a day of 1,000.00: 46 days in all, ten of them deferred, January's other 21 fell due on 1 February.
    assert payoff_quote(loan.state(day), day).interest_minor == 4_600
    after = loan.pay_off(day).state(END)
    assert [row.due[1] for row in after.installments] == [2_100, 2_500, 0]
    assert sum(row.accrual_minor for row in after.installments) == 4_600


def test_money_in_advance_does_not_pay_what_is_deferred() -> None:
    """Interest that follows the balance: it pays the interest of the days that are not deferred, then principal."""
    rules = Recalculation(enabled=True)
    terms = loan_terms(
        amortization=Amortization.BULLET,
        installments=2,
        annual_rate_percent=Decimal("36.5"),
        recalculation=rules,
    )
    loan = History(terms).disburse(date(2026, 1, 1)).record(_pause(date(2026, 1, 2), date(2026, 1, 11)))
    loan.pay(date(2026, 1, 21), 51_000)  # 20 days, of which ten fall due: 10.00, so 500.00 are principal
    state = loan.state(date(2026, 1, 21))
    assert state.transactions[-1].portions == (50_000, 1_000, 0, 0)
    # 11 more days of 0.50 in January, 28 in February, and the deferred 10.00
    rows = loan.state(date(2026, 1, 21)).installments
    assert [(row.due[1], row.deferred_minor) for row in rows] == [(1_550, 1_000), (1_400 + 1_000, 0)]
    day = date(2026, 1, 21)
    assert payoff_quote(state, day).interest_minor == 1_000
    assert loan.pay_off(day).state(END).status is LoanStatus.CLOSED


def test_forgiving_wins_where_both_cover_a_day() -> None:
    loan = History(loan_terms(principal_minor=1_200_000, installments=12)).disburse(PAYOUT)
    loan.record(_pause(date(2026, 4, 1), date(2026, 4, 20)))
    loan.record(_pause(date(2026, 4, 1), date(2026, 4, 15), FORGIVE, "kinder"))
    assert [row.deferred_minor for row in loan.state(PAYOUT).installments][2:4] == [0, 1_492]


def test_re_amortising_keeps_it_and_a_new_plan_spreads_it() -> None:
    terms = loan_terms(amortization=Amortization.EQUAL_PRINCIPAL, installments=4)
    day = date(2026, 3, 1)
    for kind, new in ((EventType.RE_AMORTIZE, None), (EventType.RE_AGE, NewTerms(None, date(2026, 4, 1), 3))):
        loan = History(terms).disburse(PAYOUT).record(_pause(date(2026, 2, 1), date(2026, 2, 10)))
        loan.record(LoanEvent("new", kind, day, new_terms=new))
        rows = loan.state(END).installments
        assert sum(row.due[1] for row in rows) == sum(row.accrual_minor for row in rows)
        assert (
            payoff_quote(loan.state(day), day).interest_minor
            == accrued_to(loan.state(day), day).interest_minor
        )


@pytest.mark.parametrize("kind", ["penalty_pause", "delinquency_pause"])
def test_only_an_interest_pause_has_a_treatment(kind: str) -> None:
    pause = event(kind, from_="2026-02-02", to="2026-02-15", treatment="defer")
    refused("$.events[1].treatment", [payout(), pause], "2026-03-01")
    one = Variation(VariationKind(kind), PAYOUT, PAYOUT + timedelta(days=9), treatment=DEFER)
    with pytest.raises(HistoryError) as error:
        History(loan_terms()).disburse(PAYOUT).record(
            LoanEvent("p", EventType.VARIATION, PAYOUT, variation=one)
        )
    assert error.value.field == "treatment"


def test_an_unknown_treatment_is_refused() -> None:
    pause = event("interest_pause", from_="2026-02-02", to="2026-02-15", treatment="double")
    refused("$.events[1].treatment", [payout(), pause], "2026-03-01")


def test_a_stored_pause_comes_back() -> None:
    for treatment in Treatment:
        one = _pause(PAYOUT, PAYOUT, treatment)
        assert details_of(payload_of(one))["variation"] == one.variation
    assert "treatment" not in payload_of(_pause(PAYOUT, PAYOUT, FORGIVE))["variation"]


DAYS = st.integers(0, LAST_DAY)


@given(any_terms(), st.lists(st.tuples(DAYS, st.integers(0, 60)), min_size=1, max_size=3), DAYS)
def test_deferring_moves_interest_to_the_end_and_changes_nothing_else(
    terms: LoanTerms, pauses: list[tuple[int, int]], days: int
) -> None:
    def history(treatment: Treatment) -> list[LoanEvent]:
        made = [LoanEvent("payout", EventType.DISBURSEMENT, PAYOUT, terms.principal_minor)]
        for nr, (start, length) in enumerate(pauses):
            first = PAYOUT + timedelta(days=start)
            made.append(_pause(first, first + timedelta(days=length), treatment, f"p{nr}"))
        return made

    on = PAYOUT  # before anything is overdue, so that only the plan speaks
    deferred, forgiven, without = (
        replay(terms, one, as_of=on) for one in (history(DEFER), history(FORGIVE), history(DEFER)[:1])
    )
    rows = deferred.installments
    assert sum(row.due[0] for row in rows) == terms.principal_minor
    assert sum(row.accrual_minor for row in rows) == sum(row.due[1] for row in rows)
    if terms.rounding.interest is InterestRounding.EACH_PERIOD:
        apart = sum(row.deferred_minor for row in rows)
        assert [row.due for row in rows[:-1]] == [row.due for row in forgiven.installments[:-1]]
        assert rows[-1].due[0] == forgiven.installments[-1].due[0]
        # The last period's own paused days are due with it anyway.
        assert rows[-1].due[1] - apart >= forgiven.installments[-1].due[1]
        slack = len(rows) * terms.rounding.unit_minor * 2
        assert sum(row.due[1] for row in rows) <= sum(row.due[1] for row in without.installments) + slack
    day = PAYOUT + timedelta(days=days)
    state = replay(terms, history(DEFER), as_of=day)
    quote = payoff_quote(state, day)
    if quote.total_minor and state.status is LoanStatus.ACTIVE:
        off = LoanEvent("off", EventType.PAY_OFF, day, quote.total_minor)
        after = replay(terms, [*history(DEFER), off], as_of=day)
        assert (sum(after.outstanding), after.overpaid_minor) == (0, 0)


@given(any_terms(), DAYS, st.integers(0, 60), st.integers(1, 900_000), DAYS, st.integers(1, 300))
def test_lines_describe_it_or_leave_it_to_the_replay(
    terms: LoanTerms, start: int, length: int, amount: int, offset: int, later: int
) -> None:
    first, day = PAYOUT + timedelta(days=start), PAYOUT + timedelta(days=offset)
    events = [
        LoanEvent("payout", EventType.DISBURSEMENT, PAYOUT, terms.principal_minor),
        _pause(first, first + timedelta(days=length)),
        LoanEvent("money", EventType.REPAYMENT, day, amount),
    ]
    try:
        state = replay(terms, events, as_of=day)
    except ScheduleError:
        return
    plan, future = accrual_plan(terms, events, state), day + timedelta(days=later)
    if plan is not None and plan.covers(future):
        assert plan.at(future) == accrued_to(replay(terms, events, as_of=future), future, closed=False)


@given(st.integers(1, 120_000), st.integers(1, 80), st.integers(1, 3))
def test_no_money_lies_idle_while_deferred_interest_is_open(amount: int, days: int, count: int) -> None:
    terms = loan_terms(
        amortization=Amortization.BULLET, installments=count, recalculation=Recalculation(enabled=True)
    )
    loan = History(terms).disburse(PAYOUT).record(_pause(PAYOUT, PAYOUT + timedelta(days=20)))
    state = loan.pay(PAYOUT + timedelta(days=days), amount).state(PAYOUT + timedelta(days=days))
    assert not (state.overpaid_minor and state.outstanding[0] + state.outstanding[1])
