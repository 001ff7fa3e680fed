"""HTTP of credit reports: what was said about me and why, my disputes; for staff the lists and the decisions."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock, http
from throughline.kernel.http import BorrowerId, Caller, Paged, PageParams, Reading, Writing, problems
from throughline.lending.bureau import answers, disputes, letters, views
from throughline.lending.bureau.standing import report_standing
from throughline.lending.business_day import business_date

router = APIRouter()
READER = [Depends(http.require_scope("lending:read"))]
Recorder = Annotated[Caller, Depends(http.require_scope("lending:write"))]
Words = Annotated[str, Field(min_length=1, max_length=2_000)]


class BilingualOut(BaseModel):
    """A text in both languages."""

    model_config = ConfigDict(populate_by_name=True)
    zh_cn: str = Field(alias="zh-CN")
    en: str


class SaidOut(BaseModel):
    """What the bureau is told: how the loan is paid by protected figures. `hold_code`: D disputed, H held."""

    rating: str
    days_late: int
    late_minor: int
    balance_minor: int
    hold_code: str | None


class MissingOut(BaseModel):
    """A piece of the precondition (a to e) that is missing, so that nothing negative is said."""

    piece: str
    code: str
    text: BilingualOut


class MyReportOut(BaseModel):
    """One report about me: what was said, when, and why or why not. `newest`: nothing was said of the month since."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    loan_id: UUID
    month: date
    as_of: date
    state: str
    corrects: UUID | None
    why: BilingualOut | None
    negative: bool
    said: SaidOut
    missing: list[MissingOut]
    notice_way: str | None
    noticed_at: datetime | None
    sent_at: datetime | None
    answered_at: datetime | None
    record_id: UUID | None
    confirmed_record_id: UUID | None
    newest: bool


class ReportOut(MyReportOut):
    """One report as staff see it. `past_due_days` is contractual and never leaves; `code` is the bureau's refusal."""

    borrower_id: UUID
    n: int
    past_due_days: int
    delinquent_days: int
    decision_id: UUID | None
    ref: str | None
    file_id: UUID | None
    tries: int
    code: str | None
    queued_at: datetime


class ReportFileOut(BaseModel):
    """One file on its way. Nobody asks about it any more when it is not settled and has no `next_step_at`."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    ref: str
    content_kind: str
    state: str
    items: int
    sha256: str
    sends: int
    asks: int
    code: str | None
    sent_at: datetime
    answered_at: datetime | None
    next_step_at: datetime | None


class MyDisputeOut(BaseModel):
    """A dispute of mine. `due_on`: the last day for the answer by the rule; `look_by`: when a person looks at it."""

    model_config = ConfigDict(from_attributes=True)
    id: UUID
    loan_id: UUID
    item_id: UUID
    month: date
    state: str
    came_from: str
    statement: str
    opened_at: datetime
    rule_id: str
    due_on: date
    due_at: datetime
    look_by: date | None
    provisional: bool
    overdue: bool
    resolved_at: datetime | None
    answer: BilingualOut | None


class DisputeOut(MyDisputeOut):
    """A dispute as staff see it. `answer_state`: whether the bureau that forwarded it has the decision."""

    borrower_id: UUID
    bureau_ref: str | None
    resolved_by: str | None
    answer_state: str


class StandingOut(BaseModel):
    """Whether a negative report would leave on a day, and what keeps it."""

    loan_id: UUID
    on: date
    negative: bool
    leaves: bool
    past_due_days: int
    delinquent_days: int
    said: SaidOut
    missing: list[MissingOut]
    noticed_on: date | None


class NewDispute(BaseModel):
    """What is wrong, in one's own words."""

    model_config = ConfigDict(extra="forbid")
    statement: Words


class NewResolution(BaseModel):
    """The decision, with its reason in both languages."""

    model_config = ConfigDict(extra="forbid")
    decision: Literal["upheld", "refused"]
    reason_zh: Words
    reason_en: Words


class NewLetter(BaseModel):
    """A registered letter that the post has handed over."""

    model_config = ConfigDict(extra="forbid")
    carrier: Annotated[str, Field(min_length=1, max_length=60)]
    tracking_number: Annotated[str, Field(min_length=8, max_length=40)]
    posted_on: date
    handed_over_on: date


class IdOut(BaseModel):
    """What was made."""

    id: UUID


@router.get("/me/credit-reports", responses=problems(401, 403, 422))
def my_reports(
    borrower_id: BorrowerId,
    session: Reading,
    page: PageParams,
    loan_id: Annotated[UUID | None, Query(description="Only of this loan")] = None,
) -> Paged[MyReportOut]:
    """What was reported about me, when, and why or why not, newest first."""
    rows = views.reports(
        session, borrower_id=borrower_id, loan_id=loan_id, after=page.after, limit=page.limit + 1
    )
    return http.paged([MyReportOut.model_validate(row) for row in rows], page, lambda row: row.id)


