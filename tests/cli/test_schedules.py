"""`throughline lending schedules`: tables in and out, and each wrong row named by its line."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from throughline.cli import app, digits
from throughline.kernel.money import from_minor

HEAD = "loan_id,currency,principal,annual_rate_percent,installments,expected_disbursement_date,day_count.year"
GOOD = "A,CNY,12000,12,12,2026-01-15,365"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Writes a table and runs the command on it; the answer is on standard output unless `out` is given."""

    def runs(table: str | bytes, *options: str, name: str = "loans.csv", out: str = "-") -> Result:
        file = tmp_path / name
        file.write_bytes(table if isinstance(table, bytes) else table.encode())
        return CliRunner().invoke(app, ["lending", "schedules", str(file), "--out", out, *options])

    return runs


def rows_of(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.stdout, newline="")))


def problems_of(result: Result) -> list[str]:
    """Problems without the folder of the file."""
    return [
        line.partition("loans.csv:")[2]
        for line in result.stderr.splitlines()
        if re.search(r"loans\.csv:\d", line)
    ]


def test_the_example_of_the_design(run: Run) -> None:
    result = run(f"{HEAD}\n{GOOD}\n")
    rows = rows_of(result)
    assert result.exit_code == 0
    assert rows[0] == {
        "loan_id": "A",
        "nr": "1",
        "from": "2026-01-15",
        "due_date": "2026-02-15",
        "days": "31",
        "balance": "11056.39",
        "principal": "943.61",
        "interest": "122.30",
        "due": "1065.91",
    }
    assert [row["due"] for row in rows] == ["1065.91"] * 11 + ["1065.88"]
    assert "1 loans, 12 installments, 0 problems" in result.stderr


def test_currencies_ids_and_row_numbers(run: Run) -> None:
    table = (
        f'{HEAD}\n"x,""y""",JPY,3000,0,3,2026-01-31,\n还款,KWD,1.5,0,2,2026-01-31,\nB,,1,0,1,2026-01-31,\n'
    )
    rows = rows_of(run(table, "--currency", "CNY"))
    assert [(row["loan_id"], row["due"]) for row in rows] == [
        *[('x,"y"', "1000")] * 3,
        *[("还款", "0.750")] * 2,
        ("B", "1.00"),
    ]
    table = "principal,annual_rate_percent,installments,expected_disbursement_date\n\n1,0,1,2026-01-31\n2,0,1,2026-01-31\n"
    assert [row["loan_id"] for row in rows_of(run(table, "--currency", "CNY"))] == ["1", "2"]


def test_wrong_rows_are_named_and_the_others_written(run: Run) -> None:
    result = run(
        f"{HEAD}\n{GOOD}\nB,CNY,12.345,12,12,2026-01-15,365\nC,CNY,1,12,12,2026-01-15\n\n"
        "D,QQQ,1,12,12,2026-01-15,365\nE,CNY,1,12,12,,365\n,CNY,1,12,12,2026-01-15,365\n"
        "F,CNY,1,12,12,2026-01-15,366\nG,CNY,1200,0,1,2026-01-15,365\n"
    )
    assert result.exit_code == 2
    assert sorted(problems_of(result)) == [
        "3: principal: '12.345' has more than 2 digits after the point",
        "4: 6 cells, expected 7",
        "6: currency: 'QQQ' is not an ISO 4217 currency",
        "7: expected_disbursement_date: is required",
        "8: loan_id: expected a text of 1 to 200 bytes in UTF-8",
        "9: day_count.year: expected one of actual, 360, 364, 365",
    ]
    assert {row["loan_id"] for row in rows_of(result)} == {"A", "G"}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("", "1: empty, expected a line of column names"),
        (f"{HEAD},principel\n", "1: 'principel': no such column, expected perhaps principal"),
        (f"{HEAD},principal\n", "1: principal: a column twice, expected once"),
        (HEAD.replace(",principal", ""), "1: principal: the column is missing"),
        (HEAD.replace(",installments", ""), "1: installments: the column is missing"),
        (HEAD.replace(",currency", ""), "1: currency: the column is missing, expected it or --currency"),
    ],
)
def test_a_wrong_header_ends_before_anything_is_written(
    run: Run, tmp_path: Path, table: str, problem: str
) -> None:
    result = run(table, out=str(tmp_path / "out.csv"))
    assert result.exit_code == 2
    assert problem in problems_of(result)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    "bad",
    [
        b"\xff,CNY,1,12,12,2026-01-15,365",
        b"A\0,CNY,1,12,12,2026-01-15,365",
        b"B,CNY,\xff,12,12,2026-01-15,365",
        b"B,CNY,1,1e-99999999,12,2026-01-15,365",
        b'B,CNY,1,12,"12"x,2026-01-15,365',
        b"B,CNY,1,12,12,2026-01-15," + b"9" * 200_000,
        b"B" * 300 + b",CNY,1,12,12,2026-01-15,365",
    ],
)
def test_odd_bytes_are_a_problem_of_their_row(run: Run, bad: bytes) -> None:
    result = run(f"{HEAD}\n{GOOD}\n".encode() + bad + b"\n")
    assert result.exit_code == 2
    assert [line.split(":")[0] for line in problems_of(result)] == ["3"]
    assert len(rows_of(result)) == 12


