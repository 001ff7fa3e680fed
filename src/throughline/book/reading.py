"""Reading the file as it comes: one borrower at a time, never the whole of it."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
from collections.abc import Iterator
from typing import IO

from throughline.book.rows import COLUMNS, REQUIRED, Group, RowProblem, add_row, clean, external_id

MAX_CELL_CHARS = 4_000
MAX_GROUP_ROWS = 5_000
_SAMPLE_BYTES = 1 << 16


class WrongFile(Exception):
    """The file as a whole can't be read; the text says where and what was expected."""


class BookReader:
    """Groups of rows from a CSV file in UTF-8 (with or without a mark at its start) or GB18030.

    `bytes_read` moves as the groups are taken; `sha256` is the hash of all bytes after the last one.
    """

    def __init__(self, stream: IO[bytes], *, zone: str) -> None:
        self._source = _Counted(stream)
        self._zone = zone
        self._seen: set[str] = set()

    @property
    def bytes_read(self) -> int:
        return self._source.count

    @property
    def sha256(self) -> str:
        return self._source.hash.hexdigest()

    def groups(self) -> Iterator[Group]:
        """The borrowers of the file in its order. Raises WrongFile."""
        buffered = io.BufferedReader(self._source, _SAMPLE_BYTES)
        encoding = _encoding(buffered.peek(_SAMPLE_BYTES)[:_SAMPLE_BYTES])
        text = io.TextIOWrapper(buffered, encoding=encoding, newline="")
        csv.field_size_limit(MAX_CELL_CHARS)
        rows = csv.reader(text, strict=True)
        try:
            columns = _header(rows)
            yield from self._grouped(rows, columns)
        except UnicodeDecodeError:
            raise WrongFile(f"after line {rows.line_num}: expected text in {encoding}") from None
        except csv.Error as error:
            raise WrongFile(f"line {rows.line_num}: expected CSV (RFC 4180): {error}") from None

    def _grouped(self, rows: Iterator[list[str]], columns: list[str]) -> Iterator[Group]:
        group: Group | None = None
        number = 1
        for number, cells in enumerate(rows, 2):
            if not any(cell.strip() for cell in cells):
                continue
            named = {column: clean(cell) for column, cell in zip(columns, cells, strict=False)}
            key = named["borrower_id"] if len(cells) >= len(REQUIRED) and "borrower_id" in named else ""
            if group is None or group.borrower_id != key:
                if group is not None:
                    yield group
                group = self._begin(key, number)
            if group.rows >= MAX_GROUP_ROWS:
                raise WrongFile(f"row {number}: expected at most {MAX_GROUP_ROWS} rows for one borrower")
            if len(cells) != len(columns):
                group.rows += 1
                group.problems.append(
                    RowProblem(number, "", f"{len(columns)} cells as in the header; there are {len(cells)}")
                )
            else:
                add_row(group, number, named, zone=self._zone)
        if group is not None:
            yield group

    def _begin(self, key: str, row: int) -> Group:
        group = Group(key, row)
        try:
            external_id({"borrower_id": key}, "borrower_id")
        except ValueError as error:
            group.problems.append(RowProblem(row, "borrower_id", str(error)))
        if key in self._seen:
            group.problems.append(
                RowProblem(row, "borrower_id", "the rows of a borrower together: this id stood further up")
            )
        self._seen.add(key)
        return group


class _Counted(io.RawIOBase):
    """Counts and hashes what passes."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self.count = 0
        self.hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer)  # type: ignore[arg-type]
        data = self._stream.read(len(target))
        target[: len(data)] = data
        self.count += len(data)
        self.hash.update(data)
        return len(data)


def _encoding(sample: bytes) -> str:
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise WrongFile("line 1: expected UTF-8 or GB18030, not UTF-16; save the file as “CSV UTF-8”")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def _header(rows: Iterator[list[str]]) -> list[str]:
    columns = [clean(cell) for cell in next(rows, [])]
    if not columns:
        raise WrongFile("line 1: expected a header; the file is empty")
    unknown = [column for column in columns if column not in COLUMNS]
    if unknown:
        raise WrongFile(f"line 1: unknown column {unknown[0][:40]!r}; known are {', '.join(COLUMNS)}")
    doubled = [column for column in columns if columns.count(column) > 1]
    if doubled:
        raise WrongFile(f"line 1: the column {doubled[0]!r} stands there twice")
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise WrongFile(f"line 1: the column {missing[0]!r} is missing")
    return columns
