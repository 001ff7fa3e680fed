"""The status page as the platform serves it: without a sign-in, small, and also while the database is away."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from throughline.continuity.status import document as content
from throughline.continuity.status import overlay, tasks
from throughline.continuity.status.intake import Observation
from throughline.kernel import clock
from throughline.kernel.db import connection_lost, database
from throughline.kernel.http import locale_of
from throughline.kernel.i18n import LOCALES
from throughline.kernel.settings import settings
from throughline.web.borrower.common import PageRoute
from throughline.web.status import render

router = APIRouter(include_in_schema=False, route_class=PageRoute)
FRESH_S = 5  # a crowd that wants to know what is wrong asks the database once in so long
Lang = Annotated[str | None, Query(alias="lang", max_length=10)]


class _Kept:
    """The newest document of this process: shared by all readers, and shown on while the database is away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._document: dict[str, Any] | None = None
        self._made = 0.0

    def get(self) -> dict[str, Any]:
        with self._lock:
            if self._document is not None and time.monotonic() - self._made < FRESH_S:
                return self._document
            try:
                with database().transaction() as session:
                    self._document = content.build(session, now=clock.now())
            except (DBAPIError, PoolTimeout) as error:
                if isinstance(error, DBAPIError) and not connection_lost(error):
                    raise
                # Without its database the platform is down, whatever was known of it before.
                return _down(self._document or _nothing_known())
            self._made = time.monotonic()
            return self._document

    def forget(self) -> None:
        with self._lock:
            self._document = None


kept = _Kept()


def _down(document: dict[str, Any]) -> dict[str, Any]:
    at = clock.now()
    seen = [
        Observation(name, at, tasks.DOWN, tasks.PLATFORM, 0, 60) for name in (tasks.PLATFORM, *tasks.TASKS)
    ]
    made_at = datetime.fromisoformat(document["made_at"])
    return overlay.lay_over(document, seen, failures=1, now=at, made_at=made_at)


def _nothing_known() -> dict[str, Any]:
    config = settings()
    names = {"zh-CN": config.lender_name, "en": config.lender_name_en}
    made = overlay.empty(names, config.zone, str(config.base_url).rstrip("/"))
    made["made_at"] = made["as_of"] = clock.now().isoformat(timespec="seconds")
    return made


@router.get("/status")
def front(request: Request, lang: Lang = None) -> HTMLResponse:
    """How the service is, for everybody."""
    locale, document = _locale(request, lang), kept.get()
    html = render.front_page(document, locale, render.live(locale), stale=_stale(document))
    return _page(html, locale)


@router.get("/status/incidents/{incident_id}")
def incident(request: Request, incident_id: UUID, lang: Lang = None) -> HTMLResponse:
    """One incident, however old."""
    locale, document = _locale(request, lang), kept.get()
    found = next((one for one in document["incidents"] if one["id"] == str(incident_id)), None)
    if found is None:
        with database().transaction() as session:
            found = content.published_incident(session, incident_id, now=clock.now())
    at = render.live(locale, f"/status/incidents/{incident_id}")
    return _page(render.incident_page(document, found, locale, at, stale=_stale(document)), locale)


@router.get("/status.json")
def as_json() -> Response:
    """The same for programs."""
    headers = {"Cache-Control": f"public, max-age={FRESH_S}", "Access-Control-Allow-Origin": "*"}
    return Response(render.as_json(kept.get()), media_type="application/json", headers=headers)


@router.get("/status/feed.xml")
def feed(request: Request, lang: Lang = None) -> Response:
    """The same for readers of feeds (Atom)."""
    made = render.feed(kept.get(), _locale(request, lang))
    return Response(made, media_type="application/atom+xml", headers={"Cache-Control": "public, max-age=60"})


def _locale(request: Request, lang: str | None) -> str:
    return lang if lang in LOCALES else locale_of(request)


def _stale(document: dict[str, Any]) -> bool:
    made = datetime.fromisoformat(document["made_at"])
    return (clock.real_now() - made).total_seconds() > render.STALE_AFTER_S


def _page(html: str, locale: str) -> HTMLResponse:
    return HTMLResponse(
        html,
        headers={
            "Content-Language": locale,
            "Vary": "Cookie, Accept-Language",
            "Cache-Control": f"private, max-age={FRESH_S}",
        },
    )
