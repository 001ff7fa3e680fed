"""The verbs of contracts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.contracts import costs, document, outage
from throughline.contracts.events import ContractSigned
from throughline.contracts.models import Contract, CostTable, Showing
from throughline.contracts.offers import OfferTerms, Row
from throughline.contracts.settings import ContractSettings
from throughline.identity.actions import action_hash
from throughline.identity.step_up import ActionProof
from throughline.kernel import crypto
from throughline.kernel.errors import Conflict, NotFound
from throughline.kernel.events import publish
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.kernel.settings import load, settings
from throughline.notary import service as notary
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose

__all__ = [
    "Contract",
    "CostTable",
    "OfferTerms",
    "Payee",
    "Row",
    "Showing",
    "clause_version",
    "confirm_cost_table",
    "contract",
    "contract_document",
    "cost_table",
    "create_cost_table",
    "draft_contract",
    "show_cost_table",
    "showing",
    "sign_contract",
    "signing_action",
]

_SLACK = timedelta(milliseconds=500)  # a browser that counted exactly must not be refused by the network


class ContractUnknown(NotFound):
    """No such table, showing or contract of this borrower."""

    code = "contract-not-found"
    title = N_("There is no such contract")


class NotReadYet(Conflict):
    """The forced reading time is not over."""

    code = "not-read-yet"
    title = N_("Please read the cost table first: %(left)s more seconds")


class AlreadySigned(Conflict):
    """A signed contract is not changed."""

    code = "already-signed"
    title = N_("The contract is signed already")


class OtherAction(Conflict):
    """The proof is of another action than this contract."""

    code = "other-action"
    title = N_("What was signed is not this contract; nothing was concluded")


@dataclass(frozen=True, slots=True)
class Payee:
    """The borrower's account as the contract names it."""

    bank_code: str
    last_four: str


def create_cost_table(session: Session, borrower_id: UUID, terms: OfferTerms, *, now: datetime) -> CostTable:
    """Make the immutable cost table of an offer."""
    config = settings()
    content = costs.cost_table(terms, lender_zh=config.lender_name, lender_en=config.lender_name_en)
    row = CostTable(
        borrower_id=borrower_id,
        id=new_id(),
        content=content,
        sha256=costs.content_hash(content),
        apr_percent=str(costs.rate_of(terms).percent),
        created_at=now,
    )
    session.add(row)
    session.flush()
    return row


def show_cost_table(
    session: Session,
    borrower_id: UUID,
    cost_table_id: UUID,
    *,
    channel: str,
    locale: str,
    device: str,
    now: datetime,
) -> Showing:
    """Put a cost table before the borrower; its reading time starts. `now` is the wall clock."""
    table = cost_table(session, borrower_id, cost_table_id)
    row = Showing(
        borrower_id=borrower_id,
        id=new_id(),
        cost_table_id=table.id,
        channel=channel,
        locale=locale,
        device=device[:100],
        min_read_s=load(ContractSettings).reading_time_s,
        shown_at=now,
    )
    session.add(row)
    session.flush()
    return row


def confirm_cost_table(session: Session, borrower_id: UUID, showing_id: UUID, *, now: datetime) -> Showing:
    """The borrower has read the table. Raises NotReadYet before the reading time is over (wall clock)."""
    row = session.get(Showing, (borrower_id, showing_id), with_for_update=True)
    if row is None:
        raise ContractUnknown
    if row.confirmed_at is not None:
        return row
    ready_at = row.shown_at + timedelta(seconds=row.min_read_s)
    if now + _SLACK < ready_at:
        raise NotReadYet(NotReadYet.title, left=int((ready_at - now).total_seconds()) + 1)
    row.confirmed_at = now
    table = cost_table(session, borrower_id, row.cost_table_id)
    promise = notary.commit(
        session,
        borrower_id,
        "disclosure",
        {
            "showing": str(row.id),
            "cost_table_sha256": table.sha256,
            "channel": row.channel,
            "locale": row.locale,
            "shown_at": row.shown_at.isoformat(),
            "confirmed_at": now.isoformat(),
            "min_read_s": row.min_read_s,
        },
        now=now,
    )
    row.record_id = promise.record_id
    return row


def draft_contract(
    session: Session, borrower_id: UUID, showing_id: UUID, payee: Payee, *, agreed_on: date, now: datetime
) -> Contract:
    """Render the contract of a confirmed cost table and keep its bytes sealed.

    Raises NotReadYet if the table was not confirmed, ConsentMissing of parties, DocumentIncomplete.
    """
    shown = showing(session, borrower_id, showing_id)
    if shown.confirmed_at is None:
        raise NotReadYet(NotReadYet.title, left=shown.min_read_s)
    table = cost_table(session, borrower_id, shown.cost_table_id)
    person = parties.person_facts(session, borrower_id, Purpose.IDENTITY, now=now, reader="contracts")
    config = settings()
    contract_id = new_id()
    content = document.render(
        contract_id=str(contract_id),
        table=table.content,
        party=document.Party(person.name, person.id_number, payee.last_four, payee.bank_code),
        lender_zh=config.lender_name,
        lender_en=config.lender_name_en,
        agreed_on=agreed_on,
        cost_table_hash=table.sha256,
    )
    row = Contract(
        borrower_id=borrower_id,
        id=contract_id,
        cost_table_id=table.id,
        showing_id=shown.id,
        template=document.TEMPLATE,
        clause=outage.newest().version,
        document=crypto.seal(session, borrower_id, _place(contract_id), content.decode("utf-8")),
        sha256=hashlib.sha256(content).hexdigest(),
        principal_minor=table.content["principal_minor"],
        installments=table.content["installments"],
        apr_percent=table.content["apr"]["percent"],
        agreed_on=agreed_on,
        state="drafted",
        drafted_at=now,
    )
    session.add(row)
    session.flush()
    return row


