"""HTTP: what every router shares. Callers, transactions, idempotent writes, problem answers, paging.

A package's `api.py` imports from here only; who the caller is, `web` decides by installing an
authenticator, because the kernel knows nothing of sessions.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from throughline.kernel import i18n, idempotency
from throughline.kernel.db import connection_lost, database
from throughline.kernel.errors import (
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from throughline.kernel.i18n import N_, gettext
from throughline.kernel.logging import get_logger
from throughline.kernel.settings import settings

log = get_logger(__name__)
Item = TypeVar("Item")

MAX_BODY_BYTES = 1024 * 1024
RETRY_WRITES_S = 30  # a keyed write is repeated over a database failover (engine: about 21 s)
PROBLEM_TYPE = "application/problem+json"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


# --- who calls -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request: `kind` is borrower, staff, service or public."""

    kind: str = "public"
    id: UUID | None = None
    session_id: UUID | None = None
    scopes: frozenset[str] = frozenset()


PUBLIC = Caller()
Authenticator = Callable[[Request], Caller]


def caller_of(request: Request) -> Caller:
    """The caller of this request, asked once. Unsafe requests from another site's page are refused."""
    known: Caller | None = getattr(request.state, "caller", None)
    if known is None:
        authenticate: Authenticator | None = getattr(request.app.state, "authenticate", None)
        known = authenticate(request) if authenticate else PUBLIC
        request.state.caller = known
    if request.method not in SAFE_METHODS and request.cookies:
        refuse_other_sites(request)
    return known


def refuse_other_sites(request: Request) -> None:
    """Refuse a request that a browser sends from another site's page (CSRF)."""
    origin = request.headers.get("origin")
    ours = urlsplit(str(settings().base_url))
    if origin is not None:
        # "null" and every foreign origin are refused; the port of a URL belongs to its origin.
        theirs = urlsplit(origin)
        if (theirs.scheme, theirs.hostname, theirs.port or 0) != (ours.scheme, ours.hostname, ours.port or 0):
            raise Forbidden(N_("The request came from a page of another site"))
    elif request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Forbidden(N_("The request came from a page of another site"))


AnyCaller = Annotated[Caller, Depends(caller_of)]


# The checks of a caller are async because they only look at what they were given: FastAPI hands each sync
# dependency to a thread, which costs more than the check.
async def _borrower(caller: AnyCaller) -> Caller:
    if caller.kind == "public":
        raise Unauthenticated
    if caller.kind != "borrower" or caller.id is None:
        raise Forbidden(N_("This is for borrowers only"))
    return caller


