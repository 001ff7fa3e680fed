"""Evidence for the borrower: handing it in for a report or an objection, what became of it, one's own file."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from throughline.continuity import service as continuity
from throughline.continuity.evidence import handing_in, looking, media, standing
from throughline.continuity.evidence.api import READ_BYTES, answer
from throughline.continuity.models import Episode
from throughline.kernel import clock, uploads
from throughline.kernel.db import database
from throughline.kernel.errors import NotFound, Problem
from throughline.kernel.http import AnyCaller, Reading, allow_larger_body, refuse_other_sites
from throughline.kernel.i18n import N_
from throughline.kernel.uploads import Upload
from throughline.web import forms
from throughline.web.borrower.common import Borrower, PageRoute, WellKnownBorrower, show

router = APIRouter(route_class=PageRoute)
allow_larger_body(r"/(outages|protections)/[0-9A-Fa-f-]{32,36}/evidence", READ_BYTES)

KINDS: dict[media.Kind, str] = {
    "carrier_notice": N_("The carrier's notice that the line is stopped"),
    "repair_receipt": N_("A receipt of the repair shop"),
    "police_report": N_("A report to the police"),
    "letter": N_("A letter of the carrier"),
    "other": N_("Something else"),
}
STATES = {
    "waiting": N_("a person looks at it"),
    "accepted": N_("accepted"),
    "refused": N_("not accepted"),
}


def _counted(request: Request, borrower_id: Borrower) -> Problem | None:
    refuse_other_sites(request)
    try:
        handing_in.count_try(borrower_id)
    except Problem as problem:
        return problem
    return None


async def _uploaded(
    request: Request, refused: Annotated[Problem | None, Depends(_counted)]
) -> Upload | Problem:
    """What was sent, or why it can't be taken, which the page says."""
    try:
        return refused or await uploads.read(request, media.MOST_BYTES)
    except Problem as problem:
        return problem


Uploaded = Annotated[Upload | Problem, Depends(_uploaded)]


@router.get("/outages/{episode_id}/evidence")
def report_page(request: Request, episode_id: UUID, borrower_id: Borrower, session: Reading) -> HTMLResponse:
    """What was handed in for a report, and the form to hand in more."""
    return _of_report(request, session, borrower_id, episode_id)


@router.post("/outages/{episode_id}/evidence")
def hand_in(
    request: Request, episode_id: UUID, borrower_id: Borrower, caller: AnyCaller, upload: Uploaded
) -> Response:
    """Hand in a file for a report."""
    try:
        new, form = _sent(upload)

        def verb(session: Session) -> str:
            handing_in.for_report(session, borrower_id, episode_id, new, now=clock.now())
            return f"/outages/{episode_id}/evidence#handed-in"

        return forms.once(request, caller, form, verb)
    except Problem as problem:
        with database().transaction() as session:
            return _of_report(request, session, borrower_id, episode_id, problem, _typed(upload))


@router.get("/protections/{case_id}/evidence")
def objection_page(request: Request, case_id: UUID, borrower_id: Borrower, session: Reading) -> HTMLResponse:
    """What was handed in for an objection, and the form to hand in more."""
    return _of_objection(request, session, borrower_id, case_id)


@router.post("/protections/{case_id}/evidence")
def hand_in_for_objection(
    request: Request, case_id: UUID, borrower_id: Borrower, caller: AnyCaller, upload: Uploaded
) -> Response:
    """Hand in a file for an objection that is open."""
    try:
        new, form = _sent(upload)

        def verb(session: Session) -> str:
            handing_in.for_appeal(session, borrower_id, case_id, new, now=clock.now())
            return f"/protections/{case_id}/evidence#handed-in"

        return forms.once(request, caller, form, verb)
    except Problem as problem:
        with database().transaction() as session:
            return _of_objection(request, session, borrower_id, case_id, problem, _typed(upload))


@router.get("/outage-evidence/{evidence_id}")
def own_file(evidence_id: UUID, borrower_id: WellKnownBorrower, session: Reading) -> Response:
    """My own file as it is kept; only for a session that was begun with a passkey or two factors."""
    return answer(looking.opened_by_owner(session, borrower_id, evidence_id))


def _sent(upload: Upload | Problem) -> tuple[media.NewFile, dict[str, str]]:
    """The new file, and the form by which a repeat of it is known. Raises what is wrong with it."""
    if isinstance(upload, Problem):
        raise upload
    new = media.looked_at(upload.fields.get("kind", ""), upload.fields.get("words", ""), upload.content)
    return new, {**upload.fields, "file": upload.sha256}


def _typed(upload: Upload | Problem) -> dict[str, str]:
    return {} if isinstance(upload, Problem) else dict(upload.fields)


def _of_report(
    request: Request,
    session: Session,
    borrower_id: UUID,
    episode_id: UUID,
    problem: Problem | None = None,
    typed: dict[str, str] | None = None,
) -> HTMLResponse:
    episode = handing_in.report_of(session, borrower_id, episode_id)
    closed: Problem | None = None
    try:
        handing_in.require_accepted(episode, now=clock.now())
    except Problem as found:
        closed = found
    back = "/outages"
    return _page(request, session, episode, None, back, closed, problem, typed)


def _of_objection(
    request: Request,
    session: Session,
    borrower_id: UUID,
    case_id: UUID,
    problem: Problem | None = None,
    typed: dict[str, str] | None = None,
) -> HTMLResponse:
    case = continuity.case(session, case_id)
    if case.borrower_id != borrower_id:
        raise continuity.CaseNotFound
    appeals = continuity.appeals_of(session, case_id)
    closed = None if appeals and appeals[-1].state == "open" else handing_in.NoOpenObjection()
    appeal_id = appeals[-1].id if appeals else None
    episode = handing_in.report_of(session, borrower_id, case.episode_id)
    back = f"/loans/{case.loan_id}"
    if appeal_id is None:
        raise handing_in.NoOpenObjection
    return _page(request, session, episode, appeal_id, back, closed, problem, typed)


def _page(
    request: Request,
    session: Session,
    episode: Episode,
    appeal_id: UUID | None,
    back: str,
    closed: Problem | None,
    problem: Problem | None,
    typed: dict[str, str] | None,
) -> HTMLResponse:
    if isinstance(problem, NotFound):
        raise problem
    rows = standing.files_of(session, episode.id, appeal_id=appeal_id)
    if closed is None and len(rows) >= standing.MOST_FILES:
        closed = handing_in.TooManyFiles(most=standing.MOST_FILES)
    until = None if appeal_id is not None else handing_in.accepted_until(episode)
    return show(
        request,
        "evidence.html",
        problem=problem,
        episode=episode,
        objection=appeal_id is not None,
        rows=[(row, standing.words_of(session, row)) for row in rows],
        answer_by=max((row.answer_by for row in rows if row.state == "waiting"), default=None),
        closed="" if closed is None else forms.explain(request, closed),
        until=until,
        kinds=KINDS,
        states=STATES,
        typed=typed or {},
        left=standing.MOST_FILES - len(rows),
        most_mb=media.MOST_BYTES // (1024 * 1024),
        most_words=media.MOST_WORDS,
        accept=",".join(media.ENDINGS),
        back=back,
    )
