"""`throughline import book` and `throughline export book`: what they say, and that what goes out comes in again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from book.files import Row, borrower, id_number, loan, payment, text_of, write
from book.importing import bring, run
from kernel_ops import places
from throughline.book.rows import clean
from throughline.kernel.db import Database
from throughline.parties import service as parties


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
        connection.execute("CREATE DATABASE book_other TEMPLATE throughline_template")
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
