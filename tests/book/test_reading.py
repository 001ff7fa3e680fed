"""The file: encodings, grouping, and what is said about rows that are wrong. No database."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from book.files import borrower, groups, id_number, loan, payment, text_of
from throughline.book.reading import BookReader, WrongFile
from throughline.book.rows import COLUMNS, USES, Group, clean, guarded

DOCS = Path(__file__).parents[2] / "docs" / "import-export.md"


def read(data: bytes) -> list[Group]:
    return list(BookReader(io.BytesIO(data), zone="Asia/Shanghai").groups())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_what_spreadsheets_save_is_read(encoding: str) -> None:
    rows = [borrower(1, name="欧阳娜娜"), loan(1), payment(1)]
    [group] = read(text_of(rows).encode(encoding))
    assert group.problems == []
    assert group.borrower is not None
    assert group.borrower.person.name == "欧阳娜娜"
    assert group.borrower.person.phone == "+8613800000001"  # the guard of a formula is taken away
    assert (len(group.loans), len(group.payments), group.rows) == (1, 1, 3)


def test_borrowers_come_one_after_another() -> None:
    rows = [borrower(1), loan(1), borrower(2), loan(2), payment(2), payment(2, "P2")]
    found = groups(rows)
    assert [(group.borrower_id, group.first_row, group.rows) for group in found] == [
        ("B1", 2, 2),
        ("B2", 4, 4),
    ]


def test_a_borrower_who_stands_in_two_places_is_told() -> None:
    [_, _, again] = groups([borrower(1), borrower(2), loan(1)])
    assert [(one.row, one.column) for one in again.problems] == [(4, "borrower_id")]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty"),
        (b"record,borrower_id,colour\n", "unknown column 'colour'"),
        (b"record,borrower_id,record\n", "twice"),
        (b"record,name\n", "'borrower_id' is missing"),
        ("record,borrower_id\n".encode("utf-16"), "not UTF-16"),
        (b'record,borrower_id\nborrower,"B1\n', "RFC 4180"),
        (b"record,borrower_id\n" + b"borrower,B1\n" * 9_000 + b"borrower,\xff\xfe\n", "expected"),
        (b"record,borrower_id\nborrower," + b"x" * 5_000 + b"\n", "field larger"),
    ],
)
def test_a_file_that_is_none(data: bytes, told: str) -> None:
    with pytest.raises(WrongFile, match=told):
        read(data)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (borrower(1, consents="loan_contact@"), "consents"),
        (borrower(1, consents="spying@2026-01-01"), "consents"),
        (borrower(1, consent_evidence=""), "consent_evidence"),
        (borrower(1, zone="../../etc/passwd"), "zone"),
        (borrower(1, phone=""), "phone"),
        (borrower(1, amount="1"), "amount"),
        (borrower(1, name="张\u202e三\x07"), "name"),
        (loan(1, principal="3,000"), "principal"),
        (loan(1, principal="1e3"), "principal"),
        (loan(1, principal="-5"), "principal"),
        (loan(1, principal="３０００"), "principal"),
        (loan(1, installments="six"), "installments"),
        (loan(1, disbursed_on="2026/3/1"), "disbursed_on"),
        (loan(1, disbursed_on="2026-02-30"), "disbursed_on"),
        (loan(1, loan_id="13800000001"), "loan_id"),
        (loan(1, loan_id=id_number(1)), "loan_id"),
        (payment(1, payment_id=""), "payment_id"),
        (payment(1, reversed_on="soon"), "reversed_on"),
        ({"record": "gift", "borrower_id": "B1"}, "record"),
    ],
)
def test_a_wrong_cell_is_named_and_never_repeated(row: dict[str, str], column: str) -> None:
    [group] = groups([row])
    [problem] = group.problems
    assert (problem.row, problem.column) == (2, column)
    value = row.get(column, "")
    assert len(value) < 4 or value not in problem.expected


def test_a_row_with_too_few_cells() -> None:
    [group] = read(b"record,borrower_id,loan_id\nloan,B1\n")
    assert [(one.row, one.column) for one in group.problems] == [(2, "")]


def test_an_id_number_as_borrower_id_is_refused() -> None:
    [group] = groups([borrower(1) | {"borrower_id": id_number(1)}])
    assert [one.column for one in group.problems] == ["borrower_id"]


@given(st.text(st.characters(blacklist_categories=("Cc", "Cs")), max_size=40))
def test_the_guard_of_formulas_comes_off_again(text: str) -> None:
    plain = clean(text)
    shown = guarded(plain)
    assert shown[:1] not in ("=", "+", "-", "@")
    assert clean(shown) == plain


@given(st.binary(max_size=400))
def test_any_bytes_give_groups_or_a_wrong_file(data: bytes) -> None:
    with suppress(WrongFile):
        assert all(group.rows for group in read(b"record,borrower_id,loan_id,amount\n" + data))


def test_the_documentation_names_every_column() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert [column for column in COLUMNS if f"`{column}`" not in text] == []
    assert {column for used in USES.values() for column in used} <= set(COLUMNS)
