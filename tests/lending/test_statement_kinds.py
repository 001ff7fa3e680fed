"""Every type of event has line words of its own on a statement, and the lines of any loan explain its balances."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from lending.samples import History, loan_terms
from lending.test_statement import START, statement
from lending.test_wide_properties import ACTS, END, LAST_DAY, PAYOUT, any_terms, history_of
from throughline.kernel.i18n import gettext
from throughline.lending.history import AppliesTo, ChargeKind, ChargeRule, EventType, LoanEvent
from throughline.lending.replay import replay
from throughline.lending.state import LoanStatus
from throughline.lending.statement_kinds import KIND_OF, LineKind
from throughline.lending.statement_lines import standing, statement_lines
from throughline.lending.statement_words import LINES
from throughline.lending.terms import LoanTerms, OverdueInterest

ONE_DAY = timedelta(days=1)


@pytest.mark.parametrize("kind", EventType)
def test_every_type_of_event_has_its_own_line_words(kind: EventType) -> None:
    line = KIND_OF[kind]
    assert line is not LineKind.ADJUSTMENT
    assert [one for one, other in KIND_OF.items() if other is line] == [kind]
    words = {gettext(LINES[line], locale) for locale in ("zh-CN", "en")}
    assert len(words) == 2


def test_no_two_kinds_of_line_read_alike() -> None:
    assert set(LINES) == set(LineKind)
    for locale in ("zh-CN", "en"):
        assert len({gettext(one, locale) for one in LINES.values()}) == len(LineKind)


def kinds(history: History, last: date) -> dict[LineKind, int]:
    """What the lines of a kind come to together, by kind."""
    made: dict[LineKind, int] = {}
    for line in statement(history, last).lines:
        made[line.kind] = made.get(line.kind, 0) + line.change.total_minor
    return made


def test_money_that_goes_back_has_lines_of_its_own() -> None:
    history = History(loan_terms()).disburse(START)
    history.pay(date(2026, 2, 15), 17_254, id="paid").pay_off(date(2026, 3, 1), 90_000)
    over = history.state(date(2026, 3, 1)).overpaid_minor
    refund = EventType.REFUND_OF_OVERPAYMENT
    history.record(LoanEvent("refund", refund, date(2026, 3, 5), over))
    history.record(LoanEvent("back", EventType.CHARGEBACK, date(2026, 3, 9), 5_000, target="paid"))
    made = kinds(history, date(2026, 3, 10))
    assert made[LineKind.REFUND_OF_OVERPAYMENT] == over
    assert made[LineKind.CHARGEBACK] == 5_000
    assert LineKind.ADJUSTMENT not in made
    assert statement(history, date(2026, 3, 10)).closing.total_minor == 5_000


def test_a_write_off_leaves_nothing_owed() -> None:
    history = History(loan_terms(overdue_interest=OverdueInterest(Decimal(18)))).disburse(START)
    history.charge(date(2026, 2, 1), 700)
    history.record(LoanEvent("off", EventType.CHARGE_OFF, date(2026, 3, 20)))
    history.record(LoanEvent("gone", EventType.WRITE_OFF, date(2026, 4, 2)))
    made = statement(history, date(2026, 4, 10))
    (line,) = [one for one in made.lines if one.kind is LineKind.WRITE_OFF]
    assert line.change.principal_minor == -100_000
    assert made.closing.total_minor == 0
    assert LineKind.ADJUSTMENT not in {one.kind for one in made.lines}


def test_refunds_waived_interest_and_a_charge_at_payout_say_what_they_are() -> None:
    history = History(loan_terms())
    rule = ChargeRule(applies_to=AppliesTo.DISBURSEMENT)
    history.record(
        LoanEvent("fee", EventType.CHARGE, START, 300, charge_kind=ChargeKind.FEE, charge_rule=rule)
    ).disburse(START)
    history.record(LoanEvent("a", EventType.PAYOUT_REFUND, date(2026, 2, 15), 4_000))
    history.record(LoanEvent("b", EventType.MERCHANT_REFUND, date(2026, 2, 16), 3_000))
    history.record(LoanEvent("c", EventType.WAIVE_INTEREST, date(2026, 2, 17), 50))
    made = kinds(history, date(2026, 2, 20))
    assert made[LineKind.CHARGE_AT_PAYOUT] == -made[LineKind.FEE] == -300
    assert made[LineKind.PAYOUT_REFUND] == -4_000
    assert made[LineKind.MERCHANT_REFUND] == -3_000
    assert made[LineKind.INTEREST_WAIVED] == -50
    assert LineKind.ADJUSTMENT not in made


@given(any_terms(), ACTS, st.integers(0, LAST_DAY))
@settings(max_examples=150)
def test_opening_and_lines_make_the_closing_of_any_loan(
    terms: LoanTerms, acts: list[tuple[object, int, int]], cut: int
) -> None:
    events = history_of(terms, acts)
    note(f"{terms}\n" + "\n".join(map(str, events)))

    def state_of(day: date) -> object:
        return replay(terms, events, as_of=day)

    closing = replay(terms, events, as_of=END)
    opening = standing(replay(terms, events, as_of=PAYOUT + timedelta(days=cut) - ONE_DAY))
    total, end = opening.owed, standing(closing)
    for line in statement_lines(state_of, events, opening, closing):  # type: ignore[arg-type]
        total += line.change
    assert total == end.owed
    assert end.owed.principal_minor == closing.outstanding[0]
    change = end.charged - end.paid - end.waived
    assert change.parts[1:4] == end.owed.parts[1:4]
    if closing.status in {LoanStatus.CLOSED, LoanStatus.WRITTEN_OFF}:
        assert end.owed.total_minor == -closing.overpaid_minor
