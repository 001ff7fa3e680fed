"""Due dates that are days off: where they go, and whether interest goes with them (lending.md section 3)."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from lending.samples import History, loan_terms
from support.loans import paid_out_loan
from throughline.compliance.calendars import CalendarUnknown, working_days
from throughline.compliance.working_days import Convention, WorkingDays
from throughline.kernel.ids import new_id
from throughline.lending import calendar_json
from throughline.lending import service as lending
from throughline.lending.account import terms_of
from throughline.lending.history import EventType, LoanEvent, Variation, VariationKind
from throughline.lending.models import LoanRow
from throughline.lending.periods import ScheduleError
from throughline.lending.quote import payoff_quote
from throughline.lending.reading_json import InputError, Node
from throughline.lending.schedule import Schedule, build_schedule
from throughline.lending.state import LoanStatus
from throughline.lending.terms import (
    Amortization,
    DayCount,
    DueDateAdjustment,
    DueDates,
    InterestDates,
    LoanTerms,
    MonthBasis,
    Preclosure,
    Recalculation,
    YearBasis,
)
from throughline.lending.terms_json import read_terms, terms_json

CN = working_days("CN", 2026, 2030)
C, A = InterestDates.CONTRACTUAL, InterestDates.ADJUSTED


def _terms(convention: Convention, interest: InterestDates = C, **changes: Any) -> LoanTerms:
    """Over the Golden Week of 2026: due on 1 October (a day off until the 7th), 1 November (a Sunday), 1 December."""
    values = {
        "installments": 3,
        "expected_disbursement_date": date(2026, 8, 31),
        "first_due_date": date(2026, 10, 1),
        "amortization": Amortization.BULLET,
        "calendar": CN,
    }
    return loan_terms(**(values | changes), adjustment=DueDateAdjustment(convention, interest))


def _dates(plan: Schedule) -> list[str]:
    return [f"{row.due_date:%m-%d}" for row in plan.installments]


@pytest.mark.parametrize(
    ("convention", "dates"),
    [
        (Convention.NONE, ["10-01", "11-01", "12-01"]),
        (Convention.NEXT, ["10-08", "11-02", "12-01"]),
        (Convention.MODIFIED_NEXT, ["10-08", "11-02", "12-01"]),
        (Convention.PREVIOUS, ["09-30", "10-30", "12-01"]),
    ],
)
@pytest.mark.parametrize("interest", InterestDates)
def test_each_date_moves_by_itself(convention: Convention, dates: list[str], interest: InterestDates) -> None:
    assert _dates(build_schedule(_terms(convention, interest), ())) == dates


def test_modified_next_stays_in_the_month() -> None:
    terms = _terms(Convention.MODIFIED_NEXT, first_due_date=date(2026, 10, 31), due_dates=DueDates.MONTH_END)
    assert _dates(build_schedule(terms, ())) == ["10-30", "11-30", "12-31"]


def test_interest_to_the_contract_date_is_that_of_the_contract() -> None:
    """1,000.00 at 12 %, actual/365: 31, 31 and 30 days."""
    rows = build_schedule(_terms(Convention.NEXT), ()).installments
    assert [row.interest_minor for row in rows] == [1_019, 1_019, 986]
    assert [(row.through_date - row.from_date).days for row in rows] == [31, 31, 30]


def test_interest_to_the_moved_date_counts_the_days_between() -> None:
    """38 days to 8 October, 25 to 2 November, 29 to 1 December."""
    rows = build_schedule(_terms(Convention.NEXT, A), ()).installments
    assert [row.interest_minor for row in rows] == [1_249, 822, 953]
    assert [row.through_date for row in rows] == [row.due_date for row in rows]


def test_a_borrower_who_pays_on_the_moved_date_is_in_time() -> None:
    loan = History(_terms(Convention.NEXT)).disburse(date(2026, 8, 31)).pay(date(2026, 10, 8), 1_019)
    row = loan.state(date(2026, 10, 8)).installments[0]
    assert (row.late_minor, row.in_advance_minor, row.obligations_met_on) == (0, 0, date(2026, 10, 8))


@pytest.mark.parametrize(
    ("day", "interest"),
    # 31 days of the first period, then the days of the second that have passed.
    [(date(2026, 10, 1), 1_019), (date(2026, 10, 4), 1_019 + 99), (date(2026, 10, 8), 1_019 + 230)],
)
def test_a_pay_off_between_both_dates_bears_interest_to_its_day(day: date, interest: int) -> None:
    loan = History(_terms(Convention.NEXT)).disburse(date(2026, 8, 31))
    assert payoff_quote(loan.state(day), day).interest_minor == interest
    done = loan.pay_off(day).state(date(2026, 12, 31))
    assert (done.status, sum(row.due[1] for row in done.installments)) == (LoanStatus.CLOSED, interest)


def test_a_pay_off_to_the_rest_date_bears_the_interest_of_the_period() -> None:
    rules = Recalculation(preclosure=Preclosure.TILL_REST_DATE)
    day = date(2026, 9, 20)
    loan = History(_terms(Convention.NEXT, recalculation=rules)).disburse(date(2026, 8, 31))
    assert payoff_quote(loan.state(day), day).interest_minor == 1_019


def test_a_moved_date_is_named_as_the_borrower_sees_it_and_lands_on_a_working_day() -> None:
    loan = History(_terms(Convention.NEXT)).disburse(date(2026, 8, 31))
    loan.vary(VariationKind.DUE_DATE_SHIFT, date(2026, 11, 2), date(2026, 11, 7))  # a Saturday
    due = [row.due_date for row in loan.state(date(2026, 8, 31)).installments]
    assert due == [
        date(2026, 10, 8),
        date(2026, 11, 9),
        date(2026, 12, 7),
    ]  # later ones are counted from the 7th


def test_dates_after_the_official_lists_are_provisional() -> None:
    state = (
        History(_terms(Convention.NEXT, installments=5)).disburse(date(2026, 8, 31)).state(date(2026, 8, 31))
    )
    assert [row.provisional for row in state.installments] == [False, False, False, True, True]
    plain = History(loan_terms()).disburse(date(2027, 8, 31)).state(date(2027, 8, 31))
    assert not any(row.provisional for row in plain.installments)


DAY_COUNTS = st.builds(DayCount, st.sampled_from(list(YearBasis)), st.sampled_from(list(MonthBasis)))


@given(
    st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    st.integers(20, 45),
    st.integers(1, 24),
    st.sampled_from(list(Amortization)),
    DAY_COUNTS,
    st.sampled_from([one for one in Convention if one is not Convention.NONE]),
    st.sampled_from(list(InterestDates)),
)
def test_what_holds_for_every_plan(
    payout: date,
    first: int,
    count: int,
    amortization: Amortization,
    day_count: DayCount,
    convention: Convention,
    interest: InterestDates,
) -> None:
    changes = {
        "expected_disbursement_date": payout, "first_due_date": payout + timedelta(days=first),
        "installments": count, "amortization": amortization, "day_count": day_count,
    }  # fmt: skip
    plan = build_schedule(_terms(convention, interest, **changes), ())
    plain = build_schedule(_terms(Convention.NONE, **changes), ())
    dates = [row.due_date for row in plan.installments]
    assert dates == [CN.moved(row.due_date, convention) for row in plain.installments]  # anchors never drift
    assert all(CN.worked(day) for day in dates)
    assert dates == sorted(set(dates))
    assert sum(row.principal_minor for row in plan.installments) == 100_000
    ends = [row.through_date for row in plan.installments]
    assert [row.from_date for row in plan.installments] == [payout, *ends[:-1]]
    if interest is A:
        assert ends == dates
    else:
        assert [(row.principal_minor, row.interest_minor) for row in plan.installments] == [
            (row.principal_minor, row.interest_minor) for row in plain.installments
        ]


@given(st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.integers(0, 200))
def test_paying_the_quote_on_any_day_leaves_nothing(payout: date, days: int) -> None:
    for convention in Convention:
        terms = _terms(convention, expected_disbursement_date=payout, first_due_date=None, installments=6)
        day = payout + timedelta(days=days)
        assume(day.year < 2029)
        loan = History(terms).disburse(payout)
        paid = loan.pay_off(day, payoff_quote(loan.state(day), day).total_minor).state(day)
        assert (paid.status, sum(paid.outstanding), paid.overpaid_minor) == (LoanStatus.CLOSED, 0, 0)


# --- refusals ---------------------------------------------------------------------------------------


def _document(**more: Any) -> dict[str, Any]:
    return {"principal": "1000", "annual_rate_percent": "12", "installments": 3, **more}


NEXT = {"convention": "next"}


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"due_date_adjustment": NEXT}, "$.terms.calendar"),
        ({"due_date_adjustment": {"convention": "later"}}, "$.terms.due_date_adjustment.convention"),
        (
            {"due_date_adjustment": NEXT | {"interest": "none"}, "calendar": "CN"},
            "$.terms.due_date_adjustment.interest",
        ),
        (
            {"due_date_adjustment": NEXT, "calendar": "CN", "repay_every": {"count": 1, "unit": "weeks"}},
            "$.terms.due_date_adjustment.convention",
        ),
        (
            {"due_date_adjustment": NEXT, "calendar": "CN", "interest_recalculation": {"enabled": True}},
            "$.terms.due_date_adjustment.interest",
        ),
    ],
)
def test_wrong_terms_are_named(more: dict[str, Any], path: str) -> None:
    with pytest.raises(InputError) as refused:
        read_terms(Node("$.terms", _document(**more)), "CNY")
    assert refused.value.path == path


def test_terms_come_back_as_they_were() -> None:
    given = _document(calendar="CN", due_date_adjustment={"convention": "previous", "interest": "adjusted"})
    terms = read_terms(Node("$.terms", given), "CNY")
    assert read_terms(Node("$.terms", terms_json(terms)), "CNY") == terms


@pytest.mark.parametrize("interest", InterestDates)
def test_days_off_that_bring_due_dates_together_make_no_plan(interest: InterestDates) -> None:
    closed = {date(2026, 10, 1) + timedelta(days=day) for day in range(40)}
    terms = _terms(
        Convention.NEXT, interest, calendar=WorkingDays("strike", date(2026, 12, 31), frozenset(closed))
    )
    with pytest.raises(ScheduleError) as refused:
        build_schedule(terms, ())
    assert refused.value.code == "due_dates_meet"
    onto_the_payout = _terms(
        Convention.PREVIOUS, interest,
        expected_disbursement_date=date(2026, 9, 30), overdue_interest=None, annual_rate_percent=Decimal(0),
    )  # fmt: skip
    with pytest.raises(ScheduleError):
        build_schedule(onto_the_payout, ())


def test_a_date_that_would_move_onto_the_next_one_is_refused() -> None:
    """Saturday 31 October would be due on Monday 2 November, as is the contract's 1 November."""
    loan = History(_terms(Convention.NEXT)).disburse(date(2026, 8, 31))
    one = Variation(
        VariationKind.DUE_DATE_SHIFT, date(2026, 10, 8), date(2026, 10, 31), shift_following=False
    )
    loan.record(LoanEvent("shift", EventType.VARIATION, date(2026, 10, 8), variation=one))
    with pytest.raises(ScheduleError) as refused:
        loan.state(date(2026, 9, 1))
    assert refused.value.code == "due_date_out_of_order"


