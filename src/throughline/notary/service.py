"""The verbs of the notary: commit a fact, erase it, list what was committed, hand out the receipt."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.clock import real_now
from throughline.kernel.crypto import LENDER_ID, SealBroken, open_sealed, seal
from throughline.kernel.errors import Conflict, NotFound
from throughline.kernel.i18n import N_
from throughline.kernel.ids import new_id
from throughline.kernel.together import Together
from throughline.notary import merkle, proof, store, tiles, witnessing
from throughline.notary import record as records
from throughline.notary.keys import log_origin, promise_signer
from throughline.notary.models import Cosignature, QueueRow, Record, SignedCheckpoint
from throughline.notary.promise import PromiseTerms

PROMISED_WITHIN = timedelta(hours=1)  # the log grows within seconds; the rest is for an outage of ours
_KIND = re.compile(r"[a-z][a-z0-9_.]{0,79}")
_CANDIDATES = 64  # checkpoints that are looked through for one that meets the quorum


class RecordUnknown(NotFound):
    code = "record-unknown"
    title = N_("There is no such record")


class RecordErased(Conflict):
    code = "record-erased"
    title = N_("The record was erased; only whoever kept the receipt can still prove it")


class ReceiptPending(Conflict):
    code = "receipt-pending"
    title = N_("The record is not in a checkpoint yet; the promise stands until then")


@dataclass(frozen=True, slots=True)
class Promise:
    """What the borrower gets at once: signed text that the log will contain `entry` by `promised_by`."""

    record_id: UUID
    entry: bytes
    promised_by: datetime
    text: str


@dataclass(frozen=True, slots=True)
class RecordView:
    """One committed record, without its content. `leaf_index` None: not in the log yet."""

    id: UUID
    borrower_id: UUID
    kind: str
    recorded_at: datetime
    erased_at: datetime | None
    promised_by: datetime
    leaf_index: int | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Three files that prove a record offline, and the promise that went before."""

    record_id: UUID
    proof: str
    record: str
    policy: str
    promise: str


def commit(
    session: Session,
    borrower_id: UUID,
    kind: str,
    record: Mapping[str, Any],
    *,
    now: datetime,
    into: Together | None = None,
) -> Promise:
    """Commit a fact in the caller's transaction: no fact without its commitment, and none without the fact.

    `borrower_id` owns the content (`LENDER_ID` for the lender's own records). `record` holds the facts:
    text, integers, booleans, null, lists, objects; ids, dates, instants and decimals become text, a float
    is a TypeError. `kind`, `schema` (1 unless given) and `at` (`now` unless given) are added. `into`: the
    caller writes it with other rows.
    """
    if not _KIND.fullmatch(kind) or record.get("kind", kind) != kind:
        raise ValueError(f"{kind!r} is not the kind of this record")
    content = records.plain({"schema": 1, "at": now, **record, "kind": kind})
    salt = secrets.token_bytes(records.SALT_BYTES)
    entry = records.leaf_entry(content, salt)
    record_id = new_id()
    origin = log_origin(session)
    # The promise runs by the wall clock: whoever holds it does not know of a demo's time.
    terms = PromiseTerms(origin, entry, real_now().replace(microsecond=0) + PROMISED_WITHIN)
    text = terms.signed(promise_signer(origin))
    rows = Together() if into is None else into
    rows.new(
        Record,
        id=record_id,
        borrower_id=borrower_id,
        kind=kind,
        recorded_at=now,
        erased_at=None,
        body=seal(session, borrower_id, _place(record_id, "body"), records.to_json(content)),
        salt=seal(session, borrower_id, _place(record_id, "salt"), salt.hex()),
    )
    rows.new(
        QueueRow,
        record_id=record_id,
        borrower_id=borrower_id,
        entry=entry,
        promised_by=terms.promised_by,
        promise=text,
        leaf_index=None,
    )
    if into is None:
        rows.write(session)
    return Promise(record_id, entry, terms.promised_by, text)


