"""Tables of `lending`, and the first product."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)

# The shipped product: 等额本息, interest by actual days over 365, penalty interest at one and a half times the
# contract rate but never above 24 %, both graces three days, allocation by the Civil Code.
CASH_CN = """
{
  "name": {"zh-CN": "现金分期贷", "en": "Cash installment loan"},
  "currency": "CNY",
  "terms": {
    "amortization": "equal_installments",
    "repay_every": {"count": 1, "unit": "months"},
    "day_count": {"year": "365", "month": "actual"},
    "rounding": {"mode": "half_even"},
    "overdue_interest": {"grace_days": 3, "base": "principal"},
    "grace": {"arrears_days": 3},
    "interest_recalculation": {"preclosure": "till_preclosure_date"},
    "allocation": "cn_statutory"
  },
  "limits": {
    "principal": ["500.00", "50000.00"],
    "installments": [3, 6, 12],
    "annual_rate_percent": ["3", "21"]
  },
  "overdue": {"percent_of_contract_rate": "150", "at_most_percent": "24"},
  "protection": {
    "interest_pause": true, "penalty_pause": true, "delinquency_pause": true, "report_hold": true,
    "catch_up_days": 3
  }
}
"""


def _of_loan() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["borrower_id", "loan_id"], ["lending_loan.borrower_id", "lending_loan.id"]
    )


def upgrade() -> None:
    """Create the tables of `lending` and the product that is shipped."""
    op.create_table(
        "lending_business_day",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("open_day", sa.Date, nullable=False),
    )
    op.create_table(
        "lending_cob_run",
        sa.Column("business_date", sa.Date, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.Column("loans", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
    )
    op.create_table(
        "lending_loan",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("product_code", sa.String, nullable=False),
        sa.Column("product_version", sa.Integer, nullable=False),
        sa.Column("contract_id", sa.Uuid, nullable=False),
        sa.Column("currency", sa.String, nullable=False),
        sa.Column("principal_minor", sa.BigInteger, nullable=False),
        sa.Column("annual_rate_percent", sa.Numeric(9, 4), nullable=False),
        sa.Column("terms", JSONB, nullable=False),
        sa.Column("agreed_charges", JSONB, nullable=False),
        sa.Column("zone", sa.String, nullable=False),
        sa.Column("agreed_on", sa.Date, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("disbursed_on", sa.Date),
        sa.Column("closed_on", sa.Date),
        sa.Column("event_seq", sa.Integer, nullable=False),
        sa.Column("cob_through", sa.Date),
        sa.Column("recognised_interest_minor", sa.BigInteger, nullable=False),
        sa.Column("recognised_fee_minor", sa.BigInteger, nullable=False),
        sa.Column("recognised_penalty_minor", sa.BigInteger, nullable=False),
        sa.Column("outstanding_minor", sa.BigInteger, nullable=False),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("contract_id"),
    )
    op.create_index(
        "ix_lending_loan_open", "lending_loan", ["id"], postgresql_where=sa.text("status = 'active'")
    )
    op.create_table(
        "lending_product",
        sa.Column("code", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_until", sa.Date),
        sa.Column("document", JSONB, nullable=False),
    )
    op.create_table(
        "lending_cob_chunk",
        sa.Column("business_date", sa.Date, primary_key=True),
        sa.Column("nr", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("first_loan", sa.Uuid, nullable=False),
        sa.Column("last_loan", sa.Uuid, nullable=False),
        sa.Column("loans", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("deferred_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT),
        sa.ForeignKeyConstraint(["business_date"], ["lending_cob_run.business_date"]),
    )
    op.create_table(
        "lending_cob_failure",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, primary_key=True),
        sa.Column("business_date", sa.Date, nullable=False),
        sa.Column("error", sa.String, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("failed_at", INSTANT, nullable=False),
        _of_loan(),
    )
    op.create_table(
        "lending_delinquency",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, primary_key=True),
        sa.Column("on_date", sa.Date, nullable=False),
        sa.Column("past_due_days", sa.Integer, nullable=False),
        sa.Column("paused_days", sa.Integer, nullable=False),
        sa.Column("delinquent_days", sa.Integer, nullable=False),
        sa.Column("delinquent_since", sa.Date),
        sa.Column("range", sa.String),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        _of_loan(),
    )
    op.create_table(
        "lending_delinquency_history",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, nullable=False),
        sa.Column("on_date", sa.Date, nullable=False),
        sa.Column("old_range", sa.String),
        sa.Column("new_range", sa.String),
        sa.Column("past_due_days", sa.Integer, nullable=False),
        sa.Column("delinquent_days", sa.Integer, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        _of_loan(),
    )
    op.create_index(
        "ix_lending_delinquency_history_loan", "lending_delinquency_history", ["borrower_id", "loan_id"]
    )
    op.create_table(
        "lending_event",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("value_date", sa.Date, nullable=False),
        sa.Column("posting_date", sa.Date, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("amount_minor", sa.BigInteger),
        sa.Column("target", sa.Uuid),
        sa.Column("case_id", sa.Uuid),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("external_id", sa.String),
        sa.Column("idempotency_key", sa.String, nullable=False),
        sa.Column("request_hash", sa.LargeBinary, nullable=False),
        sa.Column("record_id", sa.Uuid),
        sa.UniqueConstraint("borrower_id", "loan_id", "id"),
        _of_loan(),
        sa.UniqueConstraint("borrower_id", "loan_id", "idempotency_key"),
    )
    op.create_table(
        "lending_installment",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, primary_key=True),
        sa.Column("nr", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("from_date", sa.Date, nullable=False),
        sa.Column("due_date", sa.Date, nullable=False),
        sa.Column("due_minor", JSONB, nullable=False),
        sa.Column("paid_minor", JSONB, nullable=False),
        sa.Column("waived_minor", JSONB, nullable=False),
        sa.Column("outstanding_minor", sa.BigInteger, nullable=False),
        sa.Column("obligations_met_on", sa.Date),
        _of_loan(),
    )
    op.create_index(
        "ix_lending_installment_due",
        "lending_installment",
        ["borrower_id", "due_date"],
        postgresql_where=sa.text("outstanding_minor > 0"),
    )
    op.create_table(
        "lending_report_hold",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("from_date", sa.Date, nullable=False),
        sa.Column("until_date", sa.Date),
        sa.Column("reason", JSONB, nullable=False),
        sa.Column("placed_at", INSTANT, nullable=False),
        sa.Column("released_at", INSTANT),
        sa.Column("release_reason", JSONB),
        sa.UniqueConstraint("borrower_id", "loan_id", "source"),
        _of_loan(),
    )
    op.create_table(
        "lending_schedule",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("made_at_seq", sa.Integer, nullable=False),
        sa.Column("installments", JSONB, nullable=False),
        _of_loan(),
    )
    op.create_table(
        "lending_transaction",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("made_by", sa.Uuid, nullable=False),
        sa.Column("type", sa.String, nullable=False),
        sa.Column("value_date", sa.Date, nullable=False),
        sa.Column("posting_date", sa.Date, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("principal_minor", sa.BigInteger, nullable=False),
        sa.Column("interest_minor", sa.BigInteger, nullable=False),
        sa.Column("fee_minor", sa.BigInteger, nullable=False),
        sa.Column("penalty_minor", sa.BigInteger, nullable=False),
        sa.Column("overpayment_minor", sa.BigInteger, nullable=False),
        sa.Column("principal_balance_minor", sa.BigInteger, nullable=False),
        sa.Column("replay_of", sa.Uuid),
        sa.Column("reversal_of", sa.Uuid),
        _of_loan(),
    )
    op.create_index(
        "ix_lending_transaction_loan", "lending_transaction", ["borrower_id", "loan_id", "event_id", "id"]
    )
    op.create_table(
        "lending_variation",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("loan_id", sa.Uuid, nullable=False),
        sa.Column("case_id", sa.Uuid),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("from_date", sa.Date, nullable=False),
        sa.Column("to_date", sa.Date, nullable=False),
        sa.Column("shift_following", sa.Boolean, nullable=False),
        sa.Column("rule_id", sa.String, nullable=False),
        sa.Column("reason", JSONB, nullable=False),
        sa.Column("revoked_by", sa.Uuid),
        _of_loan(),
    )
    op.create_index("ix_lending_variation_loan", "lending_variation", ["borrower_id", "loan_id", "kind"])
    op.create_table(
        "lending_allocation",
        sa.Column("borrower_id", sa.Uuid, primary_key=True),
        sa.Column("transaction_id", sa.Uuid, primary_key=True),
        sa.Column("installment_nr", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("component", sa.String, primary_key=True),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["borrower_id", "transaction_id"], ["lending_transaction.borrower_id", "lending_transaction.id"]
        ),
    )
    op.execute(
        sa.text(
            "INSERT INTO lending_product (code, version, valid_from, document) "
            "VALUES ('cash-cn', 1, DATE '2026-01-01', CAST(:document AS jsonb))"
        ).bindparams(document=CASH_CN)
    )


def downgrade() -> None:
    """Drop the tables of `lending`."""
    for table in (
        "lending_allocation",
        "lending_variation",
        "lending_transaction",
        "lending_schedule",
        "lending_report_hold",
        "lending_installment",
        "lending_event",
        "lending_delinquency_history",
        "lending_delinquency",
        "lending_cob_failure",
        "lending_cob_chunk",
        "lending_product",
        "lending_loan",
        "lending_cob_run",
        "lending_business_day",
    ):
        op.drop_table(table)