def signing_action(session: Session, borrower_id: UUID, contract_id: UUID) -> dict[str, Any]:
    """What the borrower's factor signs, built from our own rows only."""
    row = contract(session, borrower_id, contract_id)
    return {
        "kind": "sign_contract",
        "contract_id": str(row.id),
        "sha256": row.sha256,
        "principal_minor": row.principal_minor,
        "installments": row.installments,
        "apr_percent": row.apr_percent,
    }


def sign_contract(
    session: Session, borrower_id: UUID, contract_id: UUID, proof: ActionProof, *, now: datetime
) -> Contract:
    """Conclude the contract with a proof of exactly this action. Raises AlreadySigned, OtherAction."""
    row = session.get(Contract, (borrower_id, contract_id), with_for_update=True)
    if row is None:
        raise ContractUnknown
    if row.state != "drafted":
        raise AlreadySigned
    action = signing_action(session, borrower_id, contract_id)
    if proof.borrower_id != borrower_id or proof.action_hash != action_hash(action):
        raise OtherAction
    stored = crypto.open_sealed(session, borrower_id, _place(row.id), row.document).encode("utf-8")
    if hashlib.sha256(stored).hexdigest() != row.sha256:
        raise document.DocumentIncomplete("the stored contract is not the one that was hashed")
    promise = notary.commit(
        session,
        borrower_id,
        "contract",
        {
            "contract": str(row.id),
            "sha256": row.sha256,
            "template": row.template,
            "clause": row.clause,
            "principal_minor": row.principal_minor,
            "installments": row.installments,
            "apr_percent": row.apr_percent,
            "proof": str(proof.id),
            "method": proof.method,
            "action_hash": proof.action_hash,
            "signed_at": proof.at.isoformat(),
        },
        now=now,
    )
    row.state = "signed"
    row.signed_at = now
    row.record_id = promise.record_id
    row.signature = {
        "proof_id": str(proof.id),
        "method": proof.method,
        "level": proof.level,
        "action_hash": proof.action_hash,
        "at": proof.at.isoformat(),
        "evidence": proof.evidence,
    }
    session.flush()
    publish(
        session,
        ContractSigned(row.id, borrower_id, row.sha256, promise.record_id),
        aggregate_type="contract",
        aggregate_id=row.id,
        borrower_id=borrower_id,
    )
    return row


# --- reading ---------------------------------------------------------------------------------------


def cost_table(session: Session, borrower_id: UUID, cost_table_id: UUID) -> CostTable:
    """A cost table. Raises ContractUnknown."""
    row = session.get(CostTable, (borrower_id, cost_table_id))
    if row is None:
        raise ContractUnknown
    return row


def showing(session: Session, borrower_id: UUID, showing_id: UUID) -> Showing:
    """A showing. Raises ContractUnknown."""
    row = session.get(Showing, (borrower_id, showing_id))
    if row is None:
        raise ContractUnknown
    return row


def contract(session: Session, borrower_id: UUID, contract_id: UUID) -> Contract:
    """A contract. Raises ContractUnknown."""
    row = session.get(Contract, (borrower_id, contract_id))
    if row is None:
        raise ContractUnknown
    return row


def clause_version(session: Session, borrower_id: UUID, contract_id: UUID) -> str | None:
    """The version of the outage policy that a contract pins; None where the contract is not ours."""
    return session.execute(
        select(Contract.clause).where(Contract.borrower_id == borrower_id, Contract.id == contract_id)
    ).scalar_one_or_none()


def contract_document(session: Session, borrower_id: UUID, contract_id: UUID) -> bytes:
    """The exact bytes that were hashed and signed."""
    row = contract(session, borrower_id, contract_id)
    return crypto.open_sealed(session, borrower_id, _place(row.id), row.document).encode("utf-8")


def contracts_of(session: Session, borrower_id: UUID, *, limit: int = 50) -> list[Contract]:
    """A borrower's contracts, newest first."""
    query = (
        select(Contract).where(Contract.borrower_id == borrower_id).order_by(Contract.id.desc()).limit(limit)
    )
    return list(session.scalars(query))


def apr_fraction(table: CostTable) -> Decimal:
    """The table's annual rate as an unrounded fraction, for comparison with caps."""
    return Decimal(table.apr_percent) / 100


def _place(contract_id: UUID) -> str:
    return f"contract_contract|{contract_id}|document"
