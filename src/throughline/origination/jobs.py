"""Jobs of origination: the end of an offer that was not taken."""

from __future__ import annotations

from uuid import UUID

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.jobs import task
from throughline.origination import service


@task("origination.expire")
def expire(*, borrower_id: str, application_id: str) -> None:
    """Expire one application, if its time is over by now."""
    database().run(
        lambda session: service.expire(session, UUID(borrower_id), UUID(application_id), now=clock.now())
    )
