"""Tables of identity. Nothing here opens a door by itself: tokens and codes are kept as hashes, seeds sealed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from throughline.kernel.db import Base, Id, Instant
from throughline.kernel.ids import new_id


class Account(Base):
    """A borrower's account: the aggregate that every change of factors locks first.

    `enrolment_ends_at`: until then the person who registered may enrol the first factor.
    """

    __tablename__ = "identity_account"

    borrower_id: Mapped[UUID] = mapped_column(ForeignKey("party_person.borrower_id"), primary_key=True)
    created_at: Mapped[Instant]
    enrolment_ends_at: Mapped[Instant | None]


class Authenticator(Base):
    """A passkey or a code app. States: pending, active, revoked; probation ends at `probation_until`."""

    __tablename__ = "identity_authenticator"
    __table_args__ = (
        Index(
            "uq_identity_authenticator_credential_id",
            "credential_id",
            unique=True,
            postgresql_where=text("credential_id IS NOT NULL"),
        ),
        # One code app at a time: a second one would double what a guess can hit.
        Index(
            "uq_identity_authenticator_totp",
            "borrower_id",
            unique=True,
            postgresql_where=text("family = 'totp' AND state = 'active'"),
        ),
    )

    borrower_id: Mapped[UUID] = mapped_column(ForeignKey("identity_account.borrower_id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    family: Mapped[str]  # passkey | totp
    state: Mapped[str]
    label: Mapped[str]
    authority: Mapped[str]  # onboarding | approved | recovery: what allowed the enrolment
    created_at: Mapped[Instant]
    probation_until: Mapped[Instant | None]
    last_used_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
    credential_id: Mapped[bytes | None] = mapped_column(LargeBinary)
    public_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    sign_count: Mapped[int | None] = mapped_column(BigInteger)
    backup_eligible: Mapped[bool | None]
    backed_up: Mapped[bool | None]
    aaguid: Mapped[str | None]
    transports: Mapped[list[Any] | None] = mapped_column(JSONB)
    seed: Mapped[bytes | None] = mapped_column(LargeBinary)  # sealed: "identity_authenticator|<id>|seed"
    last_step: Mapped[int | None] = mapped_column(BigInteger)


class RecoveryCode(Base):
    """One saved code; good from `active_from` until it is used or `retired_at` has come."""

    __tablename__ = "identity_recovery_code"

    borrower_id: Mapped[UUID] = mapped_column(ForeignKey("identity_account.borrower_id"), primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    set_id: Mapped[UUID]
    created_at: Mapped[Instant]
    active_from: Mapped[Instant]
    retired_at: Mapped[Instant | None]
    used_at: Mapped[Instant | None]


class Challenge(Base):
    """A challenge for one ceremony; consumed by one UPDATE."""

    __tablename__ = "identity_challenge"
    __table_args__ = (Index("ix_identity_challenge_expires_at", "expires_at"),)

    id: Mapped[Id]
    purpose: Mapped[str]  # enrol | sign_in | step_up | number_code | carrier_visit
    challenge: Mapped[bytes] = mapped_column(LargeBinary)
    borrower_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    authority: Mapped[str | None]
    nonce: Mapped[bytes | None] = mapped_column(LargeBinary)
    action: Mapped[dict[str, Any] | None]
    action_hash: Mapped[str | None]
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    consumed_at: Mapped[Instant | None]


class Proof(Base):
    """One action, approved with one factor. `evidence` lets anybody check the signature again."""

    __tablename__ = "identity_action_proof"

    borrower_id: Mapped[UUID] = mapped_column(ForeignKey("identity_account.borrower_id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    authenticator_id: Mapped[UUID]
    action_hash: Mapped[str]
    method: Mapped[str]
    level: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    at: Mapped[Instant]
    consumed_at: Mapped[Instant | None]


class SessionRow(Base):
    """A session on the server. `token_hash` is SHA-256 of what the cookie holds."""

    __tablename__ = "identity_session"
    __table_args__ = (
        Index("uq_identity_session_token_hash", "token_hash", unique=True),
        Index("ix_identity_session_subject_id", "subject_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_identity_session_ends_at", "ends_at"),
    )

    id: Mapped[Id]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str]  # borrower | enrolling | staff
    subject_id: Mapped[UUID]
    level: Mapped[str]
    methods: Mapped[list[Any]]
    device: Mapped[str]
    created_at: Mapped[Instant]
    last_seen_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    enrols_until: Mapped[Instant | None]
    ended_at: Mapped[Instant | None]
    end_reason: Mapped[str | None]


class Device(Base):
    """A browser on which somebody signed in with two factors; there one factor gives level A1."""

    __tablename__ = "identity_device"
    __table_args__ = (Index("uq_identity_device_token_hash", "token_hash", unique=True),)

    borrower_id: Mapped[UUID] = mapped_column(ForeignKey("identity_account.borrower_id"), primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    label: Mapped[str]
    bound_at: Mapped[Instant]
    ends_at: Mapped[Instant]


class Attempts(Base):
    """Guesses of one subject (account, unknown account, source address) at one thing."""

    __tablename__ = "identity_attempts"
    __table_args__ = (Index("ix_identity_attempts_window_ends_at", "window_ends_at"),)

    subject: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    window_ends_at: Mapped[Instant]
    in_window: Mapped[int]
    in_a_row: Mapped[int]


class Staff(Base):
    """A member of staff, with a password (Argon2id) and roles."""

    __tablename__ = "identity_staff"
    __table_args__ = (Index("uq_identity_staff_name", "name", unique=True),)

    id: Mapped[Id]
    name: Mapped[str]
    password_hash: Mapped[str]
    roles: Mapped[list[Any]]
    created_at: Mapped[Instant]
    disabled_at: Mapped[Instant | None]


class ApiKey(Base):
    """A service's key: its id is public, its secret is kept as SHA-256."""

    __tablename__ = "identity_api_key"

    id: Mapped[Id]
    name: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[Any]]
    created_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    revoked_at: Mapped[Instant | None]
