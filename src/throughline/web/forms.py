"""Forms of pages: read, run once, answer with a redirect or the page again with its errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from throughline.kernel import idempotency
from throughline.kernel.db import database
from throughline.kernel.errors import Problem, TooLarge
from throughline.kernel.http import RETRY_WRITES_S, Caller, locale_of, refuse_other_sites
from throughline.kernel.i18n import gettext
from throughline.kernel.ids import new_id

MAX_FIELDS = 200


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form, trimmed; a field given twice keeps its last value.

    Also without a cookie a form of another site's page is refused: nobody may register a person or sign
    them in to an account that is not theirs.
    """
    refuse_other_sites(request)
    body = await request.body()
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise TooLarge from None
    return {name: value.strip() for name, value in pairs}


Form = Annotated[dict[str, str], Depends(read_form)]


def fresh_key() -> str:
    """A key for a form that is about to be shown: pressing twice sends the same one."""
    return str(new_id())


def run_once(
    request: Request, caller: Caller, form: Mapping[str, str], verb: Callable[[Session], Any]
) -> Any:
    """Run a form's verb at most once for its hidden key; a repeat of the same form gets the stored result.

    The result is kept as JSON, sealed. Raises what the verb raises; then the same key may be sent again.
    """
    key = form.get("idempotency_key", "")[:200] or fresh_key()
    visible = {name: value for name, value in form.items() if name != "idempotency_key"}
    done = database().run(
        lambda session: idempotency.once(
            session,
            scope=f"{caller.kind}:{caller.id}:form {request.url.path}",
            key=key,
            fingerprint=idempotency.request_hash(visible),
            verb=lambda inner: idempotency.Answer(303, verb(inner)),
        ),
        retry_s=RETRY_WRITES_S,
    )
    return done.body


def once(
    request: Request, caller: Caller, form: Mapping[str, str], verb: Callable[[Session], str]
) -> RedirectResponse:
    """Run a form's verb at most once and go to the path of this site that it returns."""
    return RedirectResponse(run_once(request, caller, form, verb), status_code=303)


def explain(request: Request, problem: Problem) -> str:
    """A problem as one sentence in the reader's language."""
    return gettext(problem.detail or problem.title, locale_of(request), **problem.params)
