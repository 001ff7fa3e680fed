"""Health: is this process alive, is it ready to serve, and its metrics."""

from __future__ import annotations

from fastapi import FastAPI, Response
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from throughline import migrations
from throughline.kernel.db import database
from throughline.kernel.errors import Unavailable
from throughline.kernel.http import problems
from throughline.kernel.i18n import N_
from throughline.kernel.logging import get_logger
from throughline.kernel.telemetry import observe_queue, render_metrics
from throughline.notary.standing import observe as observe_notary

log = get_logger(__name__)

SYSTEM_HEARTBEAT_S = 60


class Health(BaseModel):
    """`ok`, and for readiness what was looked at."""

    status: str
    checks: dict[str, bool] = {}


class NotReady(Unavailable):
    code = "not-ready"
    title = N_("Not ready to serve: %(failed)s")


def install(app: FastAPI) -> None:
    """Add /livez, /healthz, /readyz and /metrics."""

    @app.get("/livez", tags=["health"])
    @app.get("/healthz", tags=["health"], operation_id="healthz")
    def alive() -> Health:
        """The process answers."""
        return Health(status="ok")

    @app.get("/readyz", tags=["health"], responses=problems(503))
    def ready() -> Health:
        """The database answers, the schema is the code's, and the system worker's heart beats."""
        checks = {"database": False, "migrations": False, "system_worker": False}
        with database().transaction() as session:
            checks["database"] = session.execute(text("SELECT 1")).scalar_one() == 1
            beat_s = session.execute(
                text("SELECT extract(epoch FROM now() - max(last_heartbeat)) FROM procrastinate_workers")
            ).scalar_one()
        checks["migrations"] = migrations.is_current(database().engine)
        checks["system_worker"] = beat_s is not None and beat_s < SYSTEM_HEARTBEAT_S
        failed = ", ".join(name for name, good in checks.items() if not good)
        if failed:
            raise NotReady(NotReady.title, failed=failed)
        return Health(status="ok", checks=checks)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        """Prometheus text. What the database tells is left as it was while it does not answer."""
        try:
            with database().transaction() as session:
                observe_queue(session)
                observe_notary(session)
        except (DBAPIError, PoolTimeout) as error:
            log.warning("measures of the installation not read", error=type(error).__name__)
        body, content_type = render_metrics()
        return Response(body, media_type=content_type)
