"""A loan's life in the database: payout, repayment, late facts, protection, close of business."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.events import OutboxEvent
from throughline.kernel.ids import new_id
from throughline.ledger import service as ledger
from throughline.lending import cob
from throughline.lending import service as lending
from throughline.lending.account import locked_loan, read_loan
from throughline.lending.books import totals
from throughline.lending.business_day import locked_business_day
from throughline.lending.cache import rebuild
from throughline.lending.models import (
    CobFailureRow,
    InstallmentRow,
    LoanEventRow,
    LoanRow,
    TransactionRow,
    VariationRow,
)
from throughline.lending.recording import EventKeyReused
from throughline.lending.state import LoanStatus

ZONE = "Asia/Shanghai"
REASON = {"zh-CN": "测试", "en": "test"}
K, V = lending.EventType, lending.VariationKind


def _today() -> date:
    return clock.local_date(clock.now(), ZONE)


def _open(session: Session, **changes: Any) -> UUID:
    values: dict[str, Any] = {
        "borrower_id": new_id(),
        "product_code": "cash-cn",
        "principal_minor": 300_000,
        "currency": "CNY",
        "installments": 6,
        "annual_rate_percent": Decimal("14.4"),
        "agreed_on": date(2026, 11, 1),
        "contract_id": new_id(),
        "zone": ZONE,
        "agreed_charges": ("late_fee",),
    }
    return lending.open_loan(session, lending.NewLoan(**(values | changes)), now=clock.now())


def _event(
    loan_type: lending.EventType, on: date, amount: int | None = None, **more: Any
) -> lending.NewEvent:
    values = {"type": loan_type, "value_date": on, "amount_minor": amount, "idempotency_key": str(new_id())}
    return lending.NewEvent(**(values | more))


def _paid_out(session: Session, on: date, **changes: Any) -> UUID:
    loan_id = _open(session, agreed_on=on, **changes)
    lending.record_event(session, loan_id, _event(K.DISBURSEMENT, on, 300_000), now=clock.now())
    return loan_id


def _published(session: Session, loan_id: UUID) -> list[tuple[str, dict[str, Any]]]:
    rows = session.execute(
        select(OutboxEvent.type, OutboxEvent.payload)
        .where(OutboxEvent.aggregate_id == loan_id)
        .order_by(OutboxEvent.seq)
    )
    return [(kind.removeprefix("lending."), payload) for kind, payload in rows]


def _assert_books(session: Session, loan_id: UUID) -> None:
    """The journal of a loan sums to what a replay says, and every entry balances."""
    file = read_loan(session, loan_id)
    state = file.state(max(_today(), lending.business_date(session)))
    expected = {account: amount for account, amount in totals(state, file.recognised).items() if amount}
    booked: dict[str, int] = {}
    for entry in ledger.entries(session, source=lending.source_of(loan_id), limit=10_000):
        assert sum(line.debit_minor for line in entry.lines) == sum(line.credit_minor for line in entry.lines)
        for line in entry.lines:
            booked[line.account] = booked.get(line.account, 0) + line.debit_minor - line.credit_minor
    assert {account: amount for account, amount in booked.items() if amount} == expected


@pytest.fixture(autouse=True)
def _fresh_business_day(database: Database) -> Iterator[None]:
    yield
    # The days that a test has closed were not those of the next one: their runs go with the date.
    with database.transaction() as session:
        session.execute(text("DELETE FROM lending_cob_chunk"))
        session.execute(text("DELETE FROM lending_cob_run"))
        row = locked_business_day(session)
        if row is not None:
            row.open_day = _today()


def _run_days(database: Database, until: date) -> None:
    """Close the days of all loans up to but not including `until`, as if the clock stood there."""
    at = datetime.combine(until, datetime.min.time(), tzinfo=clock.now().tzinfo)
    while True:
        with database.transaction() as session:
            day = cob.start_due_run(session, now=at)
        if day is None:
            return
        with database.transaction() as session:
            chunks = session.execute(
                text("SELECT nr FROM lending_cob_chunk WHERE business_date = :day AND state <> 'done'"),
                {"day": day},
            ).scalars()
            numbers = list(chunks)
        for nr in numbers:
            cob.close_chunk(database, day, nr)


def test_from_contract_to_closed(session: Session) -> None:
    start = _today() - timedelta(days=40)
    loan_id = _open(session, agreed_on=start)
    view = lending.loan_view(session, loan_id)
    assert (view.status, len(view.installments), view.outstanding_minor) == (LoanStatus.APPROVED, 6, 0)
    lending.record_event(session, loan_id, _event(K.DISBURSEMENT, start, 300_000), now=clock.now())
    view = lending.loan_view(session, loan_id)
    assert view.status is LoanStatus.ACTIVE
    assert view.next_due is not None
    assert view.delinquency.past_due_days > 0  # the payout itself was told of late
    _assert_books(session, loan_id)
    quote = lending.payoff(session, loan_id, _today())
    receipt = lending.record_event(
        session, loan_id, _event(K.REPAYMENT, _today(), quote.total_minor + 50), now=clock.now()
    )
    assert (receipt.type, receipt.status) == (K.PAY_OFF, LoanStatus.OVERPAID)
    view = lending.loan_view(session, loan_id)
    assert (view.outstanding_minor, view.overpaid_minor, view.closed_on) == (0, 50, _today())
    _assert_books(session, loan_id)
    kinds = [kind for kind, _ in _published(session, loan_id)]
    assert kinds[0] == "loan_opened.v1"
    assert {"loan_disbursed.v1", "payment_allocated.v1", "loan_closed.v1"} <= set(kinds)
    allocated = dict(_published(session, loan_id))["payment_allocated.v1"]
    assert allocated["overpayment_minor"] == 50
    assert UUID(allocated["record_id"]) == receipt.record_id


def test_a_contract_opens_one_loan(session: Session) -> None:
    contract, borrower = new_id(), new_id()
    first = _open(session, contract_id=contract, borrower_id=borrower)
    assert _open(session, contract_id=contract, borrower_id=borrower) == first
    with pytest.raises(lending.OutsideProduct, match=r"50000\.00"):
        _open(session, principal_minor=5_000_001)
    with pytest.raises(lending.OutsideProduct):
        _open(session, installments=7)
    with pytest.raises(lending.OutsideProduct):
        _open(session, annual_rate_percent=Decimal("21.01"))
    with pytest.raises(lending.ProductUnknown):
        _open(session, product_code="nothing")


def test_an_event_is_recorded_once_for_its_key(session: Session) -> None:
    loan_id = _paid_out(session, _today())
    payment = _event(K.REPAYMENT, _today(), 10_000)
    first = lending.record_event(session, loan_id, payment, now=clock.now())
    again = lending.record_event(session, loan_id, payment, now=clock.now())
    assert (again.event_id, again.repeated, again.transaction) == (first.event_id, True, first.transaction)
    other = lending.NewEvent(
        type=K.REPAYMENT, value_date=_today(), amount_minor=10_001, idempotency_key=payment.idempotency_key
    )
    with pytest.raises(EventKeyReused):
        lending.record_event(session, loan_id, other, now=clock.now())
    _assert_books(session, loan_id)


def test_what_cannot_be_is_refused_and_names_its_field(session: Session) -> None:
    loan_id = _paid_out(session, _today())
    for event, reason in [
        (_event(K.REPAYMENT, _today() - timedelta(days=1), 5), "before_disbursement"),
        (_event(K.REPAYMENT, _today(), 0), "amount_out_of_range"),
        (_event(K.REVERSAL, _today(), target=new_id()), "not_reversible"),
    ]:
        with pytest.raises(lending.EventRefused) as caught:
            lending.record_event(session, loan_id, event, now=clock.now())
        assert caught.value.params["reason"] == reason
        assert caught.value.document("zh-CN")["detail"] != caught.value.document("en")["detail"]
    with pytest.raises(lending.EventRefused, match="future"):
        lending.record_event(
            session, loan_id, _event(K.REPAYMENT, _today() + timedelta(days=3), 5), now=clock.now()
        )
    with pytest.raises(lending.ChargeNotAgreed):
        lending.record_event(
            session,
            loan_id,
            _event(K.CHARGE, _today(), 5, charge_kind=lending.ChargeKind.FEE, charge_code="surprise"),
            now=clock.now(),
        )
    with pytest.raises(lending.LoanUnknown):
        lending.record_event(session, new_id(), _event(K.REPAYMENT, _today(), 5), now=clock.now())


def test_a_late_payment_of_an_earlier_day_replays_and_posts_only_the_difference(session: Session) -> None:
    start = _today() - timedelta(days=50)
    loan_id = _paid_out(session, start)
    due = lending.loan_view(session, loan_id).installments[0]
    lending.record_event(session, loan_id, _event(K.REPAYMENT, _today(), 20_000), now=clock.now())
    penalty = lending.loan_view(session, loan_id).due[3]
    assert penalty > 0
    receipt = lending.record_event(
        session, loan_id, _event(K.REPAYMENT, due.due_date, due.outstanding_minor), now=clock.now()
    )
    view = lending.loan_view(session, loan_id)
    assert view.due[3] == 0  # paid in time after all
    assert view.installments[0].obligations_met_on == due.due_date
    _assert_books(session, loan_id)
    rows = session.scalars(select(TransactionRow).where(TransactionRow.made_by == receipt.event_id)).all()
    assert sorted(row.replay_of is not None for row in rows) == [
        False,
        True,
    ]  # the later payment was replayed
    lending.record_event(
        session, loan_id, _event(K.REVERSAL, _today(), target=receipt.event_id), now=clock.now()
    )
    assert lending.loan_view(session, loan_id).due[3] == penalty
    _assert_books(session, loan_id)


def test_a_charge_its_payment_and_its_waiver(session: Session) -> None:
    loan_id = _paid_out(session, _today())
    charge = _event(K.CHARGE, _today(), 1_500, charge_kind=lending.ChargeKind.FEE, charge_code="late_fee")
    charged = lending.record_event(session, loan_id, charge, now=clock.now())
    assert lending.loan_view(session, loan_id).due[2] == 1_500
    lending.record_event(
        session, loan_id, _event(K.WAIVE_CHARGE, _today(), target=charged.event_id), now=clock.now()
    )
    view = lending.loan_view(session, loan_id)
    assert (view.due[2], view.waived[2], view.outstanding[2]) == (1_500, 1_500, 0)
    _assert_books(session, loan_id)


def test_protection_is_applied_ended_and_revoked_with_its_difference(session: Session) -> None:
    start = _today() - timedelta(days=60)
    loan_id = _paid_out(session, start)
    plain = lending.loan_view(session, loan_id)
    assert plain.delinquency.delinquent_days > 0
    first, last = plain.installments[0].due_date, _today() + timedelta(days=20)
    case_id = new_id()
    batch = lending.VariationBatch(
        case_id=case_id,
        rule_id="LINE-OUTAGE-2026",
        reason=REASON,
        variations=(
            lending.Variation(V.INTEREST_PAUSE, first, last),
            lending.Variation(V.PENALTY_PAUSE, first, last),
            lending.Variation(V.DELINQUENCY_PAUSE, first, last + timedelta(days=1)),
        ),
        report_hold=lending.Hold(f"protection_case:{case_id}", first, None, REASON),
        idempotency_key=f"case:{case_id}:1",
    )
    receipt = lending.apply_variations(session, loan_id, batch, now=clock.now())
    protected = lending.loan_view(session, loan_id)
    assert receipt.interest_minor == plain.due[1] - protected.due[1] > 0
    assert receipt.penalty_minor == plain.due[3] > 0
    assert receipt.delinquent_days == plain.delinquency.delinquent_days
    assert protected.delinquency.past_due_days == plain.delinquency.past_due_days  # contract figures stay
    assert (protected.delinquency.delinquent_days, protected.delinquency.paused) == (0, True)
    assert not lending.report_view(session, loan_id, _today()).negative_allowed
    assert lending.apply_variations(session, loan_id, batch, now=clock.now()).repeated
    _assert_books(session, loan_id)

    ended = lending.end_variations(session, loan_id, case_id, _today(), reason=REASON, now=clock.now())
    assert ended.interest_minor < 0  # the days after the end bear interest again
    assert ended.delinquent_days == 0
    rows = session.scalars(select(VariationRow).where(VariationRow.case_id == case_id)).all()
    assert {row.kind: row.to_date for row in rows} == {
        "interest_pause": _today(),
        "penalty_pause": _today(),
        "delinquency_pause": _today() + timedelta(days=1),
    }
    revoked = lending.revoke_variations(session, loan_id, case_id, REASON, now=clock.now())
    assert revoked.penalty_minor == -receipt.penalty_minor
    again = lending.loan_view(session, loan_id)
    assert (again.installments, again.delinquency) == (plain.installments, plain.delinquency)
    _assert_books(session, loan_id)
    assert lending.lift_report_hold(
        session, loan_id, f"protection_case:{case_id}", reason=REASON, now=clock.now()
    )
    assert lending.report_view(session, loan_id, _today()).negative_allowed
    with pytest.raises(lending.CaseUnknown):
        lending.end_variations(session, loan_id, new_id(), _today(), reason=REASON, now=clock.now())
    changes = [payload["change"] for kind, payload in _published(session, loan_id) if "variations" in kind]
    assert changes == ["applied", "ended", "revoked"]


def test_a_batch_is_all_or_nothing(database: Database) -> None:
    with database.transaction() as session:
        loan_id = _paid_out(session, _today())
    batch = lending.VariationBatch(
        new_id(),
        "X",
        REASON,
        (
            lending.Variation(V.PENALTY_PAUSE, _today(), _today()),
            lending.Variation(V.DUE_DATE_SHIFT, date(2020, 1, 1), date(2020, 1, 2)),
        ),
        None,
        "all-or-nothing",
    )
    with pytest.raises(lending.EventRefused) as caught, database.transaction() as session:
        lending.apply_variations(session, loan_id, batch, now=clock.now())
    assert caught.value.params["reason"] == "installment_not_found"
    with database.transaction() as session:
        assert lending.loan_view(session, loan_id).variations == ()


def test_a_moved_due_date_is_seen_in_installments_due(session: Session) -> None:
    loan_id = _paid_out(session, _today())
    view = lending.loan_view(session, loan_id)
    old = view.installments[0].due_date
    new = old + timedelta(days=7)
    batch = lending.VariationBatch(
        new_id(), "X", REASON, (lending.Variation(V.DUE_DATE_SHIFT, old, new, False),), None, "shift"
    )
    receipt = lending.apply_variations(session, loan_id, batch, now=clock.now())
    assert [(one.nr, one.old, one.new) for one in receipt.new_due_dates] == [(1, old, new)]
    assert lending.installments_due(session, view.borrower_id, old, old) == []
    (due,) = lending.installments_due(session, view.borrower_id, new, new)
    assert (due.loan_id, due.nr) == (loan_id, 1)


def test_a_dropped_cache_is_rebuilt_the_same(session: Session) -> None:
    loan_id = _paid_out(session, _today() - timedelta(days=40))
    lending.record_event(session, loan_id, _event(K.REPAYMENT, _today(), 60_000), now=clock.now())

    def rows() -> list[tuple[Any, ...]]:
        columns = list(InstallmentRow.__table__.columns)
        query = select(*columns).where(InstallmentRow.loan_id == loan_id).order_by(InstallmentRow.nr)
        return [tuple(row) for row in session.execute(query)]

    before = rows()
    rebuild(session, locked_loan(session, loan_id), as_of=_today())
    assert rows() == before


def test_close_of_business_accrues_tells_and_ages(database: Database) -> None:
    start = _today()
    with database.transaction() as session:
        loan_id = _paid_out(session, start)
        first = lending.loan_view(session, loan_id).installments[0]
    _run_days(database, first.due_date + timedelta(days=8))
    with database.transaction() as session:
        file = read_loan(session, loan_id)
        assert file.row.cob_through == first.due_date + timedelta(days=7)
        assert lending.business_date(session) == first.due_date + timedelta(days=8)
        events = _published(session, loan_id)
        reminders = [payload["days_left"] for kind, payload in events if kind == "installment_due.v1"]
        assert reminders == [3, 0]
        (overdue,) = [payload for kind, payload in events if kind == "installment_overdue.v1"]
        assert (overdue["nr"], overdue["amount_minor"], overdue["paused"]) == (
            1,
            first.outstanding_minor,
            False,
        )
        (bucket,) = [payload for kind, payload in events if kind == "bucket_changed.v1"][:1]
        assert (bucket["old"], bucket["new"], bucket["past_due_days"]) == (None, "RANGE_1", 4)
        state = file.state(lending.business_date(session))
        assert file.recognised.interest_minor > first.due[1]
        assert file.recognised.penalty_minor == state.overdue_penalty_minor - (
            state.overdue_penalty_minor - file.state(file.row.cob_through).overdue_penalty_minor
        )
        rows = lending.cob_runs(session, limit=3)
        assert {row.state for row in rows} == {"done"}
        balance = sum(row.debit_minor - row.credit_minor for row in ledger.trial_balance(session))
        assert balance == 0


def test_a_protected_loan_is_not_aged_while_the_pause_runs(database: Database) -> None:
    start = _today()
    with database.transaction() as session:
        loan_id = _paid_out(session, start)
        due = lending.loan_view(session, loan_id).installments[0].due_date
        batch = lending.VariationBatch(
            new_id(),
            "X",
            REASON,
            (
                lending.Variation(V.DELINQUENCY_PAUSE, due - timedelta(days=2), due + timedelta(days=30)),
                lending.Variation(V.PENALTY_PAUSE, due - timedelta(days=2), due + timedelta(days=29)),
            ),
            None,
            "pause",
        )
        lending.apply_variations(session, loan_id, batch, now=clock.now())
    _run_days(database, due + timedelta(days=20))
    with database.transaction() as session:
        kinds = [kind for kind, _ in _published(session, loan_id)]
        assert "bucket_changed.v1" not in kinds
        (overdue,) = [payload for kind, payload in _published(session, loan_id) if "overdue" in kind]
        assert overdue["paused"] is True
        assert read_loan(session, loan_id).recognised.penalty_minor == 0


def test_a_write_never_waits_for_the_night(database: Database) -> None:
    """The business day has moved on without this loan: the verb closes its open days itself, then goes on."""
    with database.transaction() as session:
        loan_id = _paid_out(session, _today())
        row = locked_business_day(session)
        assert row is not None
        row.open_day = _today() + timedelta(days=12)
    with database.transaction() as session:
        lending.record_event(session, loan_id, _event(K.REPAYMENT, _today(), 1_000), now=clock.now())
        file = read_loan(session, loan_id)
        assert file.row.cob_through == _today() + timedelta(days=11)
        days = select(func.count()).select_from(LoanEventRow).where(LoanEventRow.loan_id == loan_id)
        assert session.execute(days).scalar_one() == 2
        assert file.recognised.interest_minor > 0
        _assert_books(session, loan_id)


def test_a_loan_that_fails_is_set_aside_and_tried_again(database: Database) -> None:
    with database.transaction() as session:
        sick, healthy = _paid_out(session, _today()), _paid_out(session, _today())
        terms = session.scalars(select(LoanRow.terms).where(LoanRow.id == sick)).one()
        session.execute(
            text("UPDATE lending_loan SET terms = terms - 'principal' WHERE id = :id"), {"id": sick}
        )
        # With its plan the loan would be closed in SQL, which does not read what is broken here.
        session.execute(text("DELETE FROM lending_accrual_plan WHERE loan_id = :id"), {"id": sick})
    tomorrow = _today() + timedelta(days=1)
    _run_days(database, tomorrow)
    with database.transaction() as session:
        assert lending.business_date(session) == tomorrow
        (failure,) = lending.cob_failures(session)
        assert (failure.loan_id, failure.business_date, failure.tries) == (sick, _today(), 1)
        assert "principal" in failure.error
        assert read_loan(session, healthy).row.cob_through == _today()
        assert lending.cob_runs(session, limit=1)[0].state == "done_with_failures"
        session.get_one(
            LoanRow,
            session.execute(select(LoanRow.borrower_id, LoanRow.id).where(LoanRow.id == sick)).one()._tuple(),
        ).terms = terms
    _run_days(database, tomorrow + timedelta(days=1))
    with database.transaction() as session:
        assert read_loan(session, sick).row.cob_through == tomorrow
        assert session.scalars(select(CobFailureRow)).all() == []


def test_the_night_runs_as_jobs(
    database: Database, run_jobs: Callable[..., int], demo_clock: Callable[..., timedelta]
) -> None:
    with database.transaction() as session:
        loan_id = _paid_out(session, _today())
    yesterday = _today()
    demo_clock(days=3)
    with database.transaction() as session:
        assert cob.start_due_run(session, now=clock.now()) is not None
    run_jobs(rounds=40)
    with database.transaction() as session:
        assert lending.business_date(session) == yesterday + timedelta(days=3)
        assert read_loan(session, loan_id).row.cob_through == yesterday + timedelta(days=2)
        _assert_books(session, loan_id)


def test_parallel_payments_on_one_loan_are_exact(database: Database) -> None:
    with database.transaction() as session:
        loan_id = _paid_out(session, _today())
    duplicate = _event(K.REPAYMENT, _today(), 700)

    def pay(number: int) -> None:
        event = duplicate if number % 3 == 0 else _event(K.REPAYMENT, _today(), 100)
        database.run(lambda session: lending.record_event(session, loan_id, event, now=clock.now()))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(pay, range(30)))
    with database.transaction() as session:
        view = lending.loan_view(session, loan_id)
        assert sum(view.paid) == 700 + 20 * 100
        _assert_books(session, loan_id)


def test_deleting_nothing_hides(session: Session) -> None:
    """Transactions are appended only: the newest row of each event sums to what the view shows."""
    loan_id = _paid_out(session, _today() - timedelta(days=40))
    paid = lending.record_event(session, loan_id, _event(K.REPAYMENT, _today(), 40_000), now=clock.now())
    lending.record_event(
        session, loan_id, _event(K.REVERSAL, _today(), target=paid.event_id), now=clock.now()
    )
    rows = session.scalars(select(TransactionRow).where(TransactionRow.event_id == paid.event_id)).all()
    assert sum(row.amount_minor for row in rows) == 0
    assert [row.reversal_of for row in sorted(rows, key=lambda row: row.id)] == [None, rows[0].id]
    session.execute(delete(InstallmentRow).where(InstallmentRow.loan_id == loan_id))
    assert lending.loan_view(session, loan_id).outstanding_minor > 0  # a view needs no cache
