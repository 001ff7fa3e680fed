"""A book comes in and goes out: whole borrowers, safe to repeat, the same loans as if they had been lent here."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text

from book.files import Row, borrower, groups, id_number, loan, payment, text_of, write
from kernel_ops import places
from throughline import migrations
from throughline.book.importing import Totals, import_book
from throughline.book.models import BookReference
from throughline.book.planning import Outcome
from throughline.book.rows import RowProblem, clean
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


@pytest.fixture
def numbers() -> Iterator[int]:
    return iter(_counter)


_counter = iter(range(1, 100_000))


def bring(
    database: Database, rows: list[Row], *, check: bool = False
) -> tuple[Totals, list[RowProblem], list[Outcome]]:
    seen: list[Outcome] = []
    totals = import_book(database, groups(rows), check_only=check, report=seen.append)
    return totals, [problem for one in seen for problem in one.problems], seen


def reference(database: Database, kind: str, external: str) -> BookReference | None:
    with database.transaction() as session:
        return session.get(BookReference, (kind, external))


def loan_of(database: Database, nr: int) -> lending.LoanView:
    found = reference(database, "loan", f"L{nr}")
    assert found is not None
    with database.transaction() as session:
        return lending.loan_view(session, found.id)


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
        assert session.scalars(select(MsgIntent)).all() == []
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


# --- the commands ----------------------------------------------------------------------------------


@pytest.fixture
def env(database: Database, installation: Path) -> dict[str, str]:
    return places.environment(installation, THROUGHLINE_DATABASE_URL=database.url, THROUGHLINE_DEMO="1")


def run(env: dict[str, str], *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return places.command(*words, env=env, input=stdin)


def test_the_command_says_what_it_did_and_where_the_problems_are(
    env: dict[str, str], numbers: Iterator[int], tmp_path: Path
) -> None:
    good, bad = next(numbers), next(numbers)
    file = write(tmp_path / "book.csv", [borrower(good), loan(good), borrower(bad, phone="9"), loan(bad)])
    done = run(env, "import", "book", str(file), "--json")
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert (found["imported"], found["loans"], found["refused"], found["problems"]) == (1, 1, 1, 1)
    errors = Path(found["errors_file"])
    assert errors.stat().st_mode & 0o777 == 0o600
    [problem] = csv.DictReader(errors.open(encoding="utf-8"))
    assert (problem["row"], problem["borrower_id"], problem["column"]) == ("4", f"B{bad}", "phone")
    assert "Traceback" not in done.stderr
    write(file, [borrower(bad), loan(bad)])
    assert run(env, "import", "book", str(file)).returncode == 0


def test_bad_files_end_with_two_and_a_sentence(env: dict[str, str], tmp_path: Path) -> None:
    for words, stdin in [
        (("import", "book", str(tmp_path / "none.csv")), ""),
        (("import", "book", "-"), "nonsense\n"),
        (("export", "book", str(tmp_path)), ""),
        (("export", "book", str(tmp_path / "no" / "where.csv")), ""),
    ]:
        done = run(env, *words, stdin=stdin)
        assert done.returncode == 2, done.stderr
        assert done.stderr.strip()
        assert "Traceback" not in done.stderr


def test_a_database_that_does_not_answer_is_a_sentence(env: dict[str, str], tmp_path: Path) -> None:
    nowhere = env | {"THROUGHLINE_DATABASE_URL": f"postgresql://x@127.0.0.1:{places.free_port()}/x"}
    file = write(tmp_path / "book.csv", [borrower(1)])
    for words in (("import", "book", str(file)), ("export", "book", str(tmp_path / "out.csv"))):
        done = run(nowhere, *words)
        assert done.returncode == 1
        assert "does not answer" in done.stderr
        assert "Traceback" not in done.stderr


def test_killed_in_the_middle_a_repeat_brings_the_rest(
    database: Database, env: dict[str, str], numbers: Iterator[int], tmp_path: Path
) -> None:
    mine = [next(numbers) for _ in range(1_600)]
    file = write(tmp_path / "book.csv", [row for nr in mine for row in (borrower(nr), loan(nr), payment(nr))])
    references = select(func.count()).where(
        BookReference.kind == "loan", BookReference.external_id.in_([f"L{nr}" for nr in mine])
    )

    def there() -> int:
        with database.transaction() as session:
            return session.execute(references).scalar_one()

    process = subprocess.Popen(
        [sys.executable, "-m", "throughline", "import", "book", str(file)],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while there() == 0:
        assert process.poll() is None, "ended before its first chunk was there"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    after_kill = there()
    assert 0 < after_kill < len(mine)
    found = json.loads(run(env, "import", "book", str(file), "--json").stdout)
    assert (found["loans"], found["refused"]) == (len(mine) - after_kill, 0)
    assert there() == len(mine)
    with database.transaction() as session:
        balances = ledger.trial_balance(session)
    assert sum(one.debit_minor - one.credit_minor for one in balances) == 0


def rows_of(text: str) -> list[Row]:
    return [{key: value for key, value in row.items() if value} for row in csv.DictReader(io.StringIO(text))]


def test_what_goes_out_comes_in_again_the_same(
    postgres: Any, env: dict[str, str], numbers: Iterator[int], tmp_path: Path
) -> None:
    nr, second = next(numbers), next(numbers)
    rows = [
        borrower(nr, name="=SUM(A1)") | {"name": "阿不都·热合曼"},
        loan(nr, first_due_date="2026-04-10"),
        payment(nr, paid_on="2026-04-10"),
        payment(nr, "P2", paid_on="2026-05-10", reversed_on="2026-05-11"),
        borrower(second, email=""),
        loan(second, installments="3", principal="1500.00"),
    ]
    write(tmp_path / "in.csv", rows)
    assert run(env, "import", "book", str(tmp_path / "in.csv")).returncode == 0
    masked = run(env, "export", "book", "-")
    assert masked.returncode == 0
    assert id_number(nr) not in masked.stdout
    assert "阿不都" not in masked.stdout
    out = tmp_path / "out.csv"
    done = run(env, "export", "book", str(out), "--clear")
    assert done.returncode == 0, done.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    first = [row for row in rows_of(out.read_text()) if row["borrower_id"] in (f"B{nr}", f"B{second}")]
    assert [row["record"] for row in first] == [row["record"] for row in rows]
    assert first[0]["id_number"] == id_number(nr)
    assert first[0]["consents"] == rows[0]["consents"]
    errors = str(tmp_path / "errors.csv")  # of those who have not agreed and so went out masked
    again = run(env, "import", "book", "-", "--json", "--errors", errors, stdin=out.read_text())
    assert json.loads(again.stdout)["imported"] == 0
    with _another_installation(postgres, tmp_path) as other:
        moved = run(other, "import", "book", "-", "--json", stdin=text_of(_plain(first)))
        assert (json.loads(moved.stdout)["imported"], moved.returncode) == (2, 0), moved.stderr
        back = run(other, "export", "book", "-", "--clear")
    assert rows_of(back.stdout) == first


def _plain(rows: list[Row]) -> list[Row]:
    return [{key: clean(value) for key, value in row.items()} for row in rows]


@contextmanager
def _another_installation(postgres: Any, folder: Path) -> Iterator[dict[str, str]]:
    home = folder / "other"
    home.mkdir()
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE book_other")
    migrations.upgrade(postgres.url("book_other"))
    yield places.environment(home, THROUGHLINE_DATABASE_URL=postgres.url("book_other"), THROUGHLINE_DEMO="1")
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE book_other WITH (FORCE)")


def test_a_clear_export_is_logged_and_asks_for_consent(
    database: Database, env: dict[str, str], numbers: Iterator[int], tmp_path: Path
) -> None:
    agreed, silent = next(numbers), next(numbers)
    bring(database, [borrower(agreed), borrower(silent, consents="", consent_evidence="")])
    out = tmp_path / "out.csv"
    done = run(env, "export", "book", str(out), "--clear")
    assert "have not agreed" in done.stderr
    shown = {row["borrower_id"]: row for row in csv.DictReader(out.open(encoding="utf-8"))}
    assert shown[f"B{agreed}"]["id_number"] == id_number(agreed)
    assert shown[f"B{silent}"]["id_number"] != id_number(silent)
    with database.transaction() as session:
        someone = parties.find_borrower(session, id_number=id_number(agreed))
        assert someone is not None
        readers = {row.reader for row in parties.access_log(session, someone)}
    assert any(reader.startswith("export:") for reader in readers)
    assert run(env, "export", "book", str(out)).returncode == 2  # nothing is overwritten
