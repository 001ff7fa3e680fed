"""Bringing a book in: chunks of borrowers, each chunk one transaction, each borrower whole or not at all.

What protects the book is the reference of each borrower and loan, written with it: a repeat, or a run
after a kill, finds what is there and goes on with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from throughline.book.history import Refused, record_history
from throughline.book.models import BookReference
from throughline.book.planning import BORROWER, LOAN, Look, Outcome, content_of, plan_borrower
from throughline.book.rows import Group, RowProblem
from throughline.kernel import clock
from throughline.kernel.crypto import LENDER_ID
from throughline.kernel.db import Database
from throughline.lending import service as lending
from throughline.notary import service as notary
from throughline.parties import service as parties

CHUNK_ROWS = 1_500


@dataclass(slots=True)
class Totals:
    """What an import did. `known` borrowers had nothing new; of a refused one nothing was written."""

    rows: int = 0
    imported: int = 0
    known: int = 0
    refused: int = 0
    loans: int = 0
    payments: int = 0


class _Undo(Exception):
    """A check ends its transaction with this: everything was tried and nothing stays."""


def import_book(
    database: Database,
    groups: Iterable[Group],
    *,
    check_only: bool,
    report: Callable[[Outcome], None],
) -> Totals:
    """Import borrower by borrower; `report` hears of each as soon as its fate is sealed.

    With `check_only` everything is tried and nothing is kept.
    """
    totals, seen = Totals(), set[str]()
    for chunk in _chunks(groups):
        _find_doubles(chunk, seen)
        for outcome in _run(database, chunk, check_only=check_only):
            group = outcome.group
            totals.rows += group.rows
            if outcome.refused:
                totals.refused += 1
            elif outcome.person or outcome.plans or outcome.payments:
                totals.imported += 1
                totals.loans += len(outcome.plans)
                totals.payments += outcome.payments
            else:
                totals.known += 1
            report(outcome)
    return totals


def note_import(database: Database, totals: Totals, file_sha256: str) -> None:
    """Commit to the notary which file was imported and what it brought."""
    facts = {
        "file_sha256": file_sha256,
        "rows": totals.rows,
        "borrowers": totals.imported,
        "loans": totals.loans,
        "payments": totals.payments,
        "refused": totals.refused,
    }
    database.run(lambda session: notary.commit(session, LENDER_ID, "book.imported", facts, now=clock.now()))


def _chunks(groups: Iterable[Group]) -> Iterator[list[Group]]:
    chunk: list[Group] = []
    rows = 0
    for group in groups:
        chunk.append(group)
        rows += group.rows
        if rows >= CHUNK_ROWS:
            yield chunk
            chunk, rows = [], 0
    if chunk:
        yield chunk


def _find_doubles(chunk: Sequence[Group], seen: set[str]) -> None:
    """A loan stands once in a file; so does a payment within its loan."""
    for group in chunk:
        payments: set[tuple[str, str]] = set()
        for loan in group.loans:
            if loan.loan_id in seen:
                group.problems.append(
                    RowProblem(loan.row, "loan_id", "one row for each loan: this id stood further up")
                )
            seen.add(loan.loan_id)
        for payment in group.payments:
            key = (payment.loan_id, payment.payment_id)
            if key in payments:
                group.problems.append(
                    RowProblem(
                        payment.row, "payment_id", "one row for each payment: this id stood further up"
                    )
                )
            payments.add(key)


def _run(database: Database, chunk: list[Group], *, check_only: bool) -> list[Outcome]:
    try:
        return _together(database, chunk, check_only=check_only)
    except IntegrityError:
        # Somebody registered, or another import ran, between our look and our write: find out who is concerned.
        return [one for group in chunk for one in _alone(database, group, check_only=check_only)]


def _alone(database: Database, group: Group, *, check_only: bool) -> list[Outcome]:
    try:
        return _together(database, [group], check_only=check_only)
    except IntegrityError:
        outcome = Outcome(group)
        outcome.refuse(
            group.first_row, "", "nobody else to write this borrower at the same time; import again"
        )
        return [outcome]


def _together(database: Database, chunk: list[Group], *, check_only: bool) -> list[Outcome]:
    done: list[Outcome] = []

    def work(session: Session) -> list[Outcome]:
        done[:] = _import_chunk(session, chunk, now=clock.now())
        if check_only:
            raise _Undo
        return done

    try:
        return database.run(work)
    except _Undo:
        return done


def _import_chunk(session: Session, chunk: list[Group], *, now: datetime) -> list[Outcome]:
    look = Look(session, chunk, now)
    outcomes = [plan_borrower(look, group) for group in chunk]
    fresh = [one for one in outcomes if not one.refused and not one.more]
    _write(session, fresh, now=now)
    for outcome in outcomes:
        if not outcome.refused and outcome.more:
            _extend(session, outcome, now=now)
    return outcomes


def _write(session: Session, outcomes: Sequence[Outcome], *, now: datetime) -> None:
    parties.import_people(session, [one.person for one in outcomes if one.person is not None], now=now)
    lending.write_imports(session, [plan for one in outcomes for _, plan in one.plans], now=now)
    rows = [row for one in outcomes for row in _references(one, now)]
    if rows:
        session.execute(insert(BookReference), rows)


def _references(outcome: Outcome, now: datetime) -> list[dict[str, Any]]:
    owner: dict[str, Any] = {"borrower_id": outcome.borrower_id, "imported_at": now}
    rows = []
    if not outcome.referenced:
        of_person = {"kind": BORROWER, "external_id": outcome.group.borrower_id, "id": outcome.borrower_id}
        rows.append(owner | of_person | {"content": None})
    for line, plan in outcome.plans:
        of_loan = {"kind": LOAN, "external_id": line.loan_id, "id": plan.loan_id}
        rows.append(owner | of_loan | {"content": content_of(line)})
    return rows


def _extend(session: Session, outcome: Outcome, *, now: datetime) -> None:
    """More history for loans that are here already, by the same verbs as every payment; whole or not at all."""
    try:
        with session.begin_nested():
            _write(session, [outcome], now=now)
            for loan_id, line, past in sorted(outcome.more, key=lambda one: one[2].paid_on):
                outcome.payments += record_history(session, loan_id, line, past, now=now)
    except Refused as refused:
        outcome.problems.append(refused.problem)