def erase(session: Session, record_id: UUID, *, reason: str, now: datetime) -> Promise:
    """Erase a record's content and salt; every other proof stays whole. The erasure itself is committed.

    Raises `RecordUnknown`; `RecordErased` when it was erased before.
    """
    row = session.get(Record, record_id, with_for_update=True)
    if row is None:
        raise RecordUnknown
    if row.erased_at is not None:
        raise RecordErased
    row.body = row.salt = None
    row.erased_at = now
    session.flush()
    facts = {"record_id": record_id, "record_kind": row.kind, "reason": reason}
    return commit(session, LENDER_ID, "notary.erasure", facts, now=now)


def records_of(
    session: Session, borrower_id: UUID, *, limit: int = 50, after: UUID | None = None
) -> list[RecordView]:
    """A borrower's records, newest first, at most `limit` after the record `after`."""
    query = _views().where(Record.borrower_id == borrower_id).order_by(Record.id.desc()).limit(limit)
    if after is not None:
        query = query.where(Record.id < after)
    return [RecordView(*row) for row in session.execute(query)]


def record_view(session: Session, record_id: UUID) -> RecordView:
    """One record, without its content. Raises `RecordUnknown`."""
    row = session.execute(_views().where(Record.id == record_id)).one_or_none()
    if row is None:
        raise RecordUnknown
    return RecordView(*row)


def promise_of(session: Session, record_id: UUID) -> str:
    """The promise that was given for a record. Raises `RecordUnknown`."""
    text = session.execute(
        select(QueueRow.promise).where(QueueRow.record_id == record_id)
    ).scalar_one_or_none()
    if text is None:
        raise RecordUnknown
    return text


def receipt(session: Session, record_id: UUID) -> Receipt | None:
    """The receipt of a record, made from tiles; None while it is not in a checkpoint.

    The checkpoint is the earliest that meets the policy's quorum, for the earlier its witnesses' times,
    the stronger the proof. Raises `RecordUnknown`, `RecordErased`.
    """
    view = record_view(session, record_id)
    content, salt = _open(session, view)
    if view.leaf_index is None:
        return None
    size = _best_size(session, view.leaf_index)
    node = tiles.node_reader(store.tile_reader(session))
    shown = proof.Proof(
        view.leaf_index,
        tuple(merkle.inclusion_path(view.leaf_index, size, node)),
        store.cosigned(session, size),
        records.salt_extra(salt),
    )
    return Receipt(
        record_id,
        shown.text(),
        content,
        witnessing.policy_text(log_origin(session)),
        promise_of(session, record_id),
    )


def _open(session: Session, view: RecordView) -> tuple[str, bytes]:
    row = session.execute(select(Record.body, Record.salt).where(Record.id == view.id)).one()
    if row.body is None or row.salt is None:
        raise RecordErased
    try:
        content = open_sealed(session, view.borrower_id, _place(view.id, "body"), row.body)
        salt = bytes.fromhex(open_sealed(session, view.borrower_id, _place(view.id, "salt"), row.salt))
    except SealBroken as error:
        # The borrower's data key was destroyed: the same as erased.
        raise RecordErased from error
    return content, salt


def _best_size(session: Session, leaf_index: int) -> int:
    rules = witnessing.rules()
    earliest = session.scalars(
        select(SignedCheckpoint.size)
        .where(SignedCheckpoint.size > leaf_index)
        .order_by(SignedCheckpoint.size)
        .limit(1)
    ).one()
    if rules.quorum is None:
        return earliest
    sizes = session.scalars(
        select(Cosignature.size)
        .where(Cosignature.size > leaf_index)
        .distinct()
        .order_by(Cosignature.size)
        .limit(_CANDIDATES)
    ).all()
    best, most = earliest, 0
    for size, keys in witnessing.cosigners(session, rules, sizes).items():
        if rules.satisfied_by(keys):
            return size
        if len(keys) > most:
            best, most = size, len(keys)
    return best


def _views() -> Any:
    return select(
        Record.id,
        Record.borrower_id,
        Record.kind,
        Record.recorded_at,
        Record.erased_at,
        QueueRow.promised_by,
        QueueRow.leaf_index,
    ).join(QueueRow, QueueRow.record_id == Record.id)


def _place(record_id: UUID, column: str) -> str:
    return f"notary_record|{record_id}|{column}"
