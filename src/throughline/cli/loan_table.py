"""Reading a table of loans, CSV or Parquet, piece by piece as texts. A wrong header ends the command."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from throughline.cli.batch import opened
from throughline.cli.output import fail
from throughline.cli.parquet import pyarrow
from throughline.lending.bulk.columns import COLUMNS, REQUIRED
from throughline.lending.bulk.planner import Loans, Problem

PIECE = 20_000  # loans read at once
_MAX_ID_BYTES = 200

Refuse = Callable[[Problem], None]
# Places for messages (line or row), places among the rows from 1, cells by column.
Piece = tuple[Sequence[int], Sequence[int], Sequence[Sequence[str]]]


def read(file: str, currency: str | None, refuse: Refuse) -> Iterator[Loans]:
    """The loans of a file; `currency` is that of rows that name none. Rows of a wrong shape are refused."""
    if file.endswith(".parquet"):
        names, pieces = _parquet(file)
    else:
        names, pieces = _csv(file, refuse)
    _check_header(file, names, currency)
    for numbers, places, cells in pieces:
        columns = dict(zip(names, cells, strict=True))
        ids = columns.pop("loan_id", None) or [str(place) for place in places]
        currencies = columns.pop("currency", None) or [""] * len(numbers)
        if "" in currencies:
            currencies = [one or currency or "" for one in currencies]
        yield _with_good_ids(Loans(numbers, ids, currencies, columns), refuse)


def _check_header(file: str, names: Sequence[str], currency: str | None) -> None:
    known = [*COLUMNS, "currency", "loan_id"]
    wrong = []
    for name in dict.fromkeys(names):
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"expected perhaps {near[0]}" if near else "expected a field of terms"
            wrong.append(f"{name[:100]!r}: no such column, {hint}")
        elif names.count(name) > 1:
            wrong.append(f"{name}: a column twice, expected once")
    required = [*REQUIRED] if "installment_amount" in names else [*REQUIRED, "installments"]
    wrong += [f"{name}: the column is missing" for name in required if name not in names]
    if "currency" not in names and not currency:
        wrong.append("currency: the column is missing, expected it or --currency")
    if wrong:
        fail("\n".join(f"{file}:1: {one}" for one in wrong))


def _with_good_ids(loans: Loans, refuse: Refuse) -> Loans:
    together = "".join(loans.ids)
    longest = max(map(len, loans.ids), default=1)
    if "" not in loans.ids and together.isascii() and "\0" not in together and longest <= _MAX_ID_BYTES:
        return loans
    good = []
    for at, name in enumerate(loans.ids):
        size = len(name.encode(errors="replace"))
        if 0 < size <= _MAX_ID_BYTES and "\0" not in name and name.encode("utf-8", "ignore").decode() == name:
            good.append(at)
        else:
            expected = f"expected a text of 1 to {_MAX_ID_BYTES} bytes in UTF-8"
            refuse(Problem(loans.numbers[at], "loan_id", expected))
    return Loans(
        [loans.numbers[at] for at in good],
        [loans.ids[at] for at in good],
        [loans.currencies[at] for at in good],
        {name: [cells[at] for at in good] for name, cells in loans.columns.items()},
    )


# --- CSV --------------------------------------------------------------------------------------------


def _csv(file: str, refuse: Refuse) -> tuple[list[str], Iterator[Piece]]:
    rows = _rows(file, refuse)
    try:
        _, names = next(rows)
    except StopIteration:
        fail(f"{file}:1: empty, expected a line of column names")
    return names, _pieces(rows, len(names), refuse)


def _rows(file: str, refuse: Refuse) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row that is not blank; a row of many lines is known by its last."""
    with opened(file) as stream:
        # What is not UTF-8 becomes lone surrogates, which no check of a cell lets through.
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(text, strict=True)
        try:
            for row in reader:
                if row:
                    yield reader.line_num, row
        except csv.Error as error:
            refuse(Problem(reader.line_num, "", f"{error}, expected CSV; the rest is not read"))
        text.detach()


def _pieces(rows: Iterator[tuple[int, list[str]]], width: int, refuse: Refuse) -> Iterator[Piece]:
    numbers: list[int] = []
    places: list[int] = []
    cells: list[list[str]] = []
    for place, (number, row) in enumerate(rows, start=1):
        if len(row) != width:
            refuse(Problem(number, "", f"{len(row)} cells, expected {width}"))
            continue
        numbers.append(number)
        places.append(place)
        cells.append(row)
        if len(cells) == PIECE:
            yield numbers, places, list(zip(*cells, strict=True))
            numbers, places, cells = [], [], []
    if cells:
        yield numbers, places, list(zip(*cells, strict=True))


# --- Parquet ----------------------------------------------------------------------------------------


def _parquet(file: str) -> tuple[list[str], Iterator[Piece]]:
    pa, parquet = pyarrow(file)
    try:
        source = parquet.ParquetFile(file)
    except pa.ArrowInvalid:
        fail(f"{file}: expected a Parquet file")
    except OSError as error:
        fail(f"{file}: {error.strerror or error}")
    schema = source.schema_arrow
    wrong = [field for field in schema if not _is_exact(pa, field.type)]
    if wrong:
        # A float is no amount: 0.1 is not what it says.
        expected = "expected texts, whole numbers, decimals or dates"
        fail("\n".join(f"{file}: {field.name}: a column of {field.type}, {expected}" for field in wrong))
    return list(schema.names), _batches(pa, source, file)


def _is_exact(pa: Any, kind: Any) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    exact = (
        types.is_string,
        types.is_large_string,
        types.is_integer,
        types.is_decimal,
        types.is_boolean,
        types.is_date32,
        types.is_null,
    )
    return any(one(kind) for one in exact)


def _batches(pa: Any, source: Any, file: str) -> Iterator[Piece]:
    read = 0
    try:
        for batch in source.iter_batches(batch_size=PIECE):
            places = range(read + 1, read + batch.num_rows + 1)
            read += batch.num_rows
            columns = [one.cast(pa.string()).fill_null("").to_pylist() for one in batch.columns]
            if batch.num_rows:
                yield places, places, columns
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        fail(f"{file}:{read + 1}: not readable, expected a whole Parquet file")
