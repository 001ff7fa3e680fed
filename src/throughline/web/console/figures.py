"""The figures of the console, each one query over all borrowers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from throughline.continuity.models import Episode
from throughline.kernel.errors import NotFound
from throughline.ledger import service as ledger
from throughline.lending.models import DelinquencyRow, LoanRow


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """Jobs by state. `dead`: gave up. `oldest_delivery_at`: when the oldest event was stored that somebody has not seen."""

    waiting: int
    running: int
    retried: int
    dead: int
    oldest_delivery_at: datetime | None


@dataclass(frozen=True, slots=True)
class BookSum:
    """All debits and credits of one currency, in minor units."""

    currency: str
    debit_minor: int
    credit_minor: int


def open_episodes(session: Session) -> int:
    """How many lines are out now."""
    return session.execute(
        select(func.count()).select_from(Episode).where(Episode.state == "open")
    ).scalar_one()


def loans_by_status(session: Session) -> list[tuple[str, int]]:
    """How many loans stand in each status."""
    rows = session.execute(
        select(LoanRow.status, func.count()).group_by(LoanRow.status).order_by(LoanRow.status)
    )
    return [(status, count) for status, count in rows]


def loans_by_range(session: Session) -> list[tuple[str, int, bool]]:
    """How many loans are late, by range of delinquent days, and whether their clock stands."""
    rows = session.execute(
        select(DelinquencyRow.range, func.count(), DelinquencyRow.paused)
        .where(DelinquencyRow.range.is_not(None))
        .group_by(DelinquencyRow.range, DelinquencyRow.paused)
        .order_by(DelinquencyRow.range, DelinquencyRow.paused)
    )
    return [(str(name), count, paused) for name, count, paused in rows]


def queue_figures(session: Session) -> QueueFigures:
    """How the job queue stands."""
    counts = session.execute(
        text(
            """
            SELECT count(*) FILTER (WHERE status = 'todo') AS waiting,
                   count(*) FILTER (WHERE status = 'doing') AS running,
                   count(*) FILTER (WHERE status = 'todo' AND attempts > 0) AS retried,
                   count(*) FILTER (WHERE status = 'failed') AS dead
            FROM procrastinate_jobs WHERE status IN ('todo', 'doing', 'failed')
            """
        )
    ).one()
    oldest = session.execute(
        text(
            """
            SELECT min(e.recorded_at) FROM procrastinate_jobs j
            JOIN kernel_event e ON e.id = CAST(j.args ->> 'event_id' AS uuid)
            WHERE j.task_name = 'kernel.deliver_event' AND j.status IN ('todo', 'doing', 'failed')
            """
        )
    ).scalar_one()
    return QueueFigures(counts.waiting, counts.running, counts.retried, counts.dead, oldest)


def book_sums(session: Session) -> list[BookSum]:
    """Debits and credits of each currency; they are equal, or the books are wrong."""
    return sums_of(ledger.trial_balance(session))


def sums_of(balances: Iterable[ledger.Balance]) -> list[BookSum]:
    """The two sides of a trial balance, by currency."""
    sums: dict[str, BookSum] = {}
    for row in balances:
        known = sums.get(row.currency, BookSum(row.currency, 0, 0))
        sums[row.currency] = BookSum(
            row.currency, known.debit_minor + row.debit_minor, known.credit_minor + row.credit_minor
        )
    return list(sums.values())


def entry(session: Session, entry_id: UUID) -> ledger.PostedEntry:
    """One entry of the books. Raises `NotFound`."""
    before = UUID(int=max(0, entry_id.int - 1))  # the ledger pages by id: the next after this is the one
    for found in ledger.entries(session, after=before, limit=1):
        if found.id == entry_id:
            return found
    raise NotFound
