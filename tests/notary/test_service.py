"""Commit, sequence, receipt, erasure on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from throughline.kernel import crypto
from throughline.kernel.crypto import LENDER_ID
from throughline.kernel.db import Database
from throughline.notary import keys, merkle, promise, sequencer, service, verify
from throughline.notary import record as records
from throughline.notary.encoding import Malformed
from throughline.notary.models import Head, Leaf, QueueRow, Record, SignedCheckpoint
from throughline.notary.service import Promise, RecordErased, RecordUnknown
from throughline.notary.standing import standing

NOW = datetime(2026, 2, 1, 8, 30, tzinfo=UTC)


def commit(database: Database, borrower_id: UUID, amount_minor: int = 17_400) -> Promise:
    return database.run(
        lambda session: service.commit(
            session,
            borrower_id,
            "lending.repayment",
            {"amount_minor": amount_minor, "loan_id": uuid4()},
            now=NOW,
        )
    )


def sequence(database: Database, limit: int = 10_000) -> int:
    with database.transaction() as session:
        signer = keys.log_signer(keys.log_origin(session))
    with sequencer.connect(database) as connection:
        return sequencer.sequence(connection, signer, limit)[0]


def proved(receipt: service.Receipt) -> verify.Outcome:
    return verify.verify(receipt.proof.encode(), receipt.record.encode(), receipt.policy.encode(), "en")


def test_a_rollback_leaves_nothing(database: Database) -> None:
    class Changed(Exception):
        pass

    def verb(session: Session) -> None:
        service.commit(session, uuid4(), "contracts.signed", {"sha256": "00"}, now=NOW)
        raise Changed

    with pytest.raises(Changed):
        database.run(verb)
    with database.transaction() as session:
        for model in (Record, QueueRow, Leaf, SignedCheckpoint):
            assert session.execute(select(func.count()).select_from(model)).scalar_one() == 0
    assert sequence(database) == 0


def test_a_promise_is_signed_and_kept(database: Database) -> None:
    borrower = uuid4()
    given = commit(database, borrower)
    with database.transaction() as session:
        key = keys.promise_signer(keys.log_origin(session)).verifier
        assert service.receipt(session, given.record_id) is None
        assert service.promise_of(session, given.record_id) == given.text
        assert standing(session).waiting == 1
    terms = promise.open_promise(given.text.encode(), key)
    assert (terms.entry, terms.promised_by) == (given.entry, given.promised_by)
    assert timedelta(minutes=59) < given.promised_by - datetime.now(UTC) <= timedelta(hours=1)
    assert sequence(database) == 1
    with database.transaction() as session:
        view = service.record_view(session, given.record_id)
        assert view.leaf_index is not None
        assert session.get_one(Leaf, view.leaf_index).entry == given.entry


def test_a_receipt_proves_the_record(database: Database) -> None:
    borrower = uuid4()
    promises = [commit(database, borrower, nr) for nr in range(5)]
    assert sequence(database, limit=3) == 3
    assert sequence(database) == 2
    with database.transaction() as session:
        receipts = [service.receipt(session, each.record_id) for each in promises]
    for nr, each in enumerate(receipts):
        assert each is not None
        outcome = proved(each)
        assert outcome.exit_code == 0
        assert "WARNING" in outcome.sentence
        assert f'"amount_minor": {nr}' in each.record
        wrong = each.record.replace(f'"amount_minor": {nr}', '"amount_minor": 999')
        assert proved(service.Receipt(**{**_fields(each), "record": wrong})).exit_code == 3
    # Later growth does not change a receipt that stands alone.
    commit(database, borrower)
    sequence(database)
    with database.transaction() as session:
        assert service.receipt(session, promises[0].record_id) == receipts[0]


def _fields(receipt: service.Receipt) -> dict[str, object]:
    return {name: getattr(receipt, name) for name in receipt.__slots__}


def test_an_erased_record_is_gone_and_the_others_stay_provable(database: Database) -> None:
    borrower = uuid4()
    promises = [commit(database, borrower, nr) for nr in range(4)]
    sequence(database)
    with database.transaction() as session:
        kept = service.receipt(session, promises[1].record_id)
    assert kept is not None
    erasure = database.run(
        lambda session: service.erase(session, promises[1].record_id, reason="asked by the person", now=NOW)
    )
    sequence(database)
    with database.transaction() as session:
        row = session.get_one(Record, promises[1].record_id)
        assert (row.body, row.salt, row.erased_at) == (None, None, NOW)
        with pytest.raises(RecordErased):
            service.receipt(session, promises[1].record_id)
        with pytest.raises(RecordErased):
            service.erase(session, promises[1].record_id, reason="again", now=NOW)
        for each in (promises[0], promises[2], promises[3], erasure):
            receipt = service.receipt(session, each.record_id)
            assert receipt is not None
            assert proved(receipt).exit_code == 0
        assert service.record_view(session, erasure.record_id).borrower_id == LENDER_ID
    # Whoever kept the receipt can still prove the fact; the log holds 33 bytes that say nothing.
    assert proved(kept).exit_code == 0


def test_a_destroyed_data_key_erases_all_records_of_its_owner(database: Database) -> None:
    borrower, other = uuid4(), uuid4()
    gone, stays = commit(database, borrower), commit(database, other)
    sequence(database)
    database.run(lambda session: crypto.destroy_data_key(session, borrower))
    with database.transaction() as session:
        with pytest.raises(RecordErased):
            service.receipt(session, gone.record_id)
        receipt = service.receipt(session, stays.record_id)
    assert receipt is not None
    assert proved(receipt).exit_code == 0


def test_nothing_personal_is_readable_in_the_tables(database: Database) -> None:
    given = database.run(
        lambda session: service.commit(
            session, uuid4(), "line.evidence", {"number": "+8613800000000"}, now=NOW
        )
    )
    with database.transaction() as session:
        row = session.get_one(Record, given.record_id)
        assert row.body is not None
        assert b"138" not in row.body
        queued = session.get_one(QueueRow, given.record_id)
        assert len(queued.entry) == records.ENTRY_BYTES
        # Equal records have different entries: the salt hides that they are equal.
        again = service.commit(session, uuid4(), "line.evidence", {"number": "+8613800000000"}, now=NOW)
        assert again.entry != given.entry


def test_records_are_listed_newest_first_and_paged(database: Database) -> None:
    borrower = uuid4()
    ids = [commit(database, borrower).record_id for _ in range(5)][::-1]
    with database.transaction() as session:
        first = service.records_of(session, borrower, limit=2)
        rest = service.records_of(session, borrower, limit=10, after=first[-1].id)
        assert [view.id for view in [*first, *rest]] == ids
        assert service.records_of(session, uuid4()) == []
        with pytest.raises(RecordUnknown):
            service.receipt(session, uuid4())
        with pytest.raises(RecordUnknown):
            service.promise_of(session, uuid4())


def test_what_is_no_record_is_refused(session: Session) -> None:
    for kind, facts in (("Not A Kind", {}), ("", {}), ("x", {"kind": "y"})):
        with pytest.raises(ValueError, match="kind"):
            service.commit(session, uuid4(), kind, facts, now=NOW)
    with pytest.raises(TypeError):
        service.commit(session, uuid4(), "x", {"rate": 0.5}, now=NOW)
    with pytest.raises(Malformed):
        service.commit(session, uuid4(), "x", {"amount_minor": 1 << 53}, now=NOW)


def test_the_fact_says_its_kind_and_time(database: Database) -> None:
    given = commit(database, uuid4())
    sequence(database)
    with database.transaction() as session:
        receipt = service.receipt(session, given.record_id)
    assert receipt is not None
    content = records.from_json(receipt.record.encode())
    assert (content["kind"], content["at"], content["schema"]) == (
        "lending.repayment",
        "2026-02-01T08:30:00Z",
        1,
    )


def test_damaged_tiles_stop_the_sequencer(database: Database) -> None:
    commit(database, uuid4())
    sequence(database)
    commit(database, uuid4())
    database.run(
        lambda session: session.execute(
            text("UPDATE notary_tile SET data = set_byte(data, 0, get_byte(data, 0) # 1) WHERE level = 0")
        )
    )
    with pytest.raises(sequencer.LogDamaged):
        sequence(database)
    database.run(
        lambda session: session.execute(
            text("UPDATE notary_tile SET data = set_byte(data, 0, get_byte(data, 0) # 1) WHERE level = 0")
        )
    )
    assert sequence(database) == 1


def test_the_head_is_that_of_the_leaves(database: Database) -> None:
    with database.transaction() as session:
        head = session.execute(select(Head)).scalar_one()
        leaves = session.execute(select(Leaf.index, Leaf.entry, Leaf.hash).order_by(Leaf.index)).all()
    assert [row.index for row in leaves] == list(range(head.size))
    assert all(merkle.leaf_hash(row.entry) == row.hash for row in leaves)

    def node(height: int, index: int) -> bytes:
        if height == 0:
            return bytes(leaves[index].hash)
        return merkle.node_hash(node(height - 1, 2 * index), node(height - 1, 2 * index + 1))

    assert merkle.root(head.size, node) == head.root
