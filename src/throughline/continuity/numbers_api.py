"""HTTP of a borrower's own phone numbers: how they stand, proving one by a code, adding one, giving one up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.continuity import numbers
from throughline.continuity.numbers import NumberState
from throughline.identity.browsers import login_of, only_our_pages
from throughline.kernel import clock
from throughline.kernel.http import BorrowerCaller, Paged, Reading, Writing, problems
from throughline.kernel.i18n import Text

router = APIRouter(
    prefix="/api/v1/me/numbers", tags=["phone numbers"], dependencies=[Depends(only_our_pages)]
)


class NumberOut(BaseModel):
    """One of my numbers. `code_until`: until when a code that this session asked for can be typed."""

    model_config = ConfigDict(from_attributes=True)
    contact_point_id: UUID
    masked: str
    state: NumberState
    why: Text
    proved_at: datetime | None
    frozen_at: datetime | None
    code_until: datetime | None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewNumber(_Body):
    """A number of mine; nothing goes there until it is proved."""

    phone: Annotated[str, Field(min_length=5, max_length=40)]


class AskCode(_Body):
    """`proof_id`: approval of {"kind": "prove_number", "contact_point_id": ...}, for a number that was added."""

    proof_id: UUID | None = None


class TypedCode(_Body):
    """The code as it came by SMS."""

    code: Annotated[str, Field(min_length=1, max_length=40)]


@router.get("", responses=problems(401, 403))
def my_numbers(caller: BorrowerCaller, session: Reading) -> Paged[NumberOut]:
    """My numbers and how each stands (at most 20, one page)."""
    now = clock.real_now()
    found = numbers.numbers(session, login_of(session, caller, now=now), real_now=now)
    return Paged(items=[NumberOut.model_validate(one) for one in found], next_cursor=None)


@router.post("", response_model=NumberOut, status_code=201, responses=problems(400, 401, 403, 409))
def add_number(body: NewNumber, caller: BorrowerCaller, write: Writing) -> Response:
    """Add a number of mine. It carries nothing until a code came back from it."""

    def verb(session: Session) -> BaseModel:
        login = login_of(session, caller, now=clock.real_now())
        added = numbers.add(session, login, body.phone, now=clock.now())
        return NumberOut.model_validate(numbers.number(session, login, added, real_now=clock.real_now()))

    return write.once(verb, status=201)


@router.post(
    "/{contact_point_id}/code", response_model=NumberOut, responses=problems(400, 401, 403, 404, 409, 429)
)
def send_code(contact_point_id: UUID, body: AskCode, caller: BorrowerCaller, write: Writing) -> Response:
    """Send a code to one of my numbers, also to one that is frozen: the code says nothing to a stranger."""

    def verb(session: Session) -> BaseModel:
        now = clock.real_now()
        login = login_of(session, caller, now=now)
        numbers.send_code(
            session, login, contact_point_id, proof_id=body.proof_id, now=clock.now(), real_now=now
        )
        return NumberOut.model_validate(numbers.number(session, login, contact_point_id, real_now=now))

    return write.once(verb)


@router.post(
    "/{contact_point_id}/confirm",
    response_model=NumberOut,
    responses=problems(400, 401, 403, 404, 409, 429),
)
def confirm(contact_point_id: UUID, body: TypedCode, caller: BorrowerCaller, write: Writing) -> Response:
    """Type the code back: the number is mine, and messages go there again."""

    def verb(session: Session) -> BaseModel:
        now = clock.real_now()
        login = login_of(session, caller, now=now)
        numbers.confirm(session, login, contact_point_id, body.code, now=clock.now(), real_now=now)
        return NumberOut.model_validate(numbers.number(session, login, contact_point_id, real_now=now))

    return write.once(verb)


@router.post(
    "/{contact_point_id}/give-up",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 404, 409),
)
def give_up(contact_point_id: UUID, caller: BorrowerCaller, write: Writing) -> Response:
    """This number is no longer mine: nothing goes there any more."""

    def verb(session: Session) -> None:
        login = login_of(session, caller, now=clock.real_now())
        numbers.give_up(session, login, contact_point_id, now=clock.now())

    return write.once(verb, status=204)
