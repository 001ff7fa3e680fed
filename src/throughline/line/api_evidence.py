"""JSON API of evidence about lines: what apps and integrations send, what borrowers claim, what staff read of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.errors import Invalid, TooMany
from throughline.kernel.http import (
    BorrowerId,
    Caller,
    Paged,
    PageParams,
    Reading,
    Writing,
    paged,
    problems,
    require_scope,
)
from throughline.kernel.i18n import N_
from throughline.line import emissions, history, overview, reading, service
from throughline.line.signals import MAX_ATTRIBUTES, Signal
from throughline.parties import contact

router = APIRouter()  # part of the one in api.py
Reader = Annotated[Caller, Depends(require_scope("line:read"))]
Writer = Annotated[Caller, Depends(require_scope("line:write"))]

MAX_SIGNALS = 500
MAX_BEATS = 100
OLDEST = timedelta(days=30)
BEATS_A_DAY = 600  # of a borrower; the app sends a few an hour
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
Value = Annotated[str, Field(max_length=64)] | bool | Annotated[int, Field(ge=-(2**53), le=2**53)]


class TooManyHeartbeats(TooMany):
    """An app sends more signs of life than an app needs to."""

    code = "too-many-heartbeats"
    title = N_("The app sends too many signs of life; it shall wait until tomorrow")


class HistoryImpossible(Invalid):
    """A chart of no time or of too many points."""

    code = "line-history-impossible"
    title = N_(
        "A history has 2 to 500 points of a time that begins before it ends and is at most 400 days long"
    )


class Beat(BaseModel):
    """A sign of life of the app: when, and over which kind of transport. Nothing about where."""

    model_config = ConfigDict(extra="forbid")
    observed_at: AwareDatetime
    transport: Literal["cellular", "wifi"]


class Beats(BaseModel):
    """Signs of life since the last time the app could send."""

    model_config = ConfigDict(extra="forbid")
    heartbeats: Annotated[list[Beat], Field(min_length=1, max_length=MAX_BEATS)]


class Taken(BaseModel):
    """How many were taken; a repeat is taken and changes nothing."""

    taken: int


@router.post("/me/heartbeats", status_code=202, responses=problems(401, 403, 422, 429))
def beat(borrower_id: BorrowerId, body: Beats) -> Taken:
    """The borrower's app is alive. It is evidence about the line where the borrower agreed that it is watched."""
    return database().run(lambda session: _beat(session, borrower_id, body))


def _beat(session: Session, borrower_id: UUID, body: Beats) -> Taken:
    now = clock.now()
    watched = service.lines_of_borrowers(session, {borrower_id}).get(borrower_id, [])
    heard = [
        (
            line_id,
            Signal(
                one.observed_at.astimezone(UTC), "app.heartbeat", "app", None, {"transport": one.transport}
            ),
        )
        for one in body.heartbeats
        if now - OLDEST <= one.observed_at
        for line_id in watched
    ]
    lately = service.received_lately(session, watched, "app.heartbeat", now=now)
    if heard and lately + len(heard) > BEATS_A_DAY * len(watched):
        raise TooManyHeartbeats
    service.take_in(session, heard, now=now, at_once=True)
    return Taken(taken=len(body.heartbeats))


class SignalIn(BaseModel):
    """One observation of a line, named by its id or by its number in E.164."""

    model_config = ConfigDict(extra="forbid")
    line_id: UUID | None = None
    number: Annotated[str | None, Field(max_length=40)] = None
    observed_at: AwareDatetime
    source: Word
    provider: Word | None = None
    code: Word | None = None
    attributes: Annotated[dict[Word, Value], Field(max_length=MAX_ATTRIBUTES)] = Field(default_factory=dict)


class SignalsIn(BaseModel):
    """Up to 500 observations."""

    model_config = ConfigDict(extra="forbid")
    signals: Annotated[list[SignalIn], Field(min_length=1, max_length=MAX_SIGNALS)]


class RowProblem(BaseModel):
    """Why a row was not taken: `row` counts from 0."""

    row: int
    code: Literal["line-unknown", "source-unknown", "time-impossible", "line-unnamed"]


class SignalsOut(BaseModel):
    """What was taken; rows that were not, with the reason. A repeated row is taken and changes nothing."""

    taken: int
    refused: list[RowProblem]


@router.post("/lines/signals", status_code=202, responses=problems(401, 403, 409, 422))
def take_signals(caller: Writer, write: Writing, body: SignalsIn) -> Response:
    """Evidence that another system has: causes of calls from a SIP gateway, receipts, checks of a vendor."""
    del caller
    return write.once(lambda session: _take(session, body), status=202)


