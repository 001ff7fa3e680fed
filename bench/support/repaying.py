"""A steady stream of repayments beside something else, by the verb that the payments room calls.

Each has its time; what it takes is counted from there, so that one that had to wait for its turn is not
flattered.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.kernel.ids import new_id
from throughline.lending import service as lending

THREADS = 12
LIMIT_S = 7_200


@dataclass(slots=True)
class Repayments:
    """How long each took, in seconds, and what went wrong."""

    per_s: float
    took_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def report(self) -> dict[str, object]:
        """Percentiles in milliseconds, and the failures."""
        took = sorted(self.took_s)
        at = {f"p{one}_ms": round(1000 * took[len(took) * one // 100], 1) for one in (50, 95, 99) if took}
        return {
            "asked_per_s": self.per_s,
            "repayments": len(took),
            **at,
            "max_ms": round(1000 * took[-1], 1) if took else None,
            "failures": len(self.failures),
            "first_failure": self.failures[0] if self.failures else None,
        }


@contextmanager
def repaying(where: Database, loans: Sequence[UUID], on: date, per_s: float) -> Iterator[Repayments]:
    """Repay random loans at that rate while the block runs."""
    done = Repayments(per_s)
    over = threading.Event()
    began = time.monotonic()

    def run(nr: int) -> None:
        chance = random.Random(nr)
        for turn in range(int(LIMIT_S * per_s / THREADS)):
            due = began + (nr + turn * THREADS) / per_s
            if over.wait(max(0.0, due - time.monotonic())):
                return
            loan_id = chance.choice(loans)
            new = lending.NewEvent(
                lending.EventType.REPAYMENT, on, str(new_id()), chance.randint(100, 20_000)
            )
            try:
                where.run(lambda session, loan_id=loan_id, new=new: _repay(session, loan_id, new))
                done.took_s.append(time.monotonic() - due)
            except Exception as error:
                done.failures.append(f"{type(error).__name__}: {error}"[:300])

    crew = [threading.Thread(target=run, args=(nr,)) for nr in range(THREADS if per_s else 0)]
    for one in crew:
        one.start()
    try:
        yield done
    finally:
        over.set()
        for one in crew:
            one.join(60)


def _repay(session: object, loan_id: UUID, new: lending.NewEvent) -> None:
    lending.record_event(session, loan_id, new, now=clock.now())  # type: ignore[arg-type]