@router.post(
    "/me/credit-reports/{item_id}/disputes",
    response_model=IdOut,
    status_code=201,
    responses=problems(401, 403, 404, 409, 422),
)
def dispute_my_report(item_id: UUID, body: NewDispute, borrower_id: BorrowerId, write: Writing) -> Response:
    """Say that a report is wrong. Until it is decided nothing negative is said about its month."""

    def verb(session: Session) -> BaseModel:
        return IdOut(
            id=disputes.open_dispute(
                session, item_id, body.statement, borrower_id=borrower_id, now=clock.now()
            )
        )

    return write.once(verb, status=201)


@router.get("/me/credit-disputes", responses=problems(401, 403, 422))
def my_disputes(borrower_id: BorrowerId, session: Reading, page: PageParams) -> Paged[MyDisputeOut]:
    """My disputes by their deadlines."""
    rows = views.dispute_list(
        session, borrower_id=borrower_id, after=page.after, limit=page.limit + 1, now=clock.now()
    )
    return http.paged([MyDisputeOut.model_validate(row) for row in rows], page, lambda row: row.id)


@router.get("/credit-reports", responses=problems(401, 403, 422), dependencies=READER)
def list_reports(
    session: Reading,
    page: PageParams,
    which: Annotated[
        Literal["held", "corrections", "refused", "waiting"] | None,
        Query(
            description="held: not said, with what is missing; corrections: on their way; refused; waiting"
        ),
    ] = None,
    loan_id: Annotated[UUID | None, Query(description="Only of this loan")] = None,
) -> Paged[ReportOut]:
    """Reports, newest first."""
    rows = views.reports(session, which=which, loan_id=loan_id, after=page.after, limit=page.limit + 1)
    return http.paged([ReportOut.model_validate(row) for row in rows], page, lambda row: row.id)


@router.get("/credit-reports/files", responses=problems(401, 403, 422), dependencies=READER)
def list_files(session: Reading, page: PageParams) -> Paged[ReportFileOut]:
    """Files for the bureau, newest first."""
    rows = views.files(session, after=page.after, limit=page.limit + 1)
    return http.paged([ReportFileOut.model_validate(row) for row in rows], page, lambda row: row.id)


@router.get("/credit-reports/{item_id}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_report(item_id: UUID, session: Reading) -> ReportOut:
    """One report."""
    return ReportOut.model_validate(views.report(session, item_id))


@router.post(
    "/credit-reports/{item_id}/retry",
    response_model=IdOut,
    responses=problems(401, 403, 404, 409, 422),
)
def retry_report(item_id: UUID, caller: Recorder, write: Writing) -> Response:
    """Send a report that the bureau refused again, with the figures of now."""
    del caller

    def verb(session: Session) -> BaseModel:
        answers.retry(session, item_id, now=clock.now())
        return IdOut(id=item_id)

    return write.once(verb)


@router.get("/credit-disputes", responses=problems(401, 403, 422), dependencies=READER)
def list_disputes(
    session: Reading,
    page: PageParams,
    state: Annotated[Literal["open", "upheld", "refused"] | None, Query(description="Only these")] = None,
) -> Paged[DisputeOut]:
    """Disputes by deadline, the nearest first."""
    rows = views.dispute_list(session, state=state, after=page.after, limit=page.limit + 1, now=clock.now())
    return http.paged([DisputeOut.model_validate(row) for row in rows], page, lambda row: row.id)


@router.post(
    "/credit-disputes/{dispute_id}/resolution",
    response_model=IdOut,
    responses=problems(401, 403, 404, 409, 422),
)
def resolve_dispute(dispute_id: UUID, body: NewResolution, caller: Recorder, write: Writing) -> Response:
    """Decide a dispute. Upheld, the report is corrected for good; refused, what stood comes back."""
    reason = {"zh-CN": body.reason_zh, "en": body.reason_en}

    def verb(session: Session) -> BaseModel:
        decision = disputes.Resolution(body.decision == "upheld", reason, f"{caller.kind}:{caller.id}")
        disputes.resolve(session, dispute_id, decision, now=clock.now())
        return IdOut(id=dispute_id)

    return write.once(verb)


@router.get("/loans/{loan_id}/report-standing", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_standing(
    loan_id: UUID, session: Reading, on: Annotated[date | None, Query(description="Today without it")] = None
) -> StandingOut:
    """Would a negative report of this loan leave, and what keeps it?"""
    found = report_standing(session, loan_id, on or business_date(session))
    document: dict[str, Any] = {
        name: getattr(found, name) for name in StandingOut.model_fields if name not in {"said", "missing"}
    }
    return StandingOut(
        **document,
        said=SaidOut(**found.said.document()),
        missing=[MissingOut.model_validate(one) for one in found.missing],
    )


@router.post(
    "/loans/{loan_id}/registered-letters",
    response_model=IdOut,
    status_code=201,
    responses=problems(401, 403, 404, 409, 422),
)
def record_letter(loan_id: UUID, body: NewLetter, caller: Recorder, write: Writing) -> Response:
    """Record a registered letter about a delay: a notice from the day on which it was handed over."""

    def verb(session: Session) -> BaseModel:
        letter = letters.Letter(body.carrier, body.tracking_number, body.posted_on, body.handed_over_on)
        by = f"{caller.kind}:{caller.id}"
        return IdOut(id=letters.record_letter(session, loan_id, letter, by=by, now=clock.now()))

    return write.once(verb, status=201)
