"""Rows of several tables, written by one statement.

A row that is flushed by itself costs a statement to build and a round trip, which is most of the time of a
small transaction. Here the rows of a verb are gathered and go out as one statement with a part for each
table. All parts see the database as it was before the statement, so none may read what another one writes;
foreign keys are looked at when all are done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic_core import PydanticSerializationError, to_json
from sqlalchemy import Table
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from throughline.kernel.db import Base
from throughline.kernel.statement import Statement

Row = dict[str, Any]  # the values of all columns of a table, by name


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the statement. `sql` reads its rows, a JSON array, from `{rows}` and says RETURNING."""

    name: str
    sql: str


class Together:
    """Gathers rows in the caller's transaction until `write`."""

    def __init__(self) -> None:
        self._rows: dict[Part, list[Mapping[str, Any] | Base]] = {}

    def new(self, model: type[Base], **values: Any) -> Row:
        """A new row of a table from the values of all its columns, without an object for it.

        Returns the row as it will be written; it may still be changed until then.
        """
        self.put(_insert(model), _whole(model, values))
        return values

    def replace(self, model: type[Base], **values: Any) -> None:
        """As `new`, or in the place of the row with its primary key."""
        self.put(_upsert(model), _whole(model, values))

    def add(self, row: Base) -> None:
        """A new row, with all its columns set; it may still be changed until `write`.

        Unlike `Session.add` it never becomes part of the session, and no default fills a column.
        """
        self.put(_insert(type(row)), row)

    def bring(self, row: Base) -> None:
        """A row that is inserted, or replaces the one with its primary key."""
        self.put(_upsert(type(row)), row)

    def change(self, row: Base, values: Mapping[str, Any]) -> None:
        """Change columns of a row that the session has loaded and locked; the object shows them at once."""
        keys = [column.name for column in _table(type(row)).primary_key]
        for name, value in values.items():
            set_committed_value(row, name, value)  # not dirty: the session shall not write it again
        part = _update(type(row), tuple(values))
        if part in self._rows:
            raise ValueError(f"one row of {part.name} is changed, not several")
        self.put(part, {name: getattr(row, name) for name in (*keys, *values)})

    def put(self, part: Part, row: Mapping[str, Any] | Base) -> None:
        """A row of a part with SQL of its own."""
        self._rows.setdefault(part, []).append(row)

    def write(self, session: Session) -> None:
        """Write everything and forget it, after what the session itself has to flush."""
        if not self._rows:
            return
        session.flush()
        gathered, self._rows = self._rows, {}
        documents = [_json([_values(row) for row in rows]) for rows in gathered.values()]
        _statement(tuple(gathered)).rows(session, *documents)


@lru_cache(maxsize=256)
def _statement(parts: tuple[Part, ...]) -> Statement:
    # A part that only calls a function runs because it is counted; the others would run by themselves.
    return Statement(
        "WITH "
        + ",\n".join(
            f"{part.name} AS ({part.sql.replace('{rows}', f'${place}')})"
            for place, part in enumerate(parts, 1)
        )
        + "\nSELECT "
        + ", ".join(f"(SELECT count(*) FROM {part.name})" for part in parts)
    )


@lru_cache(maxsize=256)
def _insert(model: type[Base]) -> Part:
    return Part(_table(model).name, f"{_inserting(model)} RETURNING 1")


@lru_cache(maxsize=256)
def _upsert(model: type[Base]) -> Part:
    table = _table(model)
    keys = [column.name for column in table.primary_key]
    rest = [column.name for column in table.columns if column.name not in keys]
    sets = ", ".join(f"{name} = excluded.{name}" for name in rest)
    return Part(
        table.name, f"{_inserting(model)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets} RETURNING 1"
    )


def _inserting(model: type[Base]) -> str:
    table = _table(model)
    names = ", ".join(column.name for column in table.columns)
    return f"INSERT INTO {table.name} ({names}) SELECT {names} FROM jsonb_populate_recordset(NULL::{table.name}, CAST({{rows}} AS jsonb))"


@lru_cache(maxsize=256)
def _update(model: type[Base], names: tuple[str, ...]) -> Part:
    table = _table(model)
    sets = ", ".join(f"{name} = n.{name}" for name in names)
    found = " AND ".join(f"t.{column.name} = n.{column.name}" for column in table.primary_key)
    # One record, not a set: the planner takes a set for a hundred rows and might read the whole table.
    sql = f"UPDATE {table.name} AS t SET {sets} FROM jsonb_populate_record(NULL::{table.name}, CAST({{rows}} AS jsonb) -> 0) AS n WHERE {found} RETURNING 1"
    return Part(f"{table.name}_changed", sql)


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101 - what every mapped class of ours stands on
    return table


@lru_cache(maxsize=256)
def _names(model: type[Base]) -> tuple[str, ...]:
    return tuple(column.name for column in _table(model).columns)


def _whole(model: type[Base], values: Row) -> Row:
    if values.keys() != _columns(model):
        raise TypeError(f"{model.__name__}: not its columns: {sorted(values.keys() ^ _columns(model))}")
    return values


@lru_cache(maxsize=256)
def _columns(model: type[Base]) -> frozenset[str]:
    return frozenset(_names(model))


def _values(row: Mapping[str, Any] | Base) -> Mapping[str, Any]:
    values = {name: getattr(row, name) for name in _names(type(row))} if isinstance(row, Base) else row
    return {name: _plain(one) if type(one) is bytes else one for name, one in values.items()}


def _json(rows: list[Mapping[str, Any]]) -> str:
    try:
        return to_json(rows).decode()
    except PydanticSerializationError:
        return json.dumps(rows, default=_plain, ensure_ascii=False)  # slower, and says what it does not take


def _plain(value: Any) -> str:
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    raise TypeError(f"{type(value).__name__} is no column's type")
