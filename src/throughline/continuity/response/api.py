"""HTTP of responses, for staff: playbooks, the checklist with proof, the log, clocks, the report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.continuity.api_decisions import staff_id
from throughline.continuity.response import playbooks, report, service
from throughline.continuity.response.models import Response as ResponseRow
from throughline.kernel import clock
from throughline.kernel.http import (
    AnyCaller,
    Paged,
    PageParams,
    Reading,
    Writing,
    paged,
    problems,
    require_scope,
)
from throughline.kernel.i18n import Text

router = APIRouter(prefix="/api/v1", tags=["responses"])
READER = [Depends(require_scope("continuity:read"))]
WRITER = [Depends(require_scope("continuity:write"))]
REFUSED = problems(401, 403, 404, 409, 422)
Line = Annotated[str, Field(min_length=1, max_length=500)]
Words = Annotated[str, Field(min_length=1, max_length=1_000)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]


class Model(BaseModel):
    """Nothing beside the members."""

    model_config = ConfigDict(extra="forbid")


class Both(Model):
    """A text in both languages."""

    zh: Words
    en: Words

    def text(self) -> Text:
        """As it is stored."""
        return {"zh-CN": self.zh, "en": self.en}


class StartIn(Model):
    """An incident to respond to; without `playbook` the one that fits it."""

    incident_id: UUID
    playbook: Name | None = None


class StepIn(Model):
    """What proves that the step was done."""

    proof: Line


class ActionIn(Model):
    """What was done beside the plan."""

    words: Words


class SeverityIn(Model):
    """Another severity, and why."""

    severity: Literal["S1", "S2", "S3", "S4"]
    reason: Line


class RoleIn(Model):
    """A role and who takes it; without `holder` the caller."""

    role: Name
    holder: UUID | None = None


class AwareIn(Model):
    """When we became aware that it is an incident."""

    at: AwareDatetime


class ClassIn(Model):
    """The class of the incident for one regime."""

    regime: Name
    incident_class: Literal["none", "general", "larger", "major"]


class PublicNoteIn(Both):
    """A public note; without `next_update_by` what the severity asks for."""

    stage: Literal["noticed", "identified", "fixed", "closed", "update"]
    next_update_by: AwareDatetime | None = None


class GraceIn(Both):
    """The decision about grace that is proposed, with the reason."""

    needed: bool


class ReportSentIn(Model):
    """A report that a person has sent to an authority."""

    clock: Name
    reference: Line
    sent_at: AwareDatetime


class CloseIn(Model):
    """What was learned."""

    lessons: Annotated[str, Field(min_length=1, max_length=2_000)]


class PlaybookOut(BaseModel):
    """A plan for one kind of trouble. `steps` and `messages` as in its YAML."""

    id: str
    title: Text
    cause: str
    kinds: list[str]
    steps: list[dict[str, Any]]
    messages: dict[str, Text]


class ResponseOut(BaseModel):
    """A response in short."""

    id: UUID
    incident_id: UUID
    playbook: str
    severity: str
    state: Literal["open", "closed"]
    opened_at: datetime
    closed_at: datetime | None


@router.get("/playbooks", responses=problems(401, 403, 422), dependencies=READER)
def list_playbooks() -> list[PlaybookOut]:
    """The playbooks of this installation (a handful)."""
    return [
        PlaybookOut(
            id=one.id,
            title=one.title,
            cause=one.cause,
            kinds=sorted(one.kinds),
            steps=[
                {
                    "id": step.id,
                    "who": step.who,
                    "within_min": step.within_min,
                    "what": step.what,
                    "proof": step.proof,
                }
                for step in one.steps
            ],
            messages=dict(one.messages),
        )
        for one in playbooks.shipped()
    ]


@router.get("/responses", responses=problems(401, 403, 422), dependencies=READER)
def list_responses(
    session: Reading,
    page: PageParams,
    state: Annotated[Literal["open", "closed"] | None, Query(description="Only these")] = None,
) -> Paged[ResponseOut]:
    """Responses, newest first."""
    rows = service.responses(session, state=state, after=page.after, limit=page.limit + 1)
    return paged([_short(row) for row in rows], page, lambda row: row.id)


@router.get("/responses/{response_id}", responses=problems(401, 403, 404, 422), dependencies=READER)
def read_response(response_id: UUID, session: Reading) -> dict[str, Any]:
    """The whole response as it stands: checklist, promises, clocks, severity history, roles, log. Also its report."""
    return report.build(session, service.response(session, response_id), now=clock.now())


@router.post("/responses", status_code=201, responses=REFUSED, dependencies=WRITER)
def start_response(body: StartIn, caller: AnyCaller, write: Writing) -> Response:
    """Start the response to an incident by hand, or get the one that is there."""
    by = staff_id(caller)

    def verb(session: Session) -> ResponseOut:
        found = service.start(session, body.incident_id, now=clock.now(), by=by, playbook_id=body.playbook)
        if found is None:
            raise service.ResponseImpossible
        return _short(found)

    return write.once(verb, status=201)


def _writes(write: Writing, response_id: UUID, verb: Callable[[Session, datetime], Any]) -> Response:
    """Run a verb once and answer the response as it stands then."""

    def run(session: Session) -> dict[str, Any]:
        now = clock.now()
        verb(session, now)
        return report.build(session, service.response(session, response_id), now=now)

    return write.once(run)


@router.post("/responses/{response_id}/steps/{step_id}", responses=REFUSED, dependencies=WRITER)
def step_done(response_id: UUID, step_id: Name, body: StepIn, caller: AnyCaller, write: Writing) -> Response:
    """Tick a step off, with its proof."""
    by = staff_id(caller)
    return _writes(
        write, response_id, lambda s, now: service.done(s, response_id, step_id, body.proof, by=by, now=now)
    )


@router.post("/responses/{response_id}/actions", responses=REFUSED, dependencies=WRITER)
def write_action(response_id: UUID, body: ActionIn, caller: AnyCaller, write: Writing) -> Response:
    """Write down what was done beside the plan."""
    by = staff_id(caller)
    return _writes(write, response_id, lambda s, now: service.act(s, response_id, body.words, by=by, now=now))


@router.post("/responses/{response_id}/severity", responses=REFUSED, dependencies=WRITER)
def set_severity(response_id: UUID, body: SeverityIn, caller: AnyCaller, write: Writing) -> Response:
    """Change the severity, with a reason."""
    by = staff_id(caller)
    return _writes(
        write,
        response_id,
        lambda s, now: service.set_severity(s, response_id, body.severity, body.reason, by=by, now=now),
    )


@router.post("/responses/{response_id}/roles", responses=REFUSED, dependencies=WRITER)
def take_role(response_id: UUID, body: RoleIn, caller: AnyCaller, write: Writing) -> Response:
    """Give a role to somebody."""
    by = staff_id(caller)
    return _writes(
        write,
        response_id,
        lambda s, now: service.take_role(s, response_id, body.role, body.holder or by, by=by, now=now),
    )


@router.post("/responses/{response_id}/awareness", responses=REFUSED, dependencies=WRITER)
def say_aware(response_id: UUID, body: AwareIn, caller: AnyCaller, write: Writing) -> Response:
    """Say when we became aware of it as an incident; clocks begin then."""
    by = staff_id(caller)
    return _writes(write, response_id, lambda s, now: service.aware(s, response_id, body.at, by=by, now=now))


@router.post("/responses/{response_id}/classes", responses=REFUSED, dependencies=WRITER)
def classify(response_id: UUID, body: ClassIn, caller: AnyCaller, write: Writing) -> Response:
    """Classify it for a regime; its clocks begin."""
    by = staff_id(caller)
    return _writes(
        write,
        response_id,
        lambda s, now: service.classify(s, response_id, body.regime, body.incident_class, by=by, now=now),
    )


@router.post("/responses/{response_id}/notes", responses=REFUSED, dependencies=WRITER)
def publish_note(response_id: UUID, body: PublicNoteIn, caller: AnyCaller, write: Writing) -> Response:
    """Publish a note on the status page."""
    by = staff_id(caller)
    return _writes(
        write,
        response_id,
        lambda s, now: service.publish(
            s, response_id, body.stage, body.text(), by=by, now=now, next_update_by=body.next_update_by
        ),
    )


@router.post("/responses/{response_id}/grace", responses=REFUSED, dependencies=WRITER)
def propose_grace(response_id: UUID, body: GraceIn, caller: AnyCaller, write: Writing) -> Response:
    """Propose the decision about grace, also where none is needed."""
    by = staff_id(caller)
    return _writes(
        write,
        response_id,
        lambda s, now: service.propose_grace(
            s, response_id, needed=body.needed, reason=body.text(), by=by, now=now
        ),
    )


@router.post("/responses/{response_id}/grace/{entry_id}/approval", responses=REFUSED, dependencies=WRITER)
def approve_grace(response_id: UUID, entry_id: UUID, caller: AnyCaller, write: Writing) -> Response:
    """Approve it, by somebody else."""
    by = staff_id(caller)
    return _writes(
        write, response_id, lambda s, now: service.approve_grace(s, response_id, entry_id, by=by, now=now)
    )


@router.post("/responses/{response_id}/reports-sent", responses=REFUSED, dependencies=WRITER)
def report_sent(response_id: UUID, body: ReportSentIn, caller: AnyCaller, write: Writing) -> Response:
    """Write down that a report went to an authority."""
    by = staff_id(caller)
    return _writes(
        write,
        response_id,
        lambda s, now: service.report_sent(
            s, response_id, body.clock, body.reference, body.sent_at, by=by, now=now
        ),
    )


@router.post("/responses/{response_id}/close", responses=REFUSED, dependencies=WRITER)
def close(response_id: UUID, body: CloseIn, caller: AnyCaller, write: Writing) -> Response:
    """End the response after its incident, with what was learned."""
    by = staff_id(caller)
    return _writes(
        write,
        response_id,
        lambda s, now: service.close(s, response_id, by=by, now=now, lessons=body.lessons),
    )


def _short(row: ResponseRow) -> ResponseOut:
    return ResponseOut.model_validate(row, from_attributes=True)