def test_more_than_a_thousand_problems_stop_the_run(run: Run) -> None:
    result = run(f"{HEAD}\n" + "A,CNY,0,12,12,2026-01-15,365\n" * 1_500)
    assert result.exit_code == 2
    assert len(problems_of(result)) == 1_000
    assert "more than 1000 problems" in result.stderr


def test_files_that_can_not_be(run: Run, tmp_path: Path) -> None:
    table = f"{HEAD}\n{GOOD}\n"
    for out in ("out.xlsx", str(tmp_path / "no" / "out.csv"), str(tmp_path / "loans.csv")):
        result = run(table, out=out)
        assert result.exit_code == 2
        assert out in result.stderr
    assert run(table, "--currency", "QQQ").exit_code == 2
    missing = ["lending", "schedules", str(tmp_path / "none.csv"), "--out", "-"]
    assert CliRunner().invoke(app, missing).exit_code == 2


def test_standard_input(run: Run) -> None:
    result = CliRunner().invoke(
        app, ["lending", "schedules", "-", "--out", "-"], input=f"\ufeff{HEAD}\n{GOOD}\n"
    )
    assert result.exit_code == 0
    assert len(rows_of(result)) == 12


def test_parquet_in_and_out(run: Run, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "loan_id": pa.array(["A", "B"]),
        "currency": pa.array(["CNY", "CNY"]).dictionary_encode(),
        "principal": pa.array([Decimal("12000.0000"), Decimal("0.5000")], pa.decimal128(12, 4)),
        "annual_rate_percent": pa.array(["12", "0"]),
        "installments": pa.array([12, 2]),
        "expected_disbursement_date": pa.array([date(2026, 1, 15), date(2026, 1, 31)]),
        "first_due_date": pa.array([None, date(2026, 3, 1)]),
        "interest_recalculation.enabled": pa.array([False, None]),
        "day_count.year": pa.array(["365", None]),
    }
    source, out, again = tmp_path / "loans.parquet", tmp_path / "out.parquet", tmp_path / "out.csv"
    parquet.write_table(pa.table(columns), source)
    for file in (out, again):
        result = CliRunner().invoke(app, ["lending", "schedules", str(source), "--out", str(file)])
        assert result.exit_code == 0, result.stderr
    table = parquet.read_table(out)
    table.validate(full=True)
    found = [{name: str(value) for name, value in row.items()} for row in table.to_pylist()]
    with again.open(newline="") as stream:
        assert found == list(csv.DictReader(stream))
    assert [row["due"] for row in found][-3:] == ["1065.88", "0.25", "0.25"]

    parquet.write_table(pa.table(columns | {"principal": pa.array([1.5, 2.5])}), source)
    result = CliRunner().invoke(app, ["lending", "schedules", str(source), "--out", str(out)])
    assert result.exit_code == 2
    assert "principal: a column of double, expected texts" in result.stderr
    assert run(b"PAR1 or not", name="bad.parquet").exit_code == 2


def test_without_pyarrow_parquet_says_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for result in (
        run(f"{HEAD}\n{GOOD}\n", out=str(tmp_path / "out.parquet")),
        run("", name="loans.parquet"),
    ):
        assert result.exit_code == 2
        assert "needs the package pyarrow" in result.stderr


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2 * 10**18) | st.integers(0, 30_000), st.sampled_from(["JPY", "CNY", "KWD", "CLF"])
        ),
        min_size=1,
    )
)
def test_amounts_and_numbers_as_bytes(values: list[tuple[int, str]]) -> None:
    places = {"JPY": 0, "CNY": 2, "KWD": 3, "CLF": 4}
    minor = np.array([value for value, _ in values], np.int64)
    scales = np.array([places[currency] for _, currency in values], np.int64)
    lines = [digits.amounts(minor, scales), b",", digits.whole(minor), b"\n"]
    made = digits.packed(digits.side_by_side(lines, len(values))).decode().splitlines()
    assert made == [f"{from_minor(value, currency)},{value}" for value, currency in values]


@given(st.lists(st.lists(st.dates(), min_size=1), min_size=1, max_size=3))
def test_dates_as_bytes(batches: list[list[date]]) -> None:
    days = digits.Days()
    for batch in batches:
        fields = days.fields(np.array([day.toordinal() for day in batch], np.int64))
        text = digits.packed(digits.side_by_side([fields, b"\n"], len(batch))).decode()
        assert text.split() == [day.isoformat() for day in batch]
