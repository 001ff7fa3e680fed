"""HTTP for borrowers and the public: reporting an outage, objecting to a decision, the policy that is applied."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.continuity import reports, service
from throughline.continuity.models import Appeal, Episode
from throughline.contracts import outage, outage_words
from throughline.kernel import clock
from throughline.kernel.errors import NotFound
from throughline.kernel.http import BorrowerId, Paged, PageParams, Reading, Writing, paged, problems
from throughline.kernel.i18n import N_, Text

router = APIRouter(prefix="/api/v1", tags=["continuity"])
Kind = Literal["line_out", "phone_lost", "phone_broken", "number_changed"]


class PolicyUnknown(NotFound):
    """No such version of the outage policy."""

    code = "outage-policy-not-found"
    title = N_("There is no such version of the outage policy")


class ReportIn(BaseModel):
    """What I report of myself. `to_at` is left out while it goes on."""

    model_config = ConfigDict(extra="forbid")
    kind: Kind
    from_at: AwareDatetime
    to_at: AwareDatetime | None = None


class MyOutageOut(BaseModel):
    """An outage that touches me: what it is, on whose word, and since when."""

    id: UUID
    cause: Literal["line", "carrier", "own", "claim"]
    kind: str
    source: Literal["line", "incident", "claim", "staff"]
    state: Literal["open", "closed", "merged"]
    dark_since: datetime
    back_at: datetime | None
    merged_into: UUID | None
    reason: Text


class AppealIn(BaseModel):
    """Why I object to a decision, in my own words."""

    model_config = ConfigDict(extra="forbid")
    words: Annotated[str, Field(min_length=1, max_length=2_000)]


class MyAppealOut(BaseModel):
    """An objection of mine and its answer."""

    id: UUID
    case_id: UUID
    state: Literal["open", "upheld", "dismissed"]
    made_at: datetime
    decided_at: datetime | None
    answer: Text | None


class PolicyRowOut(BaseModel):
    """One row of the policy with the sentence of the contract's clause that is written from it; days and percent
    as in the table.
    """

    id: str
    valid_from: date
    valid_until: date | None
    cause: str
    kinds: list[str]
    proof: str
    min_probability_percent: int
    lead_days: int
    cap_days: int
    catch_up_days: int
    grace_days: int | None
    reached_days: int | None
    reopen_days: int
    requested_cap_days: int | None
    most_cases: int | None
    most_in_days: int | None
    shift_working_days: int | None
    measures: list[str]
    review_measures: list[str]
    words: Text


class PolicyOut(BaseModel):
    """A version of the policy. `digest`: SHA-256 over its canonical JSON, as contracts name it."""

    version: str
    published_on: date
    digest: str
    rows: list[PolicyRowOut]


@router.post("/me/outages", status_code=201, responses=problems(401, 403, 409, 422))
def report_outage(body: ReportIn, borrower_id: BorrowerId, write: Writing) -> Response:
    """Report that I cannot be reached. Evidence, where there is any, comes from elsewhere and counts for more."""

    def verb(session: Session) -> MyOutageOut:
        episode_id = service.report(
            session, borrower_id, body.kind, from_at=body.from_at, to_at=body.to_at, now=clock.now()
        )
        return _mine(service.episode(session, episode_id))

    return write.once(verb, status=201)


@router.get("/me/outages", responses=problems(401, 403, 422))
def my_outages(borrower_id: BorrowerId, session: Reading, page: PageParams) -> Paged[MyOutageOut]:
    """Outages that touch me, newest first."""
    rows = service.episodes_page(session, borrower_id=borrower_id, after=page.after, limit=page.limit + 1)
    return paged([_mine(row) for row in rows], page, lambda row: row.id)


@router.post("/me/outages/{episode_id}/over", responses=problems(401, 403, 404, 409, 422))
def my_outage_is_over(episode_id: UUID, borrower_id: BorrowerId, write: Writing) -> Response:
    """Say that what I reported is over."""

    def verb(session: Session) -> MyOutageOut:
        reports.over(session, borrower_id, episode_id, back_at=clock.now(), now=clock.now())
        return _mine(service.episode(session, episode_id))

    return write.once(verb)


@router.post(
    "/me/protections/{case_id}/appeals", status_code=201, responses=problems(401, 403, 404, 409, 422)
)
def appeal(case_id: UUID, body: AppealIn, borrower_id: BorrowerId, write: Writing) -> Response:
    """Object to a decision about me. Another person decides; nothing negative is reported meanwhile."""

    def verb(session: Session) -> MyAppealOut:
        return _appeal(service.appeal(session, borrower_id, case_id, body.words, now=clock.now()))

    return write.once(verb, status=201)


@router.get("/me/protections/{case_id}/appeals", responses=problems(401, 403, 404, 422))
def my_appeals(case_id: UUID, borrower_id: BorrowerId, session: Reading) -> list[MyAppealOut]:
    """My objections to one decision (at most three) and their answers."""
    if service.case(session, case_id).borrower_id != borrower_id:
        raise service.CaseNotFound
    return [_appeal(row) for row in service.appeals_of(session, case_id)]


@router.get("/outage-policy", responses=problems(422))
def outage_policies() -> list[PolicyOut]:
    """The versions of the outage policy, oldest first (a handful): what contracts promise and what is applied."""
    return [_policy(one) for one in outage.shipped()]


@router.get("/outage-policy/{version}", responses=problems(404, 422))
def outage_policy(version: Annotated[str, Path(pattern=r"^[a-z0-9-]{1,60}$")]) -> PolicyOut:
    """One version of the outage policy."""
    found = outage.version(version)
    if found is None:
        raise PolicyUnknown
    return _policy(found)


def _mine(row: Episode) -> MyOutageOut:
    return MyOutageOut.model_validate(row, from_attributes=True)


def _appeal(row: Appeal) -> MyAppealOut:
    return MyAppealOut.model_validate(row, from_attributes=True)


def _policy(one: outage.OutagePolicy) -> PolicyOut:
    rows = [
        PolicyRowOut(
            id=row.id,
            valid_from=row.valid_from,
            valid_until=row.valid_until,
            cause=row.cause,
            kinds=sorted(row.kinds),
            proof=row.proof,
            min_probability_percent=row.min_probability_percent,
            lead_days=row.lead_days,
            cap_days=row.cap_days,
            catch_up_days=row.catch_up_days,
            grace_days=row.grace_days,
            reached_days=row.reached_days,
            reopen_days=row.reopen_days,
            requested_cap_days=row.requested_cap_days,
            most_cases=row.most_cases,
            most_in_days=row.most_in_days,
            shift_working_days=row.shift_working_days,
            measures=sorted(row.measures),
            review_measures=sorted(row.review_measures),
            words=outage_words.row_words(row),
        )
        for row in one.rows
    ]
    return PolicyOut(version=one.version, published_on=one.published_on, digest=one.digest, rows=rows)
