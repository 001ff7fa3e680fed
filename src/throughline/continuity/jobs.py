"""Jobs of continuity: the end of a protection that has reached its longest time."""

from __future__ import annotations

from uuid import UUID

from throughline.continuity import service
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.jobs import task


@task("continuity.cap_case")
def cap_case(*, borrower_id: str, case_id: str) -> None:
    """End a case at its cap; a business date that lags behind the clock sets the timer again."""
    database().run(
        lambda session: service.cap_case(session, UUID(borrower_id), UUID(case_id), now=clock.now())
    )
