"""What must hold for every kind of loan and every kind of event (lending.md section 15)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, note, settings
from hypothesis import strategies as st

from lending.samples import History, loan_terms
from throughline.compliance.calendars import working_days
from throughline.compliance.working_days import Convention
from throughline.kernel.money import Rounding
from throughline.ledger.entries import check as check_lines
from throughline.lending.accrual import Accrued, charged
from throughline.lending.books import earned_by, plan_entries, totals
from throughline.lending.checks import HistoryError, check, check_state
from throughline.lending.delinquency import delinquency
from throughline.lending.history import (
    AppliesTo,
    Calculation,
    ChargeKind,
    ChargeRule,
    EventType,
    LoanEvent,
    NewTerms,
    Treatment,
    Variation,
    VariationKind,
)
from throughline.lending.periods import ScheduleError
from throughline.lending.quote import payoff_quote
from throughline.lending.replay import replay
from throughline.lending.state import LoanState, LoanStatus
from throughline.lending.terms import (
    NO_FLOOR,
    AllocationPreset,
    AllocationRule,
    Amortization,
    DayCount,
    DelinquencyFloor,
    Direction,
    DueDateAdjustment,
    Frequency,
    FutureInstallments,
    Grace,
    InterestDates,
    InterestMethod,
    InterestPeriod,
    InterestRounding,
    LoanTerms,
    MonthBasis,
    NonWorkingDays,
    OverdueInterest,
    PeriodUnit,
    Preclosure,
    Prepayment,
    Recalculation,
    Rest,
    RoundingRules,
    ScheduleType,
    YearBasis,
)

PAYOUT = date(2026, 1, 15)
LAST_DAY = 400
END = PAYOUT + timedelta(days=LAST_DAY)
PRESETS = [preset for preset in AllocationPreset if preset is not AllocationPreset.CUSTOM]
CALENDAR = working_days("CN", 2026, 2030)
ADJUSTED = [DueDateAdjustment(one, InterestDates.ADJUSTED) for one in Convention]
CONTRACTUAL = [DueDateAdjustment(one, InterestDates.CONTRACTUAL) for one in Convention]
FLOORS = [NO_FLOOR, NO_FLOOR, DelinquencyFloor(300), DelinquencyFloor(100, Decimal(2))]


@st.composite
def any_terms(draw: st.DrawFn) -> LoanTerms:
    count = draw(st.integers(1, 12))
    flat = draw(st.booleans()) and draw(st.booleans())
    recalculated = not flat and draw(st.booleans())
    return loan_terms(
        principal_minor=draw(st.integers(1_000, 5_000_000)),
        installments=count,
        annual_rate_percent=draw(st.decimals(0, 48, places=2)),
        amortization=draw(st.sampled_from(list(Amortization))),
        interest_method=InterestMethod.FLAT if flat else InterestMethod.DECLINING_BALANCE,
        interest_period=draw(st.sampled_from(list(InterestPeriod))),
        schedule_type=draw(st.sampled_from(list(ScheduleType))),
        day_count=DayCount(draw(st.sampled_from(list(YearBasis))), draw(st.sampled_from(list(MonthBasis)))),
        repay_every=draw(
            st.sampled_from([Frequency(), Frequency(2, PeriodUnit.WEEKS), Frequency(15, PeriodUnit.DAYS)])
        ),
        rounding=RoundingRules(
            mode=draw(st.sampled_from(list(Rounding))),
            unit_minor=draw(st.sampled_from([1, 1, 100])),
            interest=draw(st.sampled_from(list(InterestRounding))),
            installment_multiple_minor=draw(st.sampled_from([1, 1, 100])),
        ),
        grace=Grace(
            draw(st.integers(0, min(2, count - 1))),
            draw(st.integers(0, min(2, count - 1))),
            draw(st.integers(0, min(2, count - 1))),
        ),
        recalculation=Recalculation(
            enabled=recalculated,
            rest=draw(st.sampled_from(list(Rest))),
            prepayment=draw(st.sampled_from(list(Prepayment))),
            preclosure=draw(st.sampled_from(list(Preclosure))),
        ),
        down_payment_percent=draw(st.sampled_from([None, None, Decimal("25"), Decimal("12.5")])),
        overdue_interest=draw(
            st.none() | st.builds(OverdueInterest, st.decimals(0, 36, places=1), st.integers(0, 5))
        ),
        arrears_days=draw(st.integers(0, 5)),
        floor=draw(st.sampled_from(FLOORS)),
        calendar=CALENDAR,
        non_working_days=draw(st.sampled_from(list(NonWorkingDays))),
        adjustment=draw(st.sampled_from(ADJUSTED if recalculated else ADJUSTED + CONTRACTUAL)),
        allocation=draw(
            st.builds(
                AllocationRule,
                st.sampled_from(PRESETS),
                st.sampled_from(list(Direction)),
                st.sampled_from(list(FutureInstallments)),
            )
        ),
    )


DAYS = st.integers(0, LAST_DAY)
AMOUNTS = st.integers(1, 900_000)
PERCENT = st.decimals(Decimal("0.1"), 20, places=1)
ACTS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["repayment", "repayment", "goodwill_credit", "merchant_refund"]), DAYS, AMOUNTS
        ),
        st.tuples(
            st.sampled_from(["pay_off", "charge_off", "write_off", "re_amortize", "reverse", "chargeback"]),
            DAYS,
            AMOUNTS,
        ),
        st.tuples(
            st.sampled_from(["waive_interest", "refund_of_overpayment", "tranche", "recovery"]), DAYS, AMOUNTS
        ),
        st.tuples(st.sampled_from(list(AppliesTo)), DAYS, AMOUNTS),
        st.tuples(st.sampled_from(["interest_pause", "penalty_pause", "delinquency_pause"]), DAYS, AMOUNTS),
        st.tuples(
            st.sampled_from(["reschedule", "re_age", "future", "waiver", "undo_charge_off"]), DAYS, AMOUNTS
        ),
    ),
    max_size=9,
    unique_by=lambda act: act[1],
)


def event_of(nr: int, act: tuple[object, int, int], known: Sequence[LoanEvent]) -> LoanEvent:
    """An event made from an act; what it is about is found among the known ones."""
    kind, offset, number = act
    day, name = PAYOUT + timedelta(days=offset), f"e{nr}"
    payments = [one for one in known if one.type in {EventType.REPAYMENT, EventType.PAY_OFF}]
    if isinstance(kind, AppliesTo):
        calculation = list(Calculation)[number % 4]
        percent = None if calculation is Calculation.FLAT else Decimal(number % 200 + 1) / 10
        return LoanEvent(
            name,
            EventType.CHARGE,
            day if kind is not AppliesTo.DISBURSEMENT else PAYOUT,
            number % 20_000 + 1 if percent is None else None,
            charge_kind=list(ChargeKind)[number % 2],
            due_date=day + timedelta(days=nr % 40),
            charge_rule=ChargeRule(calculation, kind, percent),
        )
    if str(kind).endswith("_pause"):
        one = Variation(VariationKind(str(kind)), day, day + timedelta(days=number % 60 + 1))
        if one.kind is VariationKind.INTEREST_PAUSE and number % 3:
            one = replace(one, treatment=Treatment.DEFER)
        return LoanEvent(name, EventType.VARIATION, day, variation=one, case="case")
    match kind:
        case "tranche":
            return LoanEvent(name, EventType.DISBURSEMENT, day, number)
        case "reverse":
            target = payments[number % len(payments)] if payments else None
            return LoanEvent(name, EventType.REVERSAL, END, target=target.id if target else "none")
        case "chargeback":
            target = payments[number % len(payments)] if payments else None
            amount = max(1, number % (target.amount_minor or 1)) if target else number
            return LoanEvent(name, EventType.CHARGEBACK, day, amount, target=target.id if target else "none")
        case "waiver":
            charges = [one for one in known if one.type is EventType.CHARGE]
            return LoanEvent(name, EventType.WAIVE_CHARGE, day, target=charges[0].id if charges else "none")
        case "reschedule":
            new = NewTerms(
                Decimal(number % 30) if number % 2 else None,
                None,
                number % 3,
                Grace(number % 2, number % 3 % 2, number % 5 % 2),
            )
            return LoanEvent(name, EventType.RESCHEDULE, day, new_terms=new)
        case "re_age":
            new = NewTerms(None, day + timedelta(days=number % 40 + 1), number % 6 + 1)
            return LoanEvent(name, EventType.RE_AGE, day, new_terms=new)
        case "future":
            return LoanEvent(name, EventType.SET_FUTURE_RULE, day, future=FutureInstallments.LAST)
        case "charge_off" | "write_off" | "re_amortize" | "undo_charge_off":
            return LoanEvent(name, EventType(str(kind)), day, fraud=bool(number % 2) and kind == "charge_off")
        case "pay_off":
            return LoanEvent(name, EventType.PAY_OFF, day)
        case _:
            return LoanEvent(name, EventType(str(kind)), day, number)


def history_of(terms: LoanTerms, acts: Sequence[tuple[object, int, int]]) -> list[LoanEvent]:
    """The events that were not refused, in the order of recording."""
    several = any(act[0] == "tranche" for act in acts)
    first = terms.principal_minor // 2 if several else terms.principal_minor
    loan = History(terms).record(LoanEvent("payout", EventType.DISBURSEMENT, PAYOUT, first))
    for nr, act in enumerate(acts):
        event = event_of(nr, act, loan.events)
        try:
            check(terms, loan.events, event)
            check_state(loan.state(END), event)
            replay(terms, [*loan.events, event], as_of=END)
        except (HistoryError, ScheduleError):
            continue
        loan.events.append(event)
    return loan.events


def assert_identities(state: LoanState) -> None:
    """due = paid + waived + written off + outstanding; principal sums to the payout; money is all there."""
    for row in state.installments:
        for part in range(4):
            assert row.due[part] == (
                row.paid[part] + row.waived[part] + row.written_off[part] + row.outstanding[part]
            )
            assert min(row.due[part], row.paid[part], row.waived[part], row.outstanding[part]) >= 0, row
    principal = sum(row.due[0] - row.credited[0] for row in state.installments)
    assert principal == state.disbursed_minor
    dates = [row.due_date for row in state.installments]
    assert dates == sorted(dates)
    assert state.overpaid_minor >= 0
    for one in state.transactions:
        if one.type in {EventType.REPAYMENT, EventType.PAY_OFF, EventType.GOODWILL_CREDIT}:
            assert one.amount_minor >= sum(one.portions) + one.overpayment_minor - one.amount_minor
            assert min(*one.portions, one.overpayment_minor) >= 0
    for charge in state.charges:
        assert charge.paid_minor + charge.waived_minor <= charge.amount_minor


def assert_books(terms: LoanTerms, events: Sequence[LoanEvent]) -> None:
    """Every entry balances, and the entries posted one by one sum to the totals of the last state."""
    recognised, known = Accrued(), []
    through = None
    sums: dict[str, int] = {}
    before = None
    for event in events:
        before = replay(terms, known, as_of=END) if known else None
        earned_before = earned_by(terms, known, through) if known else Accrued()
        known = [*known, event]
        after = replay(terms, known, as_of=END)
        plan = plan_entries(
            before, after, recognised=recognised, earned_before=earned_before,
            earned_after=earned_by(terms, known, through),
        )  # fmt: skip
        recognised = plan.recognised
        for lines in (plan.event_lines, plan.accrual_lines):
            if lines:
                check_lines(lines)
            for line in lines:
                sums[line.account] = sums.get(line.account, 0) + line.debit_minor - line.credit_minor
    final = totals(replay(terms, events, as_of=END), recognised)
    assert {name: value for name, value in sums.items() if value} == {
        name: value for name, value in final.items() if value
    }


@given(any_terms(), ACTS)
@settings(max_examples=300)
def test_identities_hold_and_the_books_balance(terms: LoanTerms, acts: list[tuple[object, int, int]]) -> None:
    events = history_of(terms, acts)
    note(f"{terms}\n" + "\n".join(map(str, events)))
    for day in (PAYOUT, PAYOUT + timedelta(days=97), END):
        assert_identities(replay(terms, events, as_of=day))
    assert_books(terms, events)


@given(any_terms(), ACTS, st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_the_order_of_recording_is_irrelevant(
    terms: LoanTerms, acts: list[tuple[object, int, int]], chance: random.Random
) -> None:
    # What refers to another event or to the state is tied to its place in the order.
    free = [
        act
        for act in acts
        if act[0] not in {"reverse", "chargeback", "waiver", "refund_of_overpayment", "undo_charge_off"}
    ]
    events = [
        one for one in history_of(terms, free) if one.charge_rule.applies_to is not AppliesTo.DISBURSEMENT
    ]
    payout, rest = events[0], events[1:]
    chance.shuffle(rest)
    assert replay(terms, [payout, *rest], as_of=END) == replay(terms, events, as_of=END)


@given(any_terms(), ACTS, st.integers(0, LAST_DAY), AMOUNTS)
@settings(max_examples=200)
def test_a_reversal_is_as_if_it_had_never_been(
    terms: LoanTerms, acts: list[tuple[object, int, int]], offset: int, amount: int
) -> None:
    events = history_of(terms, acts)
    payment = LoanEvent("late", EventType.REPAYMENT, PAYOUT + timedelta(days=offset), amount)
    try:
        check(terms, events, payment)
    except HistoryError:
        return
    undone = [*events, payment, LoanEvent("back", EventType.REVERSAL, END, target="late")]
    assert replay(terms, undone, as_of=END) == replay(terms, events, as_of=END)


@given(any_terms(), ACTS, st.integers(0, LAST_DAY))
@settings(max_examples=200)
def test_the_quote_paid_on_its_day_leaves_nothing(
    terms: LoanTerms, acts: list[tuple[object, int, int]], offset: int
) -> None:
    day = PAYOUT + timedelta(days=offset)
    events = [
        one
        for one in history_of(terms, acts)
        if one.value_date <= day and one.type is not EventType.WRITE_OFF
    ]
    before = replay(terms, events, as_of=day)
    quote = payoff_quote(before, day)
    if before.status is not LoanStatus.ACTIVE or not quote.total_minor:
        return
    after = replay(terms, [*events, LoanEvent("off", EventType.PAY_OFF, day, quote.total_minor)], as_of=END)
    assert (sum(after.outstanding), after.overpaid_minor) == (0, 0)
    assert charged(after).interest_minor >= 0


@given(any_terms())
@settings(max_examples=300)
def test_the_residue_sits_in_the_last_installment(terms: LoanTerms) -> None:
    note(str(terms))
    state = replay(
        terms, [LoanEvent("d", EventType.DISBURSEMENT, PAYOUT, terms.principal_minor)], as_of=PAYOUT
    )
    assert state.schedule is not None
    rows = [row for row in state.installments if row.plan is not None and not row.plan.down_payment]
    assert sum(row.accrual_minor for row in rows) == sum(row.due[1] for row in rows)
    assert state.installments[-1].balance_minor == 0
    plain = terms.grace == Grace() and terms.amortization is Amortization.EQUAL_INSTALLMENTS
    if plain and terms.rounding.installment_multiple_minor == 1:
        level = state.schedule.installment_minor
        assert all(sum(row.due) <= level for row in rows[:-1])


@given(any_terms(), ACTS)
@settings(max_examples=100)
def test_delinquency_never_lies(terms: LoanTerms, acts: list[tuple[object, int, int]]) -> None:
    late = delinquency(replay(terms, history_of(terms, acts), as_of=END), END)
    assert 0 <= late.delinquent_days <= late.past_due_days
    assert late.amount_minor >= 0
    assert (late.amount_minor > 0) == (late.past_due_days > 0)
