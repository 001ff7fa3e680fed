"""What every console page needs: the staff member with their scopes, and failures as pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from throughline.kernel.errors import Forbidden, Problem
from throughline.kernel.http import PUBLIC, AnyCaller, Caller, locale_of
from throughline.kernel.i18n import N_
from throughline.web import forms, routes, texts
from throughline.web.console.labels import label

# The sections of the navigation: path, scope that shows it, name.
SECTIONS = (
    ("/console/episodes", "continuity:read", N_("Outages")),
    ("/console/reviews", "continuity:read", N_("Reviews")),
    ("/console/incidents", "continuity:read", N_("Incidents")),
    ("/console/callbacks", "continuity:read", N_("Call-backs")),
    ("/console/responses", "continuity:read", N_("Responses")),
    ("/console/lines", "line:read", N_("Lines")),
    ("/console/joint", "continuity:read", N_("Joint plans")),
    ("/console/borrowers", "parties:read", N_("Borrowers")),
    ("/console/applications", "origination:read", N_("Applications")),
    ("/console/loans", "lending:read", N_("Loans")),
    ("/console/credit-reports", "lending:read", N_("Credit reports")),
    ("/console/proposals", "lending:read", N_("Second person")),
    ("/console/payments", "payments:read", N_("Payments")),
    ("/console/messages", "messaging:read", N_("Messages")),
    ("/console/ledger", "ledger:read", N_("Ledger")),
    ("/console/jobs", "kernel:read", N_("Jobs")),
)


class SignInFirst(Exception):
    """Nobody of the staff is signed in here."""


class ConsoleRoute(routes.PageRoute):
    """A route of the console: whoever is not signed in is sent to sign in and back."""

    @staticmethod
    def problem_page(request: Request, problem: Problem) -> Response:
        """A problem as a page of the console."""
        said = forms.explain(request, problem)
        return show(request, "problem.html", status=problem.status, problem=said, code=problem.code)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that also sends to the sign-in page."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except SignInFirst:
                back = request.url.path if request.method == "GET" else "/console"
                return RedirectResponse(f"/console/sign-in?next={quote(back, safe='/')}", status_code=303)

        return answer


def show(request: Request, template: str, /, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Render a console page. Beside what every page has: `scopes` of the caller, `sections`, `label`, `key`."""
    caller: Caller = getattr(request.state, "caller", PUBLIC)
    locale = locale_of(request)
    staff = caller.kind == "staff"
    return texts.page(
        request,
        f"console/{template}",
        status=status,
        signed_in=staff,
        scopes=caller.scopes if staff else frozenset(),
        sections=SECTIONS,
        label=lambda code: label(code, locale),
        key=forms.fresh_key(),
        **context,
    )


def _staff(caller: AnyCaller) -> Caller:
    if caller.kind != "staff":
        raise SignInFirst
    return caller


Staff = Annotated[Caller, Depends(_staff)]


def staff_with(*scopes: str) -> Callable[[Caller], Caller]:
    """A dependency: a signed-in staff member whose roles give all these scopes."""

    def check(caller: Staff) -> Caller:
        for scope in scopes:
            if scope not in caller.scopes:
                raise Forbidden(N_("This needs the permission %(scope)s"), scope=scope)
        return caller

    return check