def _take(session: Session, body: SignalsIn) -> SignalsOut:
    now = clock.now()
    known = emissions.sources()
    numbers = {row.number: _normal(row.number) for row in body.signals if row.number is not None}
    by_number = service.lines_of_numbers(session, {one for one in numbers.values() if one is not None})
    ids = service.lines_that_are(session, {row.line_id for row in body.signals if row.line_id is not None})
    heard: list[tuple[UUID, Signal]] = []
    refused: list[RowProblem] = []
    for place, row in enumerate(body.signals):
        named = row.line_id if row.line_id in ids else by_number.get(numbers.get(row.number or "") or "")
        if (row.line_id is None) == (row.number is None):
            refused.append(RowProblem(row=place, code="line-unnamed"))
        elif row.source not in known:
            refused.append(RowProblem(row=place, code="source-unknown"))
        elif not now - service.LONGEST_PAST <= row.observed_at <= now + timedelta(minutes=5):
            refused.append(RowProblem(row=place, code="time-impossible"))
        elif named is None:
            refused.append(RowProblem(row=place, code="line-unknown"))
        else:
            at = row.observed_at.astimezone(UTC)
            heard.append((named, Signal(at, row.source, row.provider, row.code, dict(row.attributes))))
    service.take_in(session, heard, now=now)
    return SignalsOut(taken=len(heard), refused=refused)


def _normal(number: str) -> str | None:
    try:
        return contact.phone(number)
    except ValueError:
        return None


class ClaimIn(BaseModel):
    """What the borrower says: in which state the line was, from when, to when (empty: it still is)."""

    model_config = ConfigDict(extra="forbid")
    state: Literal["active", "out_suspended", "suspended", "pre_cancelled", "cancelled", "device_off"]
    from_at: AwareDatetime
    to_at: AwareDatetime | None = None


class ClaimMade(BaseModel):
    """The claim was stored. It changes no belief by itself."""

    claim_id: UUID


class ClaimOut(BaseModel):
    """A claim as staff see it. `contradicted_at` empty: nothing speaks against it."""

    id: UUID
    line_id: UUID
    borrower_id: UUID
    state: str
    from_at: datetime
    to_at: datetime | None
    made_at: datetime
    made_by: str
    contradicted_at: datetime | None
    evidence: list[Any]


@router.post("/me/lines/{line_id}/claims", status_code=201, responses=problems(401, 403, 404, 409, 422))
def claim(borrower_id: BorrowerId, write: Writing, line_id: UUID, body: ClaimIn) -> Response:
    """Tell us how your line was. Missing evidence never speaks against it."""
    return write.once(
        lambda session: ClaimMade(
            claim_id=service.claim(
                session,
                borrower_id,
                line_id,
                state=body.state,
                from_at=body.from_at.astimezone(UTC),
                to_at=body.to_at.astimezone(UTC) if body.to_at else None,
                now=clock.now(),
            )
        ),
        status=201,
    )


@router.get("/lines/{line_id}/claims", responses=problems(401, 403, 404, 422))
def list_claims(caller: Reader, session: Reading, line_id: UUID) -> list[ClaimOut]:
    """What was claimed of a line and what speaks against it, newest first (at most 100)."""
    del caller
    reading.line_row(session, line_id)
    return [ClaimOut.model_validate(row, from_attributes=True) for row in service.claims_of(session, line_id)]


class PointOut(BaseModel):
    """The belief at an instant: the probability of each public state, 0-1 with four decimals."""

    at: datetime
    p: dict[str, str]


@router.get("/lines/{line_id}/history", responses=problems(401, 403, 404, 422))
def read_history(
    caller: Reader,
    session: Reading,
    line_id: UUID,
    since: AwareDatetime,
    until: AwareDatetime,
    points: Annotated[int, Query(ge=2, le=history.MAX_POINTS)] = 100,
) -> list[PointOut]:
    """A line's belief over time, from the evidence that is known today."""
    del caller
    if not since < until <= since + timedelta(days=400):
        raise HistoryImpossible
    reading.line_row(session, line_id)
    return [
        PointOut(at=at, p={state.value: f"{chance:.4f}" for state, chance in p.items()})
        for at, p in service.history(session, line_id, since, until, points)
    ]


class IncidentOut(BaseModel):
    """Many lines of a carrier and region failing together. `region` is empty for a carrier as a whole."""

    id: UUID
    carrier: str
    region: str
    onset_at: datetime
    raised_at: datetime
    cleared_at: datetime | None
    lines: int


@router.get("/line-incidents", responses=problems(401, 403, 422))
def list_incidents(
    caller: Reader, session: Reading, page: PageParams, open_only: bool = False
) -> Paged[IncidentOut]:
    """Incidents, newest first."""
    del caller
    rows = overview.incidents(session, open_only=open_only, after=page.after, limit=page.limit + 1)
    return paged(
        [IncidentOut.model_validate(row, from_attributes=True) for row in rows], page, lambda row: row.id
    )
