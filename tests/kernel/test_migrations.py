"""The schema goes up and down, and models and migrations say the same."""

from __future__ import annotations

from uuid import uuid4

import psycopg
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from psycopg import sql
from sqlalchemy import create_engine

from support.postgres import TestServer
from throughline import migrations
from throughline.kernel import rooms
from throughline.kernel.db import Base, Database, sqlalchemy_url


def test_models_and_migrations_agree(database: Database) -> None:
    rooms.load("models")

    def ours(_object: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        return not (kind == "table" and (name or "").startswith("procrastinate_"))

    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_object": ours, "target_metadata": Base.metadata}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_down_and_up_again(postgres: TestServer) -> None:
    name = f"updown_{uuid4().hex}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = postgres.url(name)
    migrations.upgrade(url)
    with psycopg.connect(url) as connection:
        before = _schema(connection)
    migrations.downgrade(url, "base")
    with psycopg.connect(url) as connection:
        assert _schema(connection) == [("alembic_version",)]
    migrations.upgrade(url)
    with psycopg.connect(url) as connection:
        assert _schema(connection) == before
    engine = create_engine(sqlalchemy_url(url))
    assert migrations.is_current(engine)
    engine.dispose()


def _schema(connection: psycopg.Connection) -> list[tuple[str]]:
    return connection.execute(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    ).fetchall()