def require_scope(scope: str) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency: staff or a service with that scope, such as "lending:write"."""

    async def check(caller: AnyCaller) -> Caller:
        if caller.kind == "public":
            raise Unauthenticated
        if caller.kind not in {"staff", "service"} or scope not in caller.scopes:
            raise Forbidden(N_("This needs the permission %(scope)s"), scope=scope)
        return caller

    return check


async def _staff(caller: AnyCaller) -> Caller:
    if caller.kind == "public":
        raise Unauthenticated
    if caller.kind not in {"staff", "service"}:
        raise Forbidden(N_("This is for staff only"))
    return caller


async def _borrower_id(caller: Annotated[Caller, Depends(_borrower)]) -> UUID:
    if caller.id is None:
        raise Forbidden(N_("This is for borrowers only"))
    return caller.id


BorrowerCaller = Annotated[Caller, Depends(_borrower)]
BorrowerId = Annotated[
    UUID, Depends(_borrower_id)
]  # the signed-in borrower, when nothing else is asked of them
StaffCaller = Annotated[Caller, Depends(_staff)]


# --- transactions ----------------------------------------------------------------------------------


def _reading() -> Iterator[Session]:
    with database().transaction() as session:
        session.execute(text("SET TRANSACTION READ ONLY"))
        yield session


Reading = Annotated[Session, Depends(_reading)]

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Your own name for this request. The same key again gives the stored answer; "
        "the same key with another body is refused with 422.",
    ),
]


class Write:
    """One writing request: its key, its fingerprint and its caller."""

    def __init__(self, *, scope: str, key: str, fingerprint: bytes) -> None:
        self._scope = scope
        self._key = key
        self._fingerprint = fingerprint

    @property
    def key(self) -> str:
        """The key, for verbs that keep one of their own; unique for this caller and operation."""
        return f"{self._scope}|{self._key}"

    def once(
        self,
        verb: Callable[[Session], BaseModel | dict[str, Any] | None],
        *,
        status: int = 200,
        for_ever: bool = False,
    ) -> Response:
        """Run the verb in one transaction with its idempotency record and answer its result as JSON.

        A repeat gets the stored answer with the header `Idempotent-Replayed: true`. `for_ever` keeps the
        record of money verbs beyond 90 days.
        """

        def answer(session: Session) -> idempotency.Answer:
            result = verb(session)
            body = result.model_dump(mode="json") if isinstance(result, BaseModel) else result
            return idempotency.Answer(status, body)

        done = database().run(
            lambda session: idempotency.once(
                session,
                scope=self._scope,
                key=self._key,
                fingerprint=self._fingerprint,
                verb=answer,
                for_ever=for_ever,
            ),
            retry_s=RETRY_WRITES_S,
        )
        headers = {"Idempotent-Replayed": "true"} if done.repeated else None
        if done.status == 204:
            return Response(status_code=204, headers=headers)
        return JSONResponse(done.body, status_code=done.status, headers=headers)


async def _write(request: Request, caller: AnyCaller, key: IdempotencyKey) -> Write:
    body = await request.body()
    try:
        document = json.loads(body) if body else None
        fingerprint = idempotency.request_hash([request.method, request.url.path, document])
    except (ValueError, RecursionError):
        # Not JSON, or JSON that has no canonical form: the bytes themselves.
        fingerprint = idempotency.request_hash(
            [request.method, request.url.path, base64.b64encode(body).decode()]
        )
    route = getattr(request.scope.get("route"), "path", request.url.path)
    return Write(
        scope=f"{caller.kind}:{caller.id}:{request.method} {route}", key=key, fingerprint=fingerprint
    )


Writing = Annotated[Write, Depends(_write)]


# --- paging ----------------------------------------------------------------------------------------


class Paged(BaseModel, Generic[Item]):
    """One page of a list. `next_cursor` is null on the last page."""

    items: list[Item]
    next_cursor: str | None = Field(None, description="Give it back as `cursor` to read on")


@dataclass(frozen=True, slots=True)
class PageQuery:
    """How much of a list is wanted: at most `limit` items after the item that `after` names."""

    limit: int
    after: UUID | None


def _page(
    limit: Annotated[int, Query(ge=1, le=200, description="At most this many items")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=64, description="`next_cursor` of the page before")
    ] = None,
) -> PageQuery:
    if cursor is None:
        return PageQuery(limit, None)
    try:
        return PageQuery(limit, UUID(cursor))
    except ValueError:
        raise Invalid(N_("The cursor is not one that this list gave")) from None


PageParams = Annotated[PageQuery, Depends(_page)]


def paged(rows: list[Item], page: PageQuery, id_of: Callable[[Item], UUID]) -> Paged[Item]:
    """A page from rows that were read with `limit + 1`, ordered by id."""
    more = len(rows) > page.limit
    items = rows[: page.limit]
    return Paged(items=items, next_cursor=str(id_of(items[-1])) if more and items else None)


# --- problems --------------------------------------------------------------------------------------


class ProblemDocument(BaseModel):
    """An error answer (RFC 9457). `code` is stable; `title` and `detail` follow Accept-Language."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    params: dict[str, Any] | None = None
    errors: list[dict[str, str]] | None = Field(None, description="For invalid input: where and what")


_REASONS = {
    400: "Malformed request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "The present state does not allow this",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid input",
    429: "Too many requests",
    500: "Our fault",
    503: "Try again in a moment",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of an endpoint for these problem statuses."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        status: {"description": _REASONS[status], "content": {PROBLEM_TYPE: {"schema": schema}}}
        for status in statuses
    }


