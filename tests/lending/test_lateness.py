"""Who is late: the floor below which nobody is, and due dates that are days off (lending.md section 8)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lending.samples import History, loan_terms
from throughline.compliance.calendars import working_days
from throughline.lending.delinquency import Late, count_days, delinquency
from throughline.lending.history import AppliesTo, ChargeKind, ChargeRule, EventType, LoanEvent
from throughline.lending.reading_json import InputError, Node
from throughline.lending.state import Four
from throughline.lending.terms import DelinquencyFloor, LoanTerms, NonWorkingDays, OverdueInterest
from throughline.lending.terms_json import read_terms, terms_json

CN = working_days("CN", 2026, 2029)
PAYOUT = date(2026, 1, 10)
DUE = [date(2026, 2, 10), date(2026, 3, 10), date(2026, 4, 10)]


def _paid_but(cents: int, floor: DelinquencyFloor) -> History:
    """The first installment paid in time but for so many cents."""
    loan = History(loan_terms(floor=floor)).disburse(PAYOUT)
    first = sum(loan.state(PAYOUT).installments[0].due)
    return loan.pay(DUE[0], first - cents)


def test_nobody_is_delinquent_over_less_than_the_floor() -> None:
    late = delinquency(_paid_but(99, DelinquencyFloor(100)).state(date(2026, 3, 1)), date(2026, 3, 1))
    assert (late.past_due_days, late.delinquent_days, late.range, late.delinquent_since) == (
        19,
        0,
        None,
        None,
    )
    assert late.amount_minor == 99
    assert [(row.days, row.range) for row in late.by_installment] == [(0, None)]


def test_at_the_floor_delay_counts() -> None:
    late = delinquency(_paid_but(100, DelinquencyFloor(100)).state(date(2026, 3, 1)), date(2026, 3, 1))
    assert (late.delinquent_days, late.range, late.delinquent_since) == (19, "RANGE_2", DUE[0])


def test_the_larger_of_amount_and_percentage_counts() -> None:
    # 1 % of the principal of 1,000.00 is 10.00
    assert loan_terms(floor=DelinquencyFloor(500, Decimal(1))).floor_minor == 1_000
    assert loan_terms(floor=DelinquencyFloor(2_000, Decimal(1))).floor_minor == 2_000
    assert loan_terms().floor_minor == 0


def test_a_few_cents_make_no_new_delay_an_old_one() -> None:
    """What counts is the day on which the past-due amount has reached the floor, not that of the cents."""
    day = date(2026, 3, 20)
    late = delinquency(_paid_but(99, DelinquencyFloor(100)).state(day), day)
    assert late.past_due_days == 38
    assert (late.delinquent_days, late.delinquent_since) == (10, DUE[1])
    assert [(row.nr, row.days) for row in late.by_installment] == [(1, 10), (2, 10)]
    without = delinquency(_paid_but(99, DelinquencyFloor()).state(day), day)
    assert without.delinquent_days == 38


def test_no_late_fee_for_less_than_the_floor() -> None:
    for floor, fees in ((DelinquencyFloor(100), 0), (DelinquencyFloor(), 2_000)):
        loan = _paid_but(99, floor)
        loan.record(
            LoanEvent(
                "late", EventType.CHARGE, PAYOUT, 2_000, charge_kind=ChargeKind.FEE,
                charge_rule=ChargeRule(applies_to=AppliesTo.OVERDUE_INSTALLMENT),
            )
        )  # fmt: skip
        assert sum(row.due[2] for row in loan.state(date(2026, 3, 1)).installments) == fees


LATE = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 500)), max_size=8).map(
    lambda rows: [
        Late(nr, PAYOUT + timedelta(days=day), amount) for nr, (day, amount) in enumerate(sorted(rows), 1)
    ]
)


@given(LATE, st.integers(0, 5), st.integers(0, 2_000), st.integers(0, 2_000))
def test_a_higher_floor_never_makes_anybody_later(late: list[Late], grace: int, one: int, other: int) -> None:
    on = PAYOUT + timedelta(days=61)
    low, high = (count_days(late, on, (), grace, floor) for floor in sorted([one, other]))
    assert low.past_due_days == high.past_due_days
    assert high.delinquent_days <= low.delinquent_days <= low.past_due_days
    owed = sum(row.amount_minor for row in late)
    assert (high.since is None) == (not late or owed < max(one, other))


# --- days off ---------------------------------------------------------------------------------------


def _october(**changes: Any) -> LoanTerms:
    """First due on Thursday 1 October 2026, a day off until Wednesday the 7th."""
    return loan_terms(
        first_due_date=date(2026, 10, 1),
        overdue_interest=OverdueInterest(Decimal(36)),
        calendar=CN,
        **changes,
    )


def _open(terms: LoanTerms, on: date, paid_on: date | None = None) -> tuple[int, int, Four]:
    loan = History(terms).disburse(date(2026, 9, 1))
    if paid_on is not None:
        loan.pay(paid_on, sum(loan.state(paid_on).installments[0].due))
    state = loan.state(on)
    late = delinquency(state, on)
    return late.past_due_days, state.installments[0].late_minor, state.installments[0].due


def test_paying_on_the_next_working_day_is_in_time() -> None:
    skip = _october(non_working_days=NonWorkingDays.SKIP)
    assert _open(skip, date(2026, 10, 8))[0] == 0
    assert _open(skip, date(2026, 10, 8), date(2026, 10, 8)) == (0, 0, (16_268, 986, 0, 0))
    days, late, due = _open(skip, date(2026, 10, 9), date(2026, 10, 9))
    assert (days, late > 0, due[3]) == (0, True, 16)  # one day: 162.68 x 36 % / 365
    assert _open(skip, date(2026, 10, 12))[0] == 4


def test_without_the_tolerance_days_off_count() -> None:
    assert _open(_october(), date(2026, 10, 8))[0] == 7
    days, late, due = _open(_october(), date(2026, 10, 8), date(2026, 10, 8))
    assert (days, late > 0, due[3]) == (0, True, 112)


def test_a_made_up_saturday_is_no_day_off() -> None:
    terms = loan_terms(first_due_date=date(2026, 10, 10), calendar=CN, non_working_days=NonWorkingDays.SKIP)
    assert terms.in_time_through(date(2026, 10, 10)) == date(2026, 10, 10)
    assert terms.in_time_through(date(2026, 10, 11)) == date(2026, 10, 12)


@given(st.dates(date(2026, 1, 1), date(2028, 12, 31)), st.integers(0, 40))
def test_the_tolerance_never_makes_anybody_later(payout: date, days: int) -> None:
    on = payout + timedelta(days=31 + days)
    counted, skipped = (
        delinquency(History(loan_terms(calendar=CN, non_working_days=rule)).disburse(payout).state(on), on)
        for rule in NonWorkingDays
    )
    assert skipped.past_due_days <= counted.past_due_days
    assert skipped.delinquent_days <= counted.delinquent_days


# --- terms as JSON ----------------------------------------------------------------------------------


def _document(**more: Any) -> dict[str, Any]:
    return {
        "principal": "1000", "annual_rate_percent": "12", "installments": 6,
        "expected_disbursement_date": "2026-01-10", **more,
    }  # fmt: skip


def test_terms_come_back_as_they_were() -> None:
    given = _document(
        delinquency_floor={"amount": "1.00", "percent": "0.5"}, calendar="CN", non_working_days="skip"
    )
    terms = read_terms(Node("$.terms", given), "CNY")
    assert terms.calendar == working_days("CN", 2026, 2029)
    kept = terms_json(terms)
    assert kept["calendar"]["published_through"] == "2026-12-31"
    assert read_terms(Node("$.terms", kept), "CNY") == terms
    # What plain loans do not have does not stand in their documents.
    assert not {"delinquency_floor", "calendar", "non_working_days"} & terms_json(loan_terms()).keys()


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"delinquency_floor": {"amount": "-1"}}, "$.terms.delinquency_floor.amount"),
        ({"delinquency_floor": {"percent": "100"}}, "$.terms.delinquency_floor.percent"),
        ({"delinquency_floor": {"percent": "0"}}, "$.terms.delinquency_floor.percent"),
        ({"delinquency_floor": {"least": "1"}}, "$.terms.delinquency_floor.least"),
        ({"non_working_days": "skip"}, "$.terms.calendar"),
        ({"non_working_days": "perhaps"}, "$.terms.non_working_days"),
        ({"calendar": "XX"}, "$.terms.calendar"),
        ({"calendar": 7}, "$.terms.calendar"),
        ({"calendar": {"name": "X"}}, "$.terms.calendar.published_through"),
        (
            {"calendar": {"name": "X", "published_through": "2026-12-31", "days_off": ["soon"]}},
            "$.terms.calendar.days_off",
        ),
        (
            {"calendar": {"name": "X", "published_through": "2026-12-31", "work_days": ["9999-12-31"]}},
            "$.terms.calendar.work_days",
        ),
        (
            {
                "calendar": {
                    "name": "X",
                    "published_through": "2026-12-31",
                    "days_off": ["2026-01-01"] * 2_001,
                }
            },
            "$.terms.calendar.days_off",
        ),
    ],
)
def test_wrong_terms_are_named(more: dict[str, Any], path: str) -> None:
    with pytest.raises(InputError) as refused:
        read_terms(Node("$.terms", _document(**more)), "CNY")
    assert refused.value.path == path
