"""HTTP of parties: what a borrower sees and decides about their own data, and the masked view for staff."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.kernel import clock
from throughline.kernel.http import (
    BorrowerCaller,
    Caller,
    Paged,
    PageParams,
    PageQuery,
    Reading,
    Writing,
    paged,
    problems,
    require_scope,
)
from throughline.kernel.i18n import Text, bilingual
from throughline.parties import service
from throughline.parties.contact import ContactKind
from throughline.parties.purposes import CONSENT_TEXT_VERSION, CONSENT_TEXTS, Purpose

public_router = APIRouter(prefix="/api/v1/consent-texts", tags=["parties"])
router = APIRouter(prefix="/api/v1", tags=["parties"])
Reader = Annotated[Caller, Depends(require_scope("parties:read"))]


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ProfileView(_View):
    """A person, masked."""

    borrower_id: UUID
    name: str
    id_number: str
    phone: str | None
    email: str | None
    locale: str
    zone: str
    registered_at: datetime


class ContactPointView(_View):
    """An address, masked, and what is known about it."""

    id: UUID
    kind: ContactKind
    owner: str
    masked: str
    verified_at: datetime | None
    suspended_at: datetime | None = Field(description="Since when the phone line is off")
    reassigned_probability: Decimal = Field(description="How probably a stranger has the number, 0 to 1")
    frozen_at: datetime | None
    frozen_reason: str | None
    added_at: datetime
    content_until: datetime | None = Field(
        None, description="How long the proof counts for texts that say something; a later word moves it on"
    )


class ConsentView(_View):
    """A consent, given and perhaps withdrawn."""

    id: UUID
    purpose: Purpose
    given_at: datetime
    withdrawn_at: datetime | None
    text_version: str | None


class AccessLogView(_View):
    """One read of a clear value."""

    id: UUID
    field: str
    contact_point_id: UUID | None
    purpose: Purpose
    reader: str
    at: datetime


class ConsentText(BaseModel):
    """What a person agrees to for one purpose."""

    purpose: Purpose
    text: Text
    text_version: str


class GiveConsents(BaseModel):
    """Purposes that the person agrees to, under the text version that was shown."""

    model_config = ConfigDict(extra="forbid")
    purposes: Annotated[list[Purpose], Field(min_length=1, max_length=len(Purpose))]


def consent_evidence(channel: str) -> dict[str, str]:
    """What is kept with a consent: where it was given and which text was shown."""
    return {"channel": channel, "text_version": CONSENT_TEXT_VERSION}


@public_router.get("")
def consent_texts() -> Paged[ConsentText]:
    """The purposes and their texts in both languages."""
    return Paged(
        items=[
            ConsentText(purpose=purpose, text=bilingual(text), text_version=CONSENT_TEXT_VERSION)
            for purpose, text in CONSENT_TEXTS.items()
        ],
        next_cursor=None,
    )


@router.get("/me", responses=problems(401, 403, 404))
def my_profile(caller: BorrowerCaller, session: Reading) -> ProfileView:
    """Who I am here, masked."""
    return ProfileView.model_validate(service.profile(session, _own(caller)))


@router.get("/me/contact-points", responses=problems(401, 403, 404))
def my_contact_points(caller: BorrowerCaller, session: Reading) -> Paged[ContactPointView]:
    """My addresses, masked (at most 20, one page)."""
    return _contact_points(session, _own(caller))


@router.get("/me/consents", responses=problems(401, 403, 404))
def my_consents(caller: BorrowerCaller, session: Reading, page: PageParams) -> Paged[ConsentView]:
    """What I agreed to and what I withdrew, newest first."""
    return _consents(session, _own(caller), page)


@router.post("/me/consents", status_code=204, response_class=Response, responses=problems(401, 403, 404, 409))
def give_my_consents(body: GiveConsents, caller: BorrowerCaller, write: Writing) -> Response:
    """Agree to purposes; those already agreed to stay as they are."""

    def verb(session: Session) -> None:
        service.give_consents(
            session, _own(caller), body.purposes, consent_evidence("account"), now=clock.now()
        )

    return write.once(verb, status=204)


@router.delete(
    "/me/consents/{purpose}",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 409),
)
def withdraw_my_consent(purpose: Purpose, caller: BorrowerCaller, write: Writing) -> Response:
    """Withdraw a consent; it ends at once. Nothing happens if there is none."""

    def verb(session: Session) -> None:
        service.withdraw_consent(session, _own(caller), purpose, consent_evidence("account"), now=clock.now())

    return write.once(verb, status=204)


@router.get("/me/access-log", responses=problems(401, 403))
def my_access_log(caller: BorrowerCaller, session: Reading, page: PageParams) -> Paged[AccessLogView]:
    """Who read which of my clear values, and why; newest first."""
    rows = service.access_log(session, _own(caller), limit=page.limit + 1, after=page.after)
    return paged([AccessLogView.model_validate(row) for row in rows], page, lambda row: row.id)


@router.get("/parties/borrowers/{borrower_id}", responses=problems(401, 403, 404))
def borrower_profile(borrower_id: UUID, caller: Reader, session: Reading) -> ProfileView:
    """A borrower, masked (staff)."""
    return ProfileView.model_validate(service.profile(session, borrower_id))


@router.get("/parties/borrowers/{borrower_id}/contact-points", responses=problems(401, 403, 404))
def borrower_contact_points(borrower_id: UUID, caller: Reader, session: Reading) -> Paged[ContactPointView]:
    """A borrower's addresses, masked (staff)."""
    return _contact_points(session, borrower_id)


@router.get("/parties/borrowers/{borrower_id}/consents", responses=problems(401, 403, 404))
def borrower_consents(
    borrower_id: UUID, caller: Reader, session: Reading, page: PageParams
) -> Paged[ConsentView]:
    """A borrower's consents, newest first (staff)."""
    return _consents(session, borrower_id, page)


def _own(caller: Caller) -> UUID:
    if caller.id is None:
        raise AssertionError("a borrower has an id")
    return caller.id


def _contact_points(session: Session, borrower_id: UUID) -> Paged[ContactPointView]:
    points = service.contact_points(session, borrower_id)
    return Paged(items=[ContactPointView.model_validate(point) for point in points], next_cursor=None)


def _consents(session: Session, borrower_id: UUID, page: PageQuery) -> Paged[ConsentView]:
    rows = service.consents(session, borrower_id, limit=page.limit + 1, after=page.after)
    return paged([ConsentView.model_validate(row) for row in rows], page, lambda row: row.id)
