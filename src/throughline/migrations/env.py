"""Alembic's entry: one transaction a step, an advisory lock so that two starts do not migrate at once."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool, text

from throughline.kernel import rooms
from throughline.kernel.db import Base, sqlalchemy_url

_MIGRATION_LOCK = 7_416_231_987  # any fixed number, ours

rooms.load("models")


def _run() -> None:
    engine = create_engine(
        sqlalchemy_url(context.config.get_main_option("sqlalchemy.url") or ""), poolclass=pool.NullPool
    )
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
        connection.commit()
        context.configure(
            connection=connection, target_metadata=Base.metadata, transaction_per_migration=True
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


_run()
