"""HTTP of the notary: the public log (C2SP tlog-tiles), a borrower's own records and receipts, staff's view."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, Field

from throughline.kernel.errors import NotFound
from throughline.kernel.http import (
    BorrowerCaller,
    Caller,
    Paged,
    PageParams,
    Reading,
    paged,
    problems,
    require_scope,
)
from throughline.notary import bundle, service, store, witnessing
from throughline.notary.encoding import Malformed, from_decimal
from throughline.notary.service import ReceiptPending, RecordUnknown
from throughline.notary.standing import standing
from throughline.notary.tiles import parse_index

router = APIRouter(prefix="/api/v1/notary", tags=["notary"])
public_router = APIRouter(prefix="/notary", tags=["notary"])

FOR_EVER = "public, max-age=31536000, immutable"
FOR_SECONDS = "public, max-age=2"


def _content(media_type: str, **schema: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": {"type": "string", **schema}}}}}


_TEXT = _content("text/plain")
_BYTES = _content("application/octet-stream", format="binary")
_ZIP = _content("application/zip", format="binary")
StaffReader = Annotated[Caller, Depends(require_scope("notary:read"))]


class RecordModel(BaseModel):
    """A committed record. `leaf_index` is null until the log has grown over it (seconds)."""

    id: UUID
    kind: str
    recorded_at: datetime
    erased_at: datetime | None
    promised_by: datetime = Field(
        description="A checkpoint contains the record by then, or the log is at fault"
    )
    leaf_index: int | None


class ReceiptModel(BaseModel):
    """Proof (C2SP tlog-proof), record, policy (C2SP tlog-policy) and promise (signed note), each a file's text."""

    record_id: UUID
    proof: str
    record: str
    policy: str
    promise: str


class WitnessModel(BaseModel):
    """A witness: the size that it last cosigned; state new, current, failing or ahead (data was lost here)."""

    key_name: str
    known_size: int
    state: str


class StandingModel(BaseModel):
    """How the log stands."""

    origin: str | None
    size: int
    waiting: int
    oldest_waiting_at: datetime | None
    checkpoint_at: datetime | None
    quorum: str
    witnessed_size: int | None
    witnessed_at: datetime | None
    witnesses: list[WitnessModel]


# --- the public log ---------------------------------------------------------------------------------


@public_router.get("/checkpoint", response_class=Response, responses={**_TEXT, **problems(404)})
def checkpoint(session: Reading) -> Response:
    """The newest checkpoint with the cosignatures that we have for it. 404 before the first record."""
    newest = store.newest_checkpoint(session)
    if newest is None:
        raise NotFound
    return _answer(store.cosigned(session, newest.size).encode(), "text/plain; charset=utf-8", FOR_SECONDS)


@public_router.get("/policy", response_class=Response, responses={**_TEXT, **problems(404)})
def policy(session: Reading) -> Response:
    """The trust policy that goes with this log's receipts. 404 before the first record."""
    head = store.head(session)
    if head is None:
        raise NotFound
    text = witnessing.policy_text(head.origin).encode()
    return _answer(text, "text/plain; charset=utf-8", FOR_SECONDS)


@public_router.get(
    "/tile/entries/{index:path}", response_class=Response, responses={**_BYTES, **problems(404)}
)
def entries(index: Annotated[str, Path(max_length=64)], session: Reading) -> Response:
    """An entry bundle: `<N>` or `<N>.p/<W>`."""
    return _resource(session, -1, index)


@public_router.get(
    "/tile/{level}/{index:path}", response_class=Response, responses={**_BYTES, **problems(404)}
)
def tile(
    level: Annotated[str, Path(max_length=64)], index: Annotated[str, Path(max_length=64)], session: Reading
) -> Response:
    """A tile of hashes: `<L>/<N>` or `<L>/<N>.p/<W>`."""
    try:
        number = from_decimal(level, "tile level")
    except Malformed:
        raise NotFound from None
    return _resource(session, number, index)


def _resource(session: Reading, level: int, index: str) -> Response:
    try:
        data = store.resource(session, parse_index(level, index))
    except Malformed:
        data = None
    if data is None:
        raise NotFound
    return _answer(data, "application/octet-stream", FOR_EVER)


def _answer(data: bytes, media_type: str, cache: str) -> Response:
    return Response(data, media_type=media_type, headers={"Cache-Control": cache})


# --- the borrower -----------------------------------------------------------------------------------


@router.get("/records", responses=problems(401, 403, 422))
def my_records(caller: BorrowerCaller, session: Reading, page: PageParams) -> Paged[RecordModel]:
    """What was committed about the caller, newest first."""
    return _records(session, UUID(str(caller.id)), page)


@router.get("/records/{record_id}/receipt", responses=problems(401, 403, 404, 409, 422))
def my_receipt(record_id: UUID, caller: BorrowerCaller, session: Reading) -> ReceiptModel:
    """The receipt of one's own record. 409 `receipt-pending` for the seconds until it is in a checkpoint."""
    return ReceiptModel.model_validate(asdict(_own_receipt(session, record_id, caller)))


@router.get(
    "/records/{record_id}/receipt.zip",
    response_class=Response,
    responses={**_ZIP, **problems(401, 403, 404, 409, 422)},
)
def my_receipt_zip(record_id: UUID, caller: BorrowerCaller, session: Reading) -> Response:
    """The receipt as a ZIP file with a verifier that needs nothing of ours."""
    data = bundle.receipt_zip(_own_receipt(session, record_id, caller))
    return Response(
        data,
        media_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="receipt-{record_id}.zip"',
            "Cache-Control": "no-store",
        },
    )


def _own_receipt(session: Reading, record_id: UUID, caller: Caller) -> service.Receipt:
    # Somebody else's record looks like one that does not exist.
    if service.record_view(session, record_id).borrower_id != caller.id:
        raise RecordUnknown
    found = service.receipt(session, record_id)
    if found is None:
        raise ReceiptPending
    return found


# --- staff ------------------------------------------------------------------------------------------


@router.get("/borrowers/{borrower_id}/records", responses=problems(401, 403, 422))
def records_of_borrower(
    borrower_id: UUID, caller: StaffReader, session: Reading, page: PageParams
) -> Paged[RecordModel]:
    """What was committed about a borrower, without the content. The nil UUID is the lender itself."""
    del caller
    return _records(session, borrower_id, page)


@router.get("/standing", responses=problems(401, 403))
def log_standing(caller: StaffReader, session: Reading) -> StandingModel:
    """Size, backlog and witnesses of the log."""
    del caller
    return StandingModel.model_validate(asdict(standing(session)))


def _records(session: Reading, borrower_id: UUID, page: PageParams) -> Paged[RecordModel]:
    views = service.records_of(session, borrower_id, limit=page.limit + 1, after=page.after)
    models = [RecordModel.model_validate(asdict(view)) for view in views]
    return paged(models, page, lambda model: model.id)
