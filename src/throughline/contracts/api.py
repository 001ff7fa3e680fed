"""JSON API of contracts: a borrower reads their own contracts as the exact bytes that were signed."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from throughline.contracts import service
from throughline.kernel.http import BorrowerCaller, Reading, problems

router = APIRouter(prefix="/api/v1/me/contracts", tags=["contracts"])


class ContractOut(BaseModel):
    """A contract without its text. `sha256` is of the document's bytes."""

    id: UUID
    state: str
    sha256: str
    template: str
    clause: str
    principal_minor: int
    installments: int
    apr_percent: str
    agreed_on: date
    signed_at: datetime | None
    record_id: UUID | None


@router.get("", responses=problems(401, 403))
def my_contracts(caller: BorrowerCaller, session: Reading) -> list[ContractOut]:
    """The newest 50 contracts of the caller."""
    if caller.id is None:
        raise service.ContractUnknown
    return [
        ContractOut.model_validate(row, from_attributes=True)
        for row in service.contracts_of(session, caller.id)
    ]


@router.get(
    "/{contract_id}/document",
    responses=problems(401, 403, 404) | {200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
def my_contract_document(caller: BorrowerCaller, session: Reading, contract_id: UUID) -> Response:
    """The document: its SHA-256 is what was signed."""
    if caller.id is None:
        raise service.ContractUnknown
    content = service.contract_document(session, caller.id, contract_id)
    # The document carries its own style; it loads and runs nothing.
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return Response(
        content, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": policy}
    )