def test_a_loan_keeps_the_days_off_with_which_it_was_made(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"calendar": "CN", "due_date_adjustment": {"convention": "next"}}
    session.execute(
        text(
            """
            INSERT INTO lending_product (code, version, valid_from, document)
            SELECT 'moved', 1, valid_from, jsonb_set(document, '{terms}', document -> 'terms' || CAST(:more AS jsonb))
            FROM lending_product WHERE code = 'cash-cn' AND version = 1
            """
        ),
        {"more": json.dumps(more)},
    )
    loan = paid_out_loan(session, new_id(), days_ago=20, product_code="moved", installments=12)

    def dates() -> list[date]:
        return [row.due_date for row in lending.loan_view(session, loan).installments]

    def no_calendar(*_: object) -> None:
        raise CalendarUnknown("withdrawn")

    before = dates()
    calendar = terms_of(session.get_one(LoanRow, (_borrower(session, loan), loan))).calendar
    assert calendar is not None
    assert all(calendar.worked(day) for day in before)
    kept = session.execute(
        text("SELECT due_date FROM lending_installment WHERE loan_id = :id ORDER BY nr"), {"id": loan}
    )
    assert [row.due_date for row in kept] == before
    monkeypatch.setattr(calendar_json, "working_days", no_calendar)
    session.expire_all()
    assert dates() == before


def _borrower(session: Session, loan: UUID) -> UUID:
    return lending.loan_view(session, loan).borrower_id
