"""Jobs that failed: retried ones with their next time, dead ones with a button, events with whom they hold up."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import text
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.errors import Conflict
from throughline.kernel.http import Caller, Reading
from throughline.kernel.i18n import N_
from throughline.lending import service as lending
from throughline.web import forms
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.console.figures import queue_figures
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)

PAGE = 50
RUNS = 7

# Newest first. Arguments are ids by the rules of jobs, but only an event's id is needed here.
_FAILED = text(
    """
    SELECT j.id, j.task_name, j.queue_name, j.attempts, j.scheduled_at, f.error, f.failed_at,
           CASE WHEN j.status = 'failed' THEN 'dead' ELSE j.status::text END AS state,
           (SELECT min(v.at) FROM procrastinate_events v WHERE v.job_id = j.id) AS since,
           j.args ->> 'subscriber' AS subscriber, e.type AS event_type, e.aggregate_type, e.aggregate_id
    FROM procrastinate_jobs j
    LEFT JOIN kernel_job_failure f ON f.job_id = j.id
    LEFT JOIN kernel_event e ON j.task_name = 'kernel.deliver_event' AND e.id = CAST(j.args ->> 'event_id' AS uuid)
    WHERE (j.status = 'failed' OR (j.status IN ('todo', 'doing') AND j.attempts > 0))
      AND (CAST(:before AS bigint) IS NULL OR j.id < :before)
      AND (CAST(:state AS text) IS NULL OR (j.status = 'failed') = (:state = 'dead'))
    ORDER BY j.id DESC LIMIT :limit
    """
)
# Pages that show the aggregate an event belongs to.
_PAGES = {"episode": "/console/episodes/{}", "loan": "/console/loans/{}", "person": "/console/borrowers/{}"}


class NotDead(Conflict):
    """The job is not there any more, or not dead."""

    code = "job-not-dead"
    title = N_("Only a dead job can be started again; this one runs, waits or is gone")


@router.get("/console/jobs")
def job_list(
    request: Request,
    session: Reading,
    caller: Annotated[Caller, Depends(staff_with("kernel:read"))],
    before: Annotated[int | None, Query(ge=1)] = None,
    state: Annotated[str | None, Query(pattern="^(dead|retried)$")] = None,
) -> HTMLResponse:
    """What failed at least once and has not succeeded since."""
    found = session.execute(_FAILED, {"before": before, "state": state, "limit": PAGE + 1}).mappings().all()
    rows: list[dict[str, Any]] = [dict(row) for row in found[:PAGE]]
    for row in rows:
        row["page"] = _page_of(row["aggregate_type"], row["aggregate_id"])
    return show(
        request,
        "jobs.html",
        queue=queue_figures(session),
        rows=rows,
        runs=lending.cob_runs(session, limit=RUNS),
        left_behind=lending.cob_failures(session, limit=PAGE),
        state=state,
        may_retry="kernel:write" in caller.scopes,
        before=rows[-1]["id"] if len(found) > PAGE else None,
    )


def _page_of(aggregate_type: str | None, aggregate_id: UUID | None) -> str | None:
    pattern = _PAGES.get(aggregate_type or "")
    return pattern.format(aggregate_id) if pattern and aggregate_id else None


@router.post("/console/jobs/{job_id}/retry")
def retry(
    request: Request,
    job_id: int,
    form: Form,
    caller: Annotated[Caller, Depends(staff_with("kernel:write"))],
) -> RedirectResponse:
    """Start a dead job again, now."""

    def again(session: Session) -> str:
        dead = session.execute(
            text("SELECT 1 FROM procrastinate_jobs WHERE id = :id AND status = 'failed' FOR UPDATE"),
            {"id": job_id},
        ).first()
        if dead is None:
            raise NotDead
        session.execute(
            text("SELECT procrastinate_retry_job_v2(:id, :now, NULL, NULL, NULL)"),
            {"id": job_id, "now": clock.real_now()},
        )
        return "/console/jobs"

    return forms.once(request, caller, form, again)
