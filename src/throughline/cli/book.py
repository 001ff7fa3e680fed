"""`throughline import book` and `throughline export book`: a lender's book as a CSV file (docs/import-export.md)."""

from __future__ import annotations

import csv
import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from throughline.cli.batch import opened
from throughline.cli.output import BAD_INPUT, OUR_FAULT, fail, say

if TYPE_CHECKING:
    from throughline.book.importing import Totals
    from throughline.book.planning import Outcome
    from throughline.book.reading import BookReader
    from throughline.kernel.db import Database

imports = typer.Typer(no_args_is_help=True)
exports = typer.Typer(no_args_is_help=True)
SHOWN_PROBLEMS = 5
_ERROR_COLUMNS = ("row", "borrower_id", "column", "expected")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output")]


@imports.callback()
def import_group() -> None:
    """Bring data in from another system."""


@exports.callback()
def export_group() -> None:
    """Take data out for another system."""


@imports.command("book")
def import_book(
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help="The book; - is standard input")],
    check: Annotated[bool, typer.Option("--check", help="Try everything, keep nothing")] = False,
    errors: Annotated[
        Path | None, typer.Option(help="Where problems are written [default: FILE.csv.errors.csv]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Borrowers, loans and payments from a CSV file; each borrower whole or not at all. Safe to repeat."""
    from throughline.book import importing
    from throughline.book.reading import BookReader, WrongFile
    from throughline.kernel import rooms
    from throughline.kernel.settings import settings

    rooms.load_all()
    database = _database()
    target = errors or Path("book.errors.csv" if file == "-" else f"{file}.errors.csv")
    with opened(file) as stream, _Problems(target) as problems, _reached():
        reader = BookReader(stream, zone=settings().zone)
        try:
            totals = _import(database, reader, problems, check=check, size=_size(stream))
        except WrongFile as error:
            fail(f"{file}: {error}; what was imported before that line stays, a repeat goes on from there")
        if not check and totals.imported:
            importing.note_import(database, totals, reader.sha256)
    _tell(totals, problems, check=check, as_json=as_json)
    if totals.refused:
        raise typer.Exit(BAD_INPUT)


def _import(
    database: Database, reader: BookReader, problems: _Problems, *, check: bool, size: int | None
) -> Totals:
    from throughline.book import importing

    # The bar counts bytes: how many rows there are is known only at the end.
    with typer.progressbar(length=size or 0, label="Import", file=sys.stderr, show_pos=False) as bar:
        shown = 0

        def report(outcome: Outcome) -> None:
            nonlocal shown
            problems.write(outcome)
            if size is not None:
                bar.update(reader.bytes_read - shown)
                shown = reader.bytes_read

        return importing.import_book(database, reader.groups(), check_only=check, report=report)


class _Problems:
    """The error file: made at the first problem, readable only by whoever ran the import."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.first: list[str] = []
        self._stack = ExitStack()
        self._writer: Any = None

    def __enter__(self) -> _Problems:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, outcome: Outcome) -> None:
        from throughline.book.rows import guarded

        for one in sorted(outcome.problems, key=lambda problem: problem.row):
            if self._writer is None:
                try:
                    self._writer = csv.writer(self._stack.enter_context(_private(self.path)))
                except OSError as error:
                    fail(f"{self.path}: {error.strerror}; choose another place with --errors")
                self._writer.writerow(_ERROR_COLUMNS)
            shown = _shown_id(outcome.group.borrower_id, one.column)
            self._writer.writerow((one.row, guarded(shown), one.column, one.expected))
            self.count += 1
            if len(self.first) < SHOWN_PROBLEMS:
                self.first.append(f"row {one.row}, {one.column or 'the row'}: expected {one.expected}")


def _shown_id(borrower_id: str, column: str) -> str:
    # An id that is refused may be somebody's ID number: it does not go into a file of problems.
    return "" if column == "borrower_id" else borrower_id


def _private(path: Path) -> IO[str]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="")


def _tell(totals: Totals, problems: _Problems, *, check: bool, as_json: bool) -> None:
    if as_json:
        found = asdict(totals) | {"checked_only": check, "problems": problems.count}
        typer.echo(json.dumps(found | {"errors_file": str(problems.path) if problems.count else None}))
    else:
        verb = "would be imported" if check else "imported"
        typer.echo(
            f"{totals.imported} borrowers with {totals.loans} loans and {totals.payments} payments {verb}; "
            f"{totals.known} had nothing new; {totals.refused} refused"
        )
    for line in problems.first:
        say(line)
    if problems.count:
        say(
            f"{problems.count} problems; all of them stand in {problems.path}. Correct the rows and import again."
        )


def _size(stream: IO[bytes]) -> int | None:
    return os.fstat(stream.fileno()).st_size if stream.seekable() else None


@exports.command("book")
def export_book(
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help="Where to; - is standard output")],
    clear: Annotated[
        bool, typer.Option("--clear", help="Personal data in clear, where the person agreed; it is logged")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The totals as JSON (on standard error if FILE is -)")
    ] = False,
) -> None:
    """Borrowers, loans and payments to a CSV file that an import takes. Personal data are masked."""
    from throughline.kernel import rooms

    rooms.load_all()
    database = _database()
    draft = Path(f"{file}.part")
    if file != "-" and Path(file).exists():
        fail(f"{file}: is there already; an export overwrites nothing")
    totals = {"borrowers": 0, "loans": 0, "payments": 0, "masked": 0}
    try:
        with _reached():
            if file == "-":
                _export(database, sys.stdout, totals, clear=clear)
            else:
                with _private(draft) as stream:
                    _export(database, stream, totals, clear=clear)
                draft.replace(file)
    except BrokenPipeError:
        raise typer.Exit(OUR_FAULT) from None
    except OSError as error:
        fail(f"{error.filename or file}: {error.strerror}")
    if as_json:
        typer.echo(json.dumps(totals), err=file == "-")
        return
    say(f"{totals['borrowers']} borrowers, {totals['loans']} loans, {totals['payments']} payments")
    if totals["masked"]:
        say(f"{totals['masked']} borrowers have not agreed to this use of their data: theirs are masked")


def _export(database: Database, stream: IO[str], totals: dict[str, int], *, clear: bool) -> None:
    from throughline.book.exporting import export_book as borrowers
    from throughline.book.rows import COLUMNS, guarded

    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    for one in borrowers(database, clear=clear, reader=f"export:{getpass.getuser()}"):
        for cells in one.rows:
            writer.writerow([guarded(cells.get(column, "")) for column in COLUMNS])
        totals["borrowers"] += 1
        totals["loans"] += one.loans
        totals["payments"] += one.payments
        totals["masked"] += one.masked


@contextmanager
def _reached() -> Iterator[None]:
    """A database that does not answer, or stops to, is a sentence and no traceback."""
    from sqlalchemy.exc import DBAPIError

    from throughline.kernel.db import connection_lost

    try:
        yield
    except DBAPIError as error:
        if not connection_lost(error):
            raise
        fail("the database does not answer; what was written stays, repeat when it is back", OUR_FAULT)


def _database() -> Database:
    from throughline.kernel.db import database
    from throughline.kernel.postgres import EmbeddedError

    try:
        return database()
    except EmbeddedError as error:
        fail(str(error), OUR_FAULT)
