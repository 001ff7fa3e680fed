"""Tables of `identity`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def _of_account() -> sa.Column[object]:
    return sa.Column("borrower_id", sa.Uuid, sa.ForeignKey("identity_account.borrower_id"), primary_key=True)


def upgrade() -> None:
    """Create the tables of `identity`."""
    _factors()
    _ceremonies()
    _sessions()
    _staff_and_services()


def _factors() -> None:
    op.create_table(
        "identity_account",
        sa.Column("borrower_id", sa.Uuid, sa.ForeignKey("party_person.borrower_id"), primary_key=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("enrolment_ends_at", INSTANT),
    )
    op.create_table(
        "identity_authenticator",
        _of_account(),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("family", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("authority", sa.String, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("probation_until", INSTANT),
        sa.Column("last_used_at", INSTANT),
        sa.Column("revoked_at", INSTANT),
        sa.Column("credential_id", sa.LargeBinary),
        sa.Column("public_key", sa.LargeBinary),
        sa.Column("sign_count", sa.BigInteger),
        sa.Column("backup_eligible", sa.Boolean),
        sa.Column("backed_up", sa.Boolean),
        sa.Column("aaguid", sa.String),
        sa.Column("transports", JSONB),
        sa.Column("seed", sa.LargeBinary),
        sa.Column("last_step", sa.BigInteger),
    )
    op.create_index(
        "uq_identity_authenticator_credential_id",
        "identity_authenticator",
        ["credential_id"],
        unique=True,
        postgresql_where=sa.text("credential_id IS NOT NULL"),
    )
    op.create_index(
        "uq_identity_authenticator_totp",
        "identity_authenticator",
        ["borrower_id"],
        unique=True,
        postgresql_where=sa.text("family = 'totp' AND state = 'active'"),
    )
    op.create_table(
        "identity_recovery_code",
        _of_account(),
        sa.Column("hash", sa.LargeBinary, primary_key=True),
        sa.Column("set_id", sa.Uuid, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("active_from", INSTANT, nullable=False),
        sa.Column("retired_at", INSTANT),
        sa.Column("used_at", INSTANT),
    )


def _ceremonies() -> None:
    op.create_table(
        "identity_challenge",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("challenge", sa.LargeBinary, nullable=False),
        sa.Column("borrower_id", sa.Uuid),
        sa.Column("session_id", sa.Uuid),
        sa.Column("authority", sa.String),
        sa.Column("nonce", sa.LargeBinary),
        sa.Column("action", JSONB),
        sa.Column("action_hash", sa.String),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("consumed_at", INSTANT),
    )
    op.create_index("ix_identity_challenge_expires_at", "identity_challenge", ["expires_at"])
    op.create_table(
        "identity_action_proof",
        _of_account(),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("authenticator_id", sa.Uuid, nullable=False),
        sa.Column("action_hash", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("level", sa.String, nullable=False),
        sa.Column("evidence", JSONB, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("consumed_at", INSTANT),
    )


def _sessions() -> None:
    op.create_table(
        "identity_session",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("level", sa.String, nullable=False),
        sa.Column("methods", JSONB, nullable=False),
        sa.Column("device", sa.String, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("last_seen_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("enrols_until", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("end_reason", sa.String),
    )
    op.create_index("uq_identity_session_token_hash", "identity_session", ["token_hash"], unique=True)
    op.create_index(
        "ix_identity_session_subject_id",
        "identity_session",
        ["subject_id"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_identity_session_ends_at", "identity_session", ["ends_at"])
    op.create_table(
        "identity_device",
        _of_account(),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("label", sa.String, nullable=False),
        sa.Column("bound_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
    )
    op.create_index("uq_identity_device_token_hash", "identity_device", ["token_hash"], unique=True)
    op.create_table(
        "identity_attempts",
        sa.Column("subject", sa.LargeBinary, primary_key=True),
        sa.Column("what", sa.String, primary_key=True),
        sa.Column("window_ends_at", INSTANT, nullable=False),
        sa.Column("in_window", sa.Integer, nullable=False),
        sa.Column("in_a_row", sa.Integer, nullable=False),
    )
    op.create_index("ix_identity_attempts_window_ends_at", "identity_attempts", ["window_ends_at"])


def _staff_and_services() -> None:
    op.create_table(
        "identity_staff",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("password_hash", sa.String, nullable=False),
        sa.Column("roles", JSONB, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("disabled_at", INSTANT),
    )
    op.create_index("uq_identity_staff_name", "identity_staff", ["name"], unique=True)
    op.create_table(
        "identity_api_key",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("scopes", JSONB, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT),
    )


def downgrade() -> None:
    """Drop the tables of `identity`."""
    for table in (
        "identity_api_key",
        "identity_staff",
        "identity_attempts",
        "identity_device",
        "identity_session",
        "identity_action_proof",
        "identity_challenge",
        "identity_recovery_code",
        "identity_authenticator",
        "identity_account",
    ):
        op.drop_table(table)