def locale_of(request: Request) -> str:
    """The language of this request: the `lang` cookie if the person chose one, else Accept-Language."""
    chosen = request.cookies.get("lang")
    return chosen if chosen in i18n.LOCALES else i18n.negotiate(request.headers.get("accept-language"))


def problem_response(request: Request, problem: Problem, **members: Any) -> JSONResponse:
    """A problem as the answer to a request."""
    locale = locale_of(request)
    headers = {"Content-Language": locale, "Cache-Control": "no-store"}
    if problem.status in {429, 503}:
        headers["Retry-After"] = "5"
    return JSONResponse(
        {**problem.document(locale), **members},
        status_code=problem.status,
        media_type=PROBLEM_TYPE,
        headers=headers,
    )


class _HttpProblem(Problem):
    """A failure that the framework found: unknown path, wrong method, malformed body."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status  # type: ignore[misc]  # the one class whose status is not fixed
        self.code = {404: "not-found", 405: "method-not-allowed"}.get(status, "bad-request")  # type: ignore[misc]
        self.title = {  # type: ignore[misc]
            404: NotFound.title,
            405: N_("This method is not allowed here"),
        }.get(status, Problem.title)


class NotText(Invalid):
    """PostgreSQL stores every character but U+0000, and UTF-8 has no form for half of a surrogate pair."""

    code = "not-text"
    title = N_("The request holds a character that is none: U+0000 or half of a surrogate pair")


class _OurFault(Problem):
    status = 500
    code = "internal-error"
    title = N_("Something went wrong on our side; nothing was changed")


def _on_validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise TypeError from error
    locale = locale_of(request)
    errors = [
        {"path": ".".join(str(part) for part in item["loc"]), "message": gettext(str(item["msg"]), locale)}
        for item in error.errors()[:50]
    ]
    return problem_response(request, Invalid(), errors=errors)


def _on_database_error(request: Request, error: Exception) -> Response:
    if isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and connection_lost(error)):
        log.warning("database not reachable", path=request.url.path, error=type(error).__name__)
        return problem_response(request, Unavailable())
    if isinstance(error, DataError) and "NUL (0x00)" in str(error.orig):
        return problem_response(request, NotText())
    return _on_any_error(request, error)


def _on_no_text(request: Request, error: Exception) -> Response:
    del error  # it repeats what was sent
    return problem_response(request, NotText())


def _on_any_error(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, exc_info=error)
    return problem_response(request, _OurFault())


def install(app: FastAPI, *, authenticate: Authenticator) -> None:
    """Give an app the problem handlers, the body limit and its authenticator."""

    def on_problem(request: Request, error: Exception) -> Response:
        if not isinstance(error, Problem):
            raise TypeError from error
        return problem_response(request, error)

    def on_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise TypeError from error
        answer = problem_response(request, _HttpProblem(error.status_code))
        answer.headers.update(error.headers or {})
        return answer

    app.state.authenticate = authenticate
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(DBAPIError, _on_database_error)
    app.add_exception_handler(PoolTimeout, _on_database_error)
    app.add_exception_handler(UnicodeEncodeError, _on_no_text)
    app.add_exception_handler(Exception, _on_any_error)
    app.add_middleware(LimitBody)


_larger: dict[re.Pattern[str], int] = {}


def allow_larger_body(path: str, limit_bytes: int) -> None:
    """Let requests to paths that match wholly (a regular expression) have bodies up to another limit.

    For files: whoever calls this reads them only for a caller who may hand them in.
    """
    _larger[re.compile(path)] = limit_bytes


class LimitBody:
    """Refuse request bodies above 1 MiB, or the limit of their path, whatever Content-Length says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit_bytes = _limit_of(scope["path"])
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > limit_bytes:
            await problem_response(Request(scope), TooLarge())(scope, receive, send)
            return
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit_bytes:
                raise TooLarge
            return message

        await self._app(scope, limited, send)


def _limit_of(path: str) -> int:
    return next((limit for pattern, limit in _larger.items() if pattern.fullmatch(path)), MAX_BODY_BYTES)
