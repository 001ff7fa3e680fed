"""HTTP of a borrower's own phone numbers: how they stand, proving one by a code, adding one, giving one up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from throughline.continuity import network, numbers
from throughline.continuity.network import Returned
from throughline.continuity.numbers import NumberState
from throughline.identity.browsers import login_of, only_our_pages
from throughline.kernel import clock
from throughline.kernel.db import database
from throughline.kernel.http import BorrowerCaller, Paged, Reading, Writing, problems
from throughline.kernel.i18n import Text
from throughline.line.feed.number_checks import CheckResult

router = APIRouter(
    prefix="/api/v1/me/numbers", tags=["phone numbers"], dependencies=[Depends(only_our_pages)]
)


class NumberOut(BaseModel):
    """One of my numbers. `code_until`: until when a code that this session asked for can be typed. `by_network`: it
    can be proved over the mobile network of its carrier."""

    model_config = ConfigDict(from_attributes=True)
    contact_point_id: UUID
    masked: str
    state: NumberState
    why: Text
    proved_at: datetime | None
    frozen_at: datetime | None
    code_until: datetime | None
    by_network: bool


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


class GoingOut(BaseModel):
    """Where the browser is to go, over the mobile data of the number, until when. The address is a secret."""

    model_config = ConfigDict(from_attributes=True)
    url: str
    expires_at: datetime


Word = Annotated[str, Field(min_length=1, max_length=network.MAX_WORD, pattern=r"^[\x20-\x7e]+$")]


class BroughtBack(_Body):
    """The members of the address to which the carrier sent the browser: `state`, and a `code` or an `error`."""

    state: Word
    code: Word | None = None
    error: Word | None = None
    iss: Word | None = None


class CheckOut(BaseModel):
    """How it ended. `why`: what it means and what to do next."""

    result: CheckResult
    why: Text
    number: NumberOut


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
    "/{contact_point_id}/network",
    response_model=GoingOut,
    responses=problems(400, 401, 403, 404, 409, 429),
)
def go_to_carrier(contact_point_id: UUID, body: AskCode, caller: BorrowerCaller, write: Writing) -> Response:
    """Prove a number over its carrier's mobile network: where this person's browser is to go.

    The carrier sends it back to the address of our pages, where an app takes it and finishes in the same session.
    """

    def verb(session: Session) -> BaseModel:
        now = clock.real_now()
        login = login_of(session, caller, now=now)
        going = network.begin(
            session, login, contact_point_id, proof_id=body.proof_id, now=clock.now(), real_now=now
        )
        return GoingOut.model_validate(going)

    return write.once(verb)


@router.post("/network/finish", responses=problems(400, 401, 403, 404))
def back_from_carrier(body: BroughtBack, caller: BorrowerCaller) -> CheckOut:
    """The browser is back from the carrier: ask it, once. `state` is the key: again, it gives the same answer."""
    now = clock.real_now()
    login = database().run(lambda session: login_of(session, caller, now=now))
    check_id = network.finish(login, Returned(body.state, body.code, body.error, body.iss))

    def read(session: Session) -> CheckOut:
        check = network.checked(session, login, check_id)
        number = numbers.number(session, login, check.contact_point_id, real_now=clock.real_now())
        return CheckOut(result=check.result, why=check.why, number=NumberOut.model_validate(number))

    return database().run(read)


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
