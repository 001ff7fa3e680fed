"""An address that leads nowhere, and a fault of ours: a page for people, a problem document for programs."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from throughline.kernel.errors import NotFound, Problem
from throughline.kernel.http import problem_response
from throughline.kernel.i18n import N_
from throughline.kernel.logging import get_logger
from throughline.web.borrower.common import PageRoute

log = get_logger(__name__)

PROGRAMS = ("/api/", "/hooks/", "/static/")


class OurFault(Problem):
    """A fault that nobody foresaw."""

    status = 500
    code = "internal-error"
    title = N_("Something went wrong on our side; nothing was changed")


def install(app: FastAPI) -> None:
    """Answer people with pages where the kernel answers programs with documents."""
    unknown_path = app.exception_handlers[HTTPException]
    any_error = app.exception_handlers[Exception]

    def on_http(request: Request, error: Exception) -> Response:
        if _for_people(request) and isinstance(error, HTTPException) and error.status_code in {404, 405}:
            return PageRoute.problem_page(request, NotFound())
        answer: Response = unknown_path(request, error)  # type: ignore[assignment]  # the kernel's are not async
        return answer

    def on_any(request: Request, error: Exception) -> Response:
        if not _for_people(request):
            answer: Response = any_error(request, error)  # type: ignore[assignment]
            return answer
        log.error("page failed", path=request.url.path, exc_info=error)
        try:
            return PageRoute.problem_page(request, OurFault())
        except Exception:  # the page of faults may be what is at fault
            log.exception("the page for faults failed")
            return problem_response(request, OurFault())

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_any)


def _for_people(request: Request) -> bool:
    path = request.url.path
    return "text/html" in request.headers.get("accept", "") and not path.startswith(PROGRAMS)
