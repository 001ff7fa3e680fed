"""A route whose failures are pages, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from throughline.kernel.db import connection_lost
from throughline.kernel.errors import NotFound, Problem, Unavailable


class PageRoute(APIRoute):
    """A route of pages. What a face does with a problem, `problem_page` says."""

    @staticmethod
    def problem_page(request: Request, problem: Problem) -> Response:
        """A problem as a page of this face."""
        raise NotImplementedError

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route with its failures turned into pages."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                found = problem
            except RequestValidationError:
                # An id, a date or a cursor that is none: the address leads nowhere.
                found = NotFound()
            except (DBAPIError, PoolTimeout) as error:
                if isinstance(error, DBAPIError) and not connection_lost(error):
                    raise
                found = Unavailable()
            page = self.problem_page(request, found)
            if found.status in {429, 503}:
                page.headers["Retry-After"] = "5"
            return page

        return answer
