"""Rows that go out as one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from throughline.kernel.crypto import DataKey
from throughline.kernel.events import AggregateEvent, OutboxEvent, publish, publish_together
from throughline.kernel.idempotency import IdempotencyRecord
from throughline.kernel.together import Together

NOW = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Counted:
    TYPE: ClassVar[str] = "test.counted.v1"
    nr: int


def _key(owner: UUID, wrapped: bytes | None) -> DataKey:
    return DataKey(owner_id=owner, kek_id="kék \\ \"'", wrapped=wrapped, created_at=NOW, destroyed_at=None)


def _answer(key: str) -> IdempotencyRecord:
    return IdempotencyRecord(
        scope="s", key=key, request_hash=b"\x00\xff", status=None, body=None, for_ever=True, created_at=NOW
    )


def test_rows_of_several_tables_are_one_statement(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.connection()
    sent: list[Any] = []
    execute = psycopg.Cursor.execute

    def counted(cursor: Any, sql: Any, *given: Any, **named: Any) -> Any:
        sent.append(sql)
        return execute(cursor, sql, *given, **named)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)  # where every statement passes, whoever sends it
    owner = uuid4()
    rows = Together()
    rows.add(_key(owner, b"\x00\x01\xfe"))
    rows.add(_answer("a"))
    rows.add(_answer("b"))
    rows.write(session)
    rows.write(session)
    assert len(sent) == 1, "and nothing is left for a second time"
    stored = session.get_one(DataKey, owner)
    assert (stored.kek_id, stored.wrapped, stored.created_at) == ("kék \\ \"'", b"\x00\x01\xfe", NOW)
    assert session.scalars(select(IdempotencyRecord.key).order_by(IdempotencyRecord.key)).all() == ["a", "b"]


def test_bring_replaces_what_is_there(session: Session) -> None:
    owner, other = uuid4(), uuid4()
    for wrapped in (b"old", b"new"):
        rows = Together()
        rows.bring(_key(owner, wrapped))
        rows.write(session)
    rows = Together()
    rows.bring(_key(owner, None))
    rows.bring(_key(other, b"other"))
    rows.write(session)
    found = session.execute(select(DataKey.wrapped).where(DataKey.owner_id.in_([owner, other]))).scalars()
    assert set(found) == {None, b"other"}


def test_change_touches_one_row_and_leaves_nothing_to_flush(session: Session) -> None:
    owner, other = uuid4(), uuid4()
    session.add_all([_key(owner, b"1"), _key(other, b"2")])
    session.flush()
    row = session.get_one(DataKey, owner)
    rows = Together()
    rows.change(row, {"wrapped": None, "destroyed_at": NOW})
    assert row.wrapped is None
    assert not session.dirty
    with pytest.raises(ValueError, match="one row"):
        rows.change(session.get_one(DataKey, other), {"wrapped": None, "destroyed_at": NOW})
    rows.write(session)
    session.expire_all()
    assert (session.get_one(DataKey, owner).destroyed_at, session.get_one(DataKey, owner).wrapped) == (
        NOW,
        None,
    )
    assert session.get_one(DataKey, other).wrapped == b"2"


def test_events_of_one_statement_are_numbered_in_their_order(session: Session) -> None:
    thing, other = uuid4(), uuid4()
    publish(session, Counted(1), aggregate_type="thing", aggregate_id=thing, borrower_id=None)
    rows = Together()
    for one, nr in ((thing, 2), (other, 1), (thing, 3)):
        publish_together(rows, AggregateEvent(Counted(nr), "thing", one, None))
    rows.write(session)
    found = session.execute(
        select(OutboxEvent.aggregate_id, OutboxEvent.seq, OutboxEvent.payload).order_by(OutboxEvent.seq)
    ).all()
    assert {(row.aggregate_id, row.seq, row.payload["nr"]) for row in found} == {
        (thing, 1, 1), (thing, 2, 2), (thing, 3, 3), (other, 1, 1),
    }  # fmt: skip


def test_a_new_row_names_all_its_columns(session: Session) -> None:
    rows = Together()
    with pytest.raises(TypeError, match="wrapped"):
        rows.new(DataKey, owner_id=uuid4(), kek_id="k", created_at=NOW, destroyed_at=None)
    row = rows.new(DataKey, owner_id=uuid4(), kek_id="k", wrapped=None, created_at=NOW, destroyed_at=None)
    row["wrapped"] = b"later"
    rows.write(session)
    assert session.get_one(DataKey, row["owner_id"]).wrapped == b"later"
    rows.replace(DataKey, **{**row, "wrapped": b"\x00"})
    rows.write(session)
    session.expire_all()
    assert session.get_one(DataKey, row["owner_id"]).wrapped == b"\x00"
