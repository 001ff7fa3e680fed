"""What every borrower page needs: who is here, where the others go, and problems as pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from throughline.identity.service import LevelTooLow
from throughline.kernel.errors import Problem
from throughline.kernel.http import PUBLIC, AnyCaller, Caller, caller_of
from throughline.web import forms, routes, texts


class SeeOther(Exception):
    """This page is not for the caller now; another one is."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class PageRoute(routes.PageRoute):
    """A route of the borrower's pages: whoever must go elsewhere first is sent there."""

    @staticmethod
    def problem_page(request: Request, problem: Problem) -> Response:
        """A problem as one of the borrower's pages."""
        # Who is here is not asked again: asking may be what failed.
        known: Caller = getattr(request.state, "caller", PUBLIC)
        return texts.page(
            request,
            "borrower/problem.html",
            status=problem.status,
            problem=forms.explain(request, problem),
            code=problem.code,
            signed_in=known.kind == "borrower",
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that also follows `SeeOther`."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except SeeOther as instead:
                return RedirectResponse(instead.path, status_code=303)

        return answer


def borrower_here(request: Request, caller: AnyCaller) -> UUID:
    """The borrower who is signed in; others are sent to enrol or to sign in and come back."""
    if caller.kind == "enrolling":
        raise SeeOther("/enrol")
    if caller.kind != "borrower" or caller.id is None:
        back = request.url.path if request.method == "GET" else "/home"
        raise SeeOther(f"/sign-in?next={quote(back, safe='/')}")
    return caller.id


Borrower = Annotated[UUID, Depends(borrower_here)]


def _well_known(borrower_id: Borrower, caller: AnyCaller) -> UUID:
    if "A2" not in caller.scopes:
        raise LevelTooLow
    return borrower_id


# Signed in with a passkey or two factors: for documents that hold the whole name and ID number.
WellKnownBorrower = Annotated[UUID, Depends(_well_known)]


def safe_path(path: str | None, default: str = "/home") -> str:
    """A path of this site to go back to: never another site, never a scheme."""
    plain = bool(path) and all(33 <= ord(char) < 127 for char in path or "")
    if path and plain and path.startswith("/") and not path.startswith(("//", "/\\")):
        return path
    return default


def show(
    request: Request, template: str, /, *, problem: Problem | None = None, **context: Any
) -> HTMLResponse:
    """A borrower page; with a problem it carries its status and says it on top and at its field."""
    said = forms.explain(request, problem) if problem else ""
    field = problem.params.get("field") if problem else None
    return texts.page(
        request,
        f"borrower/{template}",
        status=problem.status if problem else 200,
        problem=said,
        errors=context.pop("errors", None) or ({str(field): said} if field else {}),
        signed_in=caller_of(request).kind == "borrower",
        key=forms.fresh_key(),
        **context,
    )
