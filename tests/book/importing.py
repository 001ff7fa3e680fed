"""Bringing rows into the book, by the verb and by the command, and looking at what came of them."""

from __future__ import annotations

import subprocess

from book.files import Row, groups
from kernel_ops import places
from throughline.book.importing import Totals, import_book
from throughline.book.models import BookReference
from throughline.book.planning import Outcome
from throughline.book.rows import RowProblem
from throughline.kernel.db import Database
from throughline.lending import service as lending


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


def run(env: dict[str, str], *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return places.command(*words, env=env, input=stdin)
