"""The job queue's own schema, applied by us so that one tool owns the database.

The SQL comes from the pinned library; a start-up check compares the two. The trigger that notifies at
each insert is off: NOTIFY would serialise the commits of every business transaction that defers a job.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files

import psycopg
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LIBRARY = "3.10."


def upgrade() -> None:
    """Create the queue's tables, types and functions; switch its notify trigger off."""
    installed = version("procrastinate")
    if not installed.startswith(LIBRARY):
        raise RuntimeError(f"this migration is for procrastinate {LIBRARY}x, but {installed} is installed")
    schema = files("procrastinate").joinpath("sql/schema.sql").read_text(encoding="utf-8")
    connection = _driver()
    connection.execute(schema)
    connection.execute(
        "ALTER TABLE procrastinate_jobs DISABLE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1"
    )


def downgrade() -> None:
    """Drop everything that belongs to the queue, by its name prefix."""
    _driver().execute(
        """
        DO $$
        DECLARE thing record;
        BEGIN
          FOR thing IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema()
              AND tablename LIKE 'procrastinate\\_%' LOOP
            EXECUTE format('DROP TABLE IF EXISTS %I CASCADE', thing.tablename);
          END LOOP;
          FOR thing IN SELECT p.oid::regprocedure AS signature FROM pg_proc p
              WHERE p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'procrastinate\\_%' LOOP
            EXECUTE format('DROP FUNCTION IF EXISTS %s CASCADE', thing.signature);
          END LOOP;
          FOR thing IN SELECT t.typname FROM pg_type t WHERE t.typnamespace = current_schema()::regnamespace
              AND t.typname LIKE 'procrastinate\\_%' LOOP
            EXECUTE format('DROP TYPE IF EXISTS %I CASCADE', thing.typname);
          END LOOP;
        END $$
        """
    )


def _driver() -> psycopg.Connection:
    # The driver itself takes several statements at once, which SQLAlchemy's dialect does not.
    driver = op.get_bind().connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("migrations run on psycopg")
    return driver
