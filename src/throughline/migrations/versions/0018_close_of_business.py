"""What the close of business needs: accrual plans, rounding in SQL, progress; days, locks and checks of the ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# round(numerator / denominator) as `rates.round_ratio` does it; integers in, an integer out, nothing is divided.
ROUND = """
CREATE FUNCTION kernel_round(numerator numeric, denominator numeric, mode text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  size numeric := abs(numerator);
  whole numeric;
  rest numeric;
BEGIN
  IF denominator <= 0 THEN
    RAISE EXCEPTION 'kernel_round: denominator % is not positive', denominator;
  END IF;
  whole := div(size, denominator);
  rest := size - whole * denominator;
  IF rest > 0 THEN
    CASE mode
      WHEN 'down' THEN NULL;
      WHEN 'up' THEN whole := whole + 1;
      WHEN 'half_up' THEN IF 2 * rest >= denominator THEN whole := whole + 1; END IF;
      WHEN 'half_even' THEN
        IF 2 * rest > denominator OR (2 * rest = denominator AND mod(whole, 2) = 1) THEN whole := whole + 1; END IF;
      WHEN 'exact' THEN RAISE EXCEPTION 'kernel_round: % / % is no whole number', numerator, denominator;
      ELSE RAISE EXCEPTION 'kernel_round: no mode %', mode;
    END CASE;
  END IF;
  RETURN CASE WHEN numerator < 0 THEN -whole ELSE whole END;
END $$
"""

# What a posting date may still take: 'open'; 'late' when its day has been summed up; 'locked' when its period is
# closed. The lock (shared, to the end of the transaction) is taken before the day is looked at, so that whoever
# sums a day up, taking it alone for a moment, misses nobody.
DAY_STATE = """
CREATE FUNCTION ledger_day_state(posted_on date) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  found text;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(7401, 1);
  SELECT CASE
    WHEN (SELECT p.locked_through >= posted_on FROM ledger_period p ORDER BY p.id DESC LIMIT 1) THEN 'locked'
    WHEN EXISTS (SELECT 1 FROM ledger_day d WHERE d.posting_date = posted_on) THEN 'late'
    ELSE 'open' END INTO found;
  RETURN found;
END $$
"""

# Rows that every night rewrites stay on their page, and the terms, which never change, are not written with them.
STORAGE = (
    "ALTER TABLE lending_loan SET (fillfactor = 80, toast_tuple_target = 256, autovacuum_vacuum_scale_factor = 0.02)",
    "ALTER TABLE lending_delinquency SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)",
    "ALTER TABLE lending_installment SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)",
    # An index whose condition reads `outstanding_minor` would be written with every night's penalty interest.
    "DROP INDEX ix_lending_installment_due",
    "CREATE INDEX ix_lending_installment_due ON lending_installment (borrower_id, due_date)",
)
STORAGE_BACK = (
    "ALTER TABLE lending_loan RESET (fillfactor, toast_tuple_target, autovacuum_vacuum_scale_factor)",
    "ALTER TABLE lending_delinquency RESET (fillfactor, autovacuum_vacuum_scale_factor)",
    "ALTER TABLE lending_installment RESET (fillfactor, autovacuum_vacuum_scale_factor)",
    "DROP INDEX ix_lending_installment_due",
    "CREATE INDEX ix_lending_installment_due ON lending_installment (borrower_id, due_date) WHERE outstanding_minor > 0",
)


def _of_loan() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["borrower_id", "loan_id"], ["lending_loan.borrower_id", "lending_loan.id"]
    )


def upgrade() -> None:
    """Create the functions, the tables and the columns."""
    op.execute(ROUND)
    op.create_table(
        "lending_accrual_plan",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("event_seq", sa.Integer, nullable=False),
        sa.Column("needs_replay", sa.Boolean, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_until", sa.Date),
        sa.Column("mode", sa.String, nullable=False),
        sa.Column("interest_limit_minor", sa.BigInteger, nullable=False),
        sa.Column("fee_limit_minor", sa.BigInteger, nullable=False),
        sa.Column("penalty_charged_minor", sa.BigInteger, nullable=False),
        sa.Column("watch_from", sa.Date),
        sa.Column("pauses", JSONB, nullable=False),
        _of_loan(),
    )
    op.create_table(
        "lending_accrual_segment",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, primary_key=True),
        sa.Column("nr", sa.SmallInteger, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("installment_nr", sa.Integer),
        sa.Column("from_date", sa.Date, nullable=False),
        sa.Column("to_date", sa.Date),
        sa.Column("base_minor", sa.BigInteger, nullable=False),
        sa.Column("n0", sa.Numeric, nullable=False),
        sa.Column("n1", sa.Numeric, nullable=False),
        sa.Column("d", sa.Numeric, nullable=False),
        sa.Column("cap_minor", sa.BigInteger),
        sa.Column("charged_minor", sa.BigInteger, nullable=False),
        _of_loan(),
    )
    op.add_column(
        "lending_cob_chunk", sa.Column("steps", JSONB, nullable=False, server_default=sa.text("'{}'"))
    )
    op.add_column(
        "lending_cob_run", sa.Column("steps", JSONB, nullable=False, server_default=sa.text("'{}'"))
    )
    for statement in STORAGE:
        op.execute(statement)
    _ledger()


def _ledger() -> None:
    op.create_table(
        "ledger_day",
        sa.Column("posting_date", sa.Date, primary_key=True),
        sa.Column("closed_at", INSTANT, nullable=False),
        sa.Column("summed_at", INSTANT),
        sa.Column("balanced", sa.Boolean),
    )
    op.create_table(
        "ledger_day_summary",
        sa.Column("posting_date", sa.Date, primary_key=True),
        sa.Column("account", sa.String, primary_key=True),
        sa.Column("currency", sa.String, primary_key=True),
        sa.Column("debit_minor", sa.BigInteger, nullable=False),
        sa.Column("credit_minor", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["posting_date"], ["ledger_day.posting_date"]),
    )
    op.create_table(
        "ledger_late_entry",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("entry_id", sa.Uuid, primary_key=True),
        sa.Column("posting_date", sa.Date, nullable=False),
        sa.ForeignKeyConstraint(["borrower_id", "entry_id"], ["ledger_entry.borrower_id", "ledger_entry.id"]),
    )
    op.create_index("ix_ledger_late_entry_posting_date", "ledger_late_entry", ["posting_date"])
    op.create_table(
        "ledger_period",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("locked_through", sa.Date),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
    )
    op.create_table(
        "ledger_mismatch",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("posting_date", sa.Date, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("expected_minor", sa.BigInteger, nullable=False),
        sa.Column("found_minor", sa.BigInteger, nullable=False),
        sa.Column("found_at", INSTANT, nullable=False),
        sa.UniqueConstraint("posting_date", "subject"),
    )
    op.execute(DAY_STATE)


def downgrade() -> None:
    """Drop what `upgrade` has made."""
    op.execute("DROP FUNCTION ledger_day_state(date)")
    for table in (
        "ledger_mismatch",
        "ledger_period",
        "ledger_late_entry",
        "ledger_day_summary",
        "ledger_day",
    ):
        op.drop_table(table)
    for statement in STORAGE_BACK:
        op.execute(statement)
    op.drop_column("lending_cob_run", "steps")
    op.drop_column("lending_cob_chunk", "steps")
    op.drop_table("lending_accrual_segment")
    op.drop_table("lending_accrual_plan")
    op.execute("DROP FUNCTION kernel_round(numeric, numeric, text)")
