"""`throughline lending schedules`: a table of loans in, a table of their installments out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from throughline.cli.output import BAD_INPUT, OUR_FAULT, fail, say

if TYPE_CHECKING:
    from throughline.cli.schedule_table import Writer
    from throughline.lending.bulk.planner import Problem

MAX_PROBLEMS = 1_000
_MAX_MESSAGE = 500


class _TooMany(Exception):
    """So many rows are wrong that the file is not what it was thought to be."""


def schedules(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV, or Parquet (.parquet); - is standard input")
    ],
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help=".csv, .parquet, or - for standard output")
    ],
    currency: Annotated[
        str | None, typer.Option(help="Currency of loans whose row names none, such as CNY")
    ] = None,
) -> None:
    """Schedules of many loans: a row of terms a loan in, a row an installment out."""
    from throughline.cli.loan_table import read
    from throughline.lending.bulk.planner import Planner

    _check(file, out, currency)
    problems = _Problems(file)
    planner = Planner()
    loans = rows = 0
    try:
        pieces = read(file, currency, problems.add)
        # Up to the first piece nothing is written, so a wrong header leaves the other file alone.
        piece = next(pieces, None)
        with _writer(out) as writer:
            while piece is not None:
                for planned in planner.plan(piece, problems.add):
                    writer.write(planned)
                    loans += len(planned.ids)
                    rows += len(planned.nr)
                piece = next(pieces, None)
    except _TooMany:
        say(f"{file}: more than {MAX_PROBLEMS} problems, the rest is not read")
    say(f"{loans} loans, {rows} installments, {problems.count} problems")
    if problems.count:
        raise typer.Exit(BAD_INPUT)


class _Problems:
    """Says what is wrong, a line a problem, up to MAX_PROBLEMS."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.count = 0

    def add(self, problem: Problem) -> None:
        if self.count == MAX_PROBLEMS:
            raise _TooMany
        self.count += 1
        place = f"{self._file}:{problem.number}: " + (f"{problem.column}: " if problem.column else "")
        say((place + problem.expected)[:_MAX_MESSAGE].replace("\n", " "))


def _check(file: str, out: str, currency: str | None) -> None:
    from throughline.kernel.money import digits_of

    if out != "-" and not out.endswith((".csv", ".parquet")):
        fail(f"--out {out}: expected a name that ends in .csv or .parquet, or -")
    if file != "-" and out != "-" and os.path.exists(out) and os.path.realpath(out) == os.path.realpath(file):
        fail(f"--out {out}: expected another file than the one that is read")
    if currency is not None:
        try:
            digits_of(currency)
        except ValueError as error:
            fail(f"--currency: {error}")


@contextmanager
def _writer(out: str) -> Iterator[Writer]:
    from throughline.cli.schedule_table import csv_writer, parquet_writer

    opened = False
    try:
        if out.endswith(".parquet"):
            with parquet_writer(out) as writer:
                opened = True
                yield writer
        elif out == "-":
            opened = True
            with csv_writer(sys.stdout.buffer) as writer:
                yield writer
        else:
            with open(out, "wb") as stream, csv_writer(stream) as writer:
                opened = True
                yield writer
    except OSError as error:
        # A name that can't be opened is the caller's mistake, a disk that is full is not.
        fail(f"{out}: {error.strerror or error}", OUR_FAULT if opened else BAD_INPUT)
