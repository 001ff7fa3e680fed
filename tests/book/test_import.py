"""A book comes in and goes out: whole borrowers, safe to repeat, the same loans as if they had been lent here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, text

from book.files import Row, borrower, id_number, loan, payment
from book.importing import bring, loan_of, reference
from throughline.book.models import BookReference
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.ledger import service as ledger
from throughline.lending import service as lending
from throughline.lending.service import EventType, NewEvent, NewLoan
from throughline.line.models import Line
from throughline.messaging.models import MsgIntent
from throughline.parties import service as parties
from throughline.parties.records import NewPerson


def test_an_imported_loan_is_the_loan_that_would_have_been_lent_here(
    database: Database, numbers: Iterator[int]
) -> None:
    nr, twin = next(numbers), next(numbers)
    paid = [("P1", "2026-04-03", "517.64"), ("P2", "2026-05-01", "600.00")]
    rows = [borrower(nr), loan(nr), *(payment(nr, key, paid_on=on, amount=much) for key, on, much in paid)]
    totals, problems, _ = bring(database, rows)
    assert (problems, totals.imported, totals.loans, totals.payments) == ([], 1, 1, 2)
    ours = loan_of(database, nr)

    def lend(session: Any) -> Any:
        now = clock.now()
        person = NewPerson(
            "李四", id_number(twin), f"139{twin:08d}", f"t{twin}@example.com", "zh-CN", "Asia/Shanghai"
        )
        someone = parties.register_person(session, person, now=now)
        day = ours.disbursed_on
        assert day is not None
        loan_id = lending.open_loan(
            session,
            NewLoan(someone, "cash-cn", 300_000, "CNY", 6, Decimal(12), day, new_id(), "Asia/Shanghai"),
            now=now,
        )
        for key, kind, on, much in [
            ("out", EventType.DISBURSEMENT, day, 300_000),
            *((key, EventType.REPAYMENT, on, int(Decimal(much) * 100)) for key, on, much in paid),
        ]:
            value_date = on if not isinstance(on, str) else type(day).fromisoformat(on)
            lending.record_event(session, loan_id, NewEvent(kind, value_date, key, much), now=now)
        return lending.loan_view(session, loan_id)

    other = database.run(lend)
    assert ours.installments == other.installments
    assert (ours.outstanding, ours.paid, ours.status) == (other.outstanding, other.paid, other.status)
    assert ours.delinquency.past_due_days == other.delinquency.past_due_days
    with database.transaction() as session:
        balances = ledger.trial_balance(session)
    assert sum(one.debit_minor - one.credit_minor for one in balances) == 0
    cleared = next(one for one in balances if one.account == "migration_clearing")
    assert cleared.credit_minor - cleared.debit_minor == 300_000 - 51_764 - 60_000


def test_the_same_file_again_changes_nothing_and_more_payments_are_added(
    database: Database, numbers: Iterator[int]
) -> None:
    nr = next(numbers)
    rows = [borrower(nr), loan(nr), payment(nr)]
    bring(database, rows)
    before = loan_of(database, nr)
    totals, problems, _ = bring(database, rows)
    assert (problems, totals.known, totals.imported) == ([], 1, 0)
    assert loan_of(database, nr) == before
    totals, problems, _ = bring(database, [*rows, payment(nr, "P2", paid_on="2026-05-01")])
    assert (problems, totals.imported, totals.loans, totals.payments) == ([], 1, 0, 1)
    assert sum(loan_of(database, nr).paid) == 2 * 51_764
    [only] = bring(database, [payment(nr, "P3", paid_on="2026-06-01")])[2]
    assert (only.problems, only.payments) == ([], 1)


def test_a_payment_that_was_taken_back(database: Database, numbers: Iterator[int]) -> None:
    nr = next(numbers)
    rows = [borrower(nr), loan(nr), payment(nr, reversed_on="2026-04-05")]
    assert bring(database, rows)[1] == []
    view = loan_of(database, nr)
    assert sum(view.paid) == 0
    assert bring(database, rows)[0].known == 1
    late = [payment(nr, "P2", paid_on="2026-05-02"), payment(nr, "P3", paid_on="2026-05-03")]
    assert bring(database, [*rows, *late])[1] == []
    late[1]["reversed_on"] = "2026-05-04"
    assert bring(database, [*rows, *late])[1] == []
    assert sum(loan_of(database, nr).paid) == 51_764


def test_a_loan_that_was_paid_off_early_is_closed(database: Database, numbers: Iterator[int]) -> None:
    nr = next(numbers)
    assert bring(database, [borrower(nr), loan(nr, balance="0.00"), payment(nr, amount="3031.00")])[1] == []
    view = loan_of(database, nr)
    assert view.status.value in ("closed_obligations_met", "overpaid")
    assert view.closed_on is not None


@pytest.mark.parametrize(
    ("change", "row", "column"),
    [
        ({0: {"id_number": "110101198001011234"}}, 2, "id_number"),
        ({0: {"id_number": "11010120150101100X"}}, 2, "id_number"),
        ({0: {"phone": "123"}}, 2, "phone"),
        ({0: {"email": "nobody"}}, 2, "email"),
        ({0: {"locale": "tlh"}}, 2, "locale"),
        ({1: {"product": "gold"}}, 3, "product"),
        ({1: {"product_version": "9"}}, 3, "product"),
        ({1: {"disbursed_on": "2020-01-01"}}, 3, "product"),
        ({1: {"currency": "USD"}}, 3, "currency"),
        ({1: {"principal": "3000.005"}}, 3, "principal"),
        ({1: {"principal": "999999999"}}, 3, ""),
        ({1: {"annual_rate_percent": "99"}}, 3, ""),
        ({1: {"installments": "5"}}, 3, ""),
        ({1: {"first_due_date": "2026-02-01"}}, 3, ""),
        ({1: {"balance": "12.00"}}, 3, "balance"),
        ({2: {"paid_on": "2026-02-01"}}, 4, ""),
        ({2: {"paid_on": "2999-02-01"}}, 4, ""),
        ({2: {"amount": "0.00"}}, 4, ""),
        ({2: {"loan_id": "L-else"}}, 4, "loan_id"),
    ],
)
def test_one_wrong_row_leaves_out_its_borrower_and_nobody_else(
    database: Database, numbers: Iterator[int], change: dict[int, Row], row: int, column: str
) -> None:
    nr, good = next(numbers), next(numbers)
    rows = [borrower(nr), loan(nr), payment(nr)]
    for index, cells in change.items():
        rows[index] |= cells
    totals, problems, _ = bring(database, [*rows, borrower(good), loan(good), payment(good)])
    assert [(one.row, one.column) for one in problems] == [(row, column)]
    assert (totals.imported, totals.refused) == (1, 1)
    assert reference(database, "borrower", f"B{nr}") is None
    assert reference(database, "loan", f"L{nr}") is None
    assert reference(database, "loan", f"L{good}") is not None
    with database.transaction() as session:
        assert parties.find_borrower(session, id_number=id_number(nr)) is None


def test_what_contradicts_the_import_before_is_refused_whole(
    database: Database, numbers: Iterator[int]
) -> None:
    nr, other = next(numbers), next(numbers)
    rows = [borrower(nr), loan(nr), payment(nr)]
    bring(database, [*rows, borrower(other)])
    more = payment(nr, "P2", paid_on="2026-05-01")
    for wrong, at in [
        ([rows[0], rows[1] | {"principal": "2000.00"}, more], (3, "loan_id")),
        ([rows[0], rows[1], rows[2] | {"amount": "500.00"}, more], (4, "payment_id")),
        ([rows[0] | {"id_number": id_number(other)}, more], (2, "id_number")),
        ([payment(nr) | {"borrower_id": f"B{other}"}], (2, "loan_id")),
        ([rows[1], more, more], (4, "payment_id")),
        ([borrower(nr), borrower(nr), more], (3, "record")),
    ]:
        _, problems, _ = bring(database, wrong)
        assert [(one.row, one.column) for one in problems] == [at]
    assert sum(loan_of(database, nr).paid) == 51_764


def test_whoever_registered_with_somebodys_number_does_not_get_their_loans(
    database: Database, numbers: Iterator[int]
) -> None:
    nr = next(numbers)
    person = NewPerson("张三", id_number(nr), "13700000001", "w@example.com", "zh-CN", "Asia/Shanghai")
    known = database.run(lambda session: parties.register_person(session, person, now=clock.now()))
    _, problems, _ = bring(database, [borrower(nr), loan(nr), payment(nr)])
    assert [(one.row, one.column) for one in problems] == [(2, "id_number")]
    with database.transaction() as session:
        assert lending.loans_of(session, known) == []


def test_one_person_under_two_ids_is_one_borrower(database: Database, numbers: Iterator[int]) -> None:
    nr, again, later = next(numbers), next(numbers), next(numbers)
    twice = [borrower(again, id_number=id_number(nr)), loan(again)]
    assert bring(database, [borrower(nr), loan(nr), *twice])[1] == []
    assert bring(database, [borrower(later, id_number=id_number(nr)), loan(later)])[1] == []
    owners = {loan_of(database, one).borrower_id for one in (nr, again, later)}
    assert len(owners) == 1


def test_a_loan_that_is_here_does_not_come_in_again_under_its_own_id(
    database: Database, numbers: Iterator[int]
) -> None:
    nr = next(numbers)
    bring(database, [borrower(nr), loan(nr)])
    again = loan(nr, loan_id=str(loan_of(database, nr).id))
    _, problems, _ = bring(database, [again])
    assert [(one.row, one.column) for one in problems] == [(2, "loan_id")]


def test_a_check_tries_everything_and_keeps_nothing(database: Database, numbers: Iterator[int]) -> None:
    nr = next(numbers)
    rows = [borrower(nr), loan(nr), payment(nr)]
    totals, problems, _ = bring(database, [*rows, borrower(next(numbers), phone="1")], check=True)
    assert (totals.imported, totals.refused, len(problems)) == (1, 1, 1)
    assert reference(database, "borrower", f"B{nr}") is None
    assert bring(database, rows)[0].imported == 1


def test_two_imports_at_once_bring_everything_once(database: Database, numbers: Iterator[int]) -> None:
    mine = [next(numbers) for _ in range(40)]
    rows = [row for nr in mine for row in (borrower(nr), loan(nr), payment(nr))]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: bring(database, rows), range(2)))
    assert sum(totals.loans for totals, *_ in done) + 0 >= 40
    bring(database, rows)
    with database.transaction() as session:
        counted = session.execute(
            select(func.count()).where(BookReference.external_id.in_([f"L{nr}" for nr in mine]))
        ).scalar_one()
    assert counted == 40
    assert all(sum(loan_of(database, nr).paid) == 51_764 for nr in mine[::10])


def test_nobody_is_written_to_and_lines_are_watched_with_consent_only(
    database: Database, numbers: Iterator[int], run_jobs: Callable[..., int], demo_clock: Callable[..., Any]
) -> None:
    quiet, watched = next(numbers), next(numbers)
    consents = "service_continuity@2026-02-01;loan_contact@2026-02-01"
    rows = [borrower(quiet), loan(quiet), payment(quiet), borrower(watched, consents=consents), loan(watched)]
    assert bring(database, rows)[1] == []
    run_jobs(rounds=3)
    with database.transaction() as session:
        owners = {nr: parties.find_borrower(session, id_number=id_number(nr)) for nr in (quiet, watched)}
        lines = session.scalars(select(Line.borrower_id)).all()
        assert owners[watched] in lines
        assert owners[quiet] not in lines
        assert (
            session.scalars(
                select(MsgIntent.template).where(MsgIntent.borrower_id.in_(owners.values()))
            ).all()
            == []
        )
        points = parties.contact_points(session, owners[watched] or new_id())
        assert [point.verified_at for point in points] == [None, None]


def test_imported_loans_go_on_living_here(
    database: Database, numbers: Iterator[int], run_jobs: Callable[..., int], demo_clock: Callable[..., Any]
) -> None:
    nr = next(numbers)
    day = clock.local_date(clock.now(), "Asia/Shanghai") - timedelta(days=10)
    assert bring(database, [borrower(nr), loan(nr, disbursed_on=day.isoformat())])[1] == []
    demo_clock(days=3)
    database.run(lambda session: lending.start_due_run(session, now=clock.now()))
    run_jobs(rounds=30)
    view = loan_of(database, nr)
    with database.transaction() as session:
        assert lending.cob_failures(session) == []
        earned = session.execute(
            text(
                "SELECT sum(credit_minor) FROM ledger_line WHERE account = 'interest_income' AND loan_id = :loan"
            ),
            {"loan": view.id},
        ).scalar_one()
    assert earned >= 300_000 * 12 * 12 // (365 * 100)  # twelve days of twelve percent
    assert view.status.value == "active"
