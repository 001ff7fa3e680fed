"""What waits for a second person: the list, and one proposal with what it would change and the decision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.identity import service as identity
from throughline.kernel import clock
from throughline.kernel.errors import Invalid, NotFound
from throughline.kernel.http import Caller, PageParams, Reading, locale_of, paged
from throughline.kernel.i18n import N_, gettext
from throughline.lending import service as lending
from throughline.lending.second_person import ProposalState, ReasonMissing, scope_of
from throughline.lending.what_if import quote_of
from throughline.web import forms
from throughline.web.console.borrowers import masked_names
from throughline.web.console.common import ConsoleRoute, show, staff_with
from throughline.web.forms import Form

router = APIRouter(route_class=ConsoleRoute)
Reader = Annotated[Caller, Depends(staff_with("lending:read", "parties:read"))]
ACTS = {"approve": lending.approve, "refuse": lending.refuse}


@router.get("/console/proposals")
def proposal_list(
    request: Request,
    session: Reading,
    page: PageParams,
    caller: Reader,
    state: Annotated[ProposalState | None, Query()] = None,
) -> HTMLResponse:
    """Proposals, newest first."""
    rows = lending.proposals(session, state=state, after=page.after, limit=page.limit + 1, now=clock.now())
    found = paged(rows, page, lambda row: row.id)
    return show(
        request,
        "proposals.html",
        rows=found.items,
        names=_borrowers(session, found.items),
        people=_people(request, session, [row.proposed_by for row in found.items]),
        me=_me(caller),
        state=state.value if state else None,
        states=[one.value for one in ProposalState],
        next_cursor=found.next_cursor,
    )


@router.get("/console/proposals/{proposal_id}")
def proposal_page(request: Request, proposal_id: UUID, session: Reading, caller: Reader) -> HTMLResponse:
    """One proposal: what it would change, and the decision for whoever may take it."""
    return _page(request, session, proposal_id, caller)


@router.post("/console/proposals/{proposal_id}/{act}")
def decide(
    request: Request, proposal_id: UUID, act: str, session: Reading, caller: Reader, form: Form
) -> Response:
    """Approve, refuse with a reason, or take one's own back; once for the form."""
    if act not in {*ACTS, "withdraw"}:
        raise NotFound
    if act == "approve" and form.get("confirm") != "yes":
        raise Invalid(N_("Nothing was decided: confirm that you have looked at what it would change"))

    def verb(inner: Session) -> str:
        who: dict[str, Any] = {"by": _me(caller), "scopes": caller.scopes, "now": clock.now()}
        if act == "withdraw":
            lending.withdraw(inner, proposal_id, **who)
        else:
            ACTS[act](inner, proposal_id, reason=form.get("reason", "") or None, **who)
        return f"/console/proposals/{proposal_id}"

    try:
        return forms.once(request, caller, form, verb)
    except ReasonMissing as error:
        said = forms.explain(request, error)
        return _page(
            request, session, proposal_id, caller, wrong=act, said=said, typed=form.get("reason", "")
        )


def _page(
    request: Request,
    session: Session,
    proposal_id: UUID,
    caller: Caller,
    *,
    wrong: str = "",
    said: str = "",
    typed: str = "",
) -> HTMLResponse:
    one = lending.proposal(session, proposal_id, now=clock.now())
    waits = one.state is ProposalState.WAITING
    found, refused = None, ""
    if waits and one.loan_id is not None:
        try:
            found = lending.proposal_what_if(session, one, now=clock.now())
        except (lending.EventRefused, lending.ChargeNotAgreed) as error:
            refused = forms.explain(request, error)
    return show(
        request,
        "proposal.html",
        status=422 if said else 200,
        one=one,
        loan=lending.loan_view(session, one.loan_id) if one.loan_id else None,
        names=_borrowers(session, [one]),
        people=_people(request, session, [who for who in (one.proposed_by, one.decided_by) if who]),
        found=found,
        quotes=(quote_of(found.before), quote_of(found.after)) if found else None,
        refused=refused,
        waits=waits,
        mine=one.proposed_by == _me(caller),
        may=scope_of(one.kind) in caller.scopes,
        wrong=wrong,
        said=said,
        typed=typed,
    )


def _me(caller: Caller) -> str:
    return f"staff:{caller.id}"


def _borrowers(session: Session, rows: Iterable[lending.Proposal]) -> dict[UUID, str]:
    return masked_names(session, {row.borrower_id for row in rows if row.borrower_id})


def _people(request: Request, session: Session, actors: Iterable[str]) -> dict[str, str]:
    """How staff sign in, by how the history calls them; of a program the end of its key's id."""
    found = {}
    for actor in set(actors):
        kind, _, key = actor.partition(":")
        if kind == "staff":
            found[actor] = identity.staff_name(session, UUID(key)) or actor
        else:
            found[actor] = gettext(N_("program …%(id)s"), locale_of(request), id=key[-8:])
    return found
