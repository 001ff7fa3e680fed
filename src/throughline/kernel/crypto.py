"""Personal data at rest: envelope encryption, blind indexes and named signing keys.

A key-encryption key (in the key ring, outside the database) wraps one data key for each owner; the
data key encrypts fields with AES-256-GCM. The place of a field is authenticated with it, so a
ciphertext that somebody moved to another row, column or borrower is refused. Destroying the wrapped
data key erases everything of its owner.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import LargeBinary
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from throughline.kernel.clock import real_now
from throughline.kernel.db import Base, Instant
from throughline.kernel.keyring import key_ring
from throughline.kernel.statement import Statement

LENDER_ID = UUID(int=0)  # owner of what belongs to the lender itself: webhook secrets, its own records
_SUITE = b"A"  # AES-256-GCM / SHA-256; identity.md also names S (SM4-GCM / SM3)
_NONCE_BYTES = 12
_INDEX_BYTES = 16


class SealBroken(Exception):
    """A sealed value can't be opened: wrong place, wrong owner, damaged, or its key was destroyed."""


class DataKey(Base):
    """The wrapped data key of one owner. `wrapped` empty: destroyed, everything sealed by it is gone."""

    __tablename__ = "kernel_data_key"

    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    kek_id: Mapped[str]
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[Instant]
    destroyed_at: Mapped[Instant | None]


_KEYS = Statement("SELECT owner_id, kek_id, wrapped FROM kernel_data_key WHERE owner_id IN ($1, $2)")


def seal(session: Session, owner_id: UUID, place: str, plaintext: str) -> bytes:
    """Encrypt one value for its place ("table|row id|column") under its owner's data key.

    The owner's key is made at first use, in the caller's transaction.
    Layout: suite, 12-byte nonce, ciphertext with tag.
    """
    return seal_bytes(session, owner_id, place, plaintext.encode("utf-8"))


def seal_bytes(session: Session, owner_id: UUID, place: str, plaintext: bytes) -> bytes:
    """What `seal` does, for a file."""
    nonce = os.urandom(_NONCE_BYTES)
    cipher = AESGCM(_data_key(session, owner_id, create=True))
    return _SUITE + nonce + cipher.encrypt(nonce, plaintext, _aad(owner_id, place))


def open_sealed(session: Session, owner_id: UUID, place: str, envelope: bytes) -> str:
    """Decrypt what `seal` gave for the same owner and place. Raises `SealBroken`."""
    return open_sealed_bytes(session, owner_id, place, envelope).decode("utf-8")


def open_sealed_bytes(session: Session, owner_id: UUID, place: str, envelope: bytes) -> bytes:
    """Decrypt what `seal_bytes` gave for the same owner and place. Raises `SealBroken`."""
    if len(envelope) < 1 + _NONCE_BYTES + 16 or envelope[:1] != _SUITE:
        raise SealBroken("not an envelope of a known suite")
    nonce, ciphertext = envelope[1 : 1 + _NONCE_BYTES], envelope[1 + _NONCE_BYTES :]
    cipher = AESGCM(_data_key(session, owner_id, create=False))
    try:
        return cipher.decrypt(nonce, ciphertext, _aad(owner_id, place))
    except InvalidTag as error:
        raise SealBroken("the value does not belong to this place, or it was changed") from error


def make_data_keys(session: Session, owner_ids: Sequence[UUID]) -> None:
    """Make the data keys of many new owners at once, for batch work; `seal` then finds them."""
    if not owner_ids:
        return
    opened: dict[UUID, bytes] = session.info.setdefault("data_keys", {})
    rows = []
    for owner_id in owner_ids:
        opened[owner_id] = AESGCM.generate_key(256)
        kek_id, wrapped = _wrap(owner_id, opened[owner_id])
        rows.append({"owner_id": owner_id, "kek_id": kek_id, "wrapped": wrapped, "created_at": real_now()})
    session.execute(insert(DataKey), rows)


def destroy_data_key(session: Session, owner_id: UUID) -> None:
    """Erase an owner's personal data by destroying the key. There is no way back."""
    row = session.get(DataKey, owner_id, with_for_update=True)
    if row is not None and row.wrapped is not None:
        row.wrapped = None
        row.destroyed_at = real_now()
    session.info.get("data_keys", {}).pop(owner_id, None)


def blind_index(field: str, normalised: str) -> bytes:
    """16 bytes by which an encrypted value can be found: HMAC-SHA256 under the field's index key.

    The index key lives in the key ring. Phone and ID numbers are few enough to be tried one by one, so
    a leaked index key is leaked data.
    """
    return _derived("index", field, normalised.encode("utf-8"))[:_INDEX_BYTES]


def pepper(label: str, data: bytes) -> bytes:
    """32-byte HMAC of data under a key-ring key: so that a leaked table alone does not allow guessing."""
    return _derived("pepper", label, data)


def signing_key(name: str) -> Ed25519PrivateKey:
    """The Ed25519 key of that name, derived from the key ring's signing secret."""
    return Ed25519PrivateKey.from_private_bytes(_derived("ed25519", name, b"seed"))


def _derived(kind: str, name: str, data: bytes) -> bytes:
    key = hmac.digest(key_ring().secret(kind), name.encode("utf-8"), hashlib.sha256)
    return hmac.digest(key, data, hashlib.sha256)


def _aad(owner_id: UUID, place: str) -> bytes:
    return f"{owner_id}|{place}".encode()


def _data_key(session: Session, owner_id: UUID, *, create: bool) -> bytes:
    # Opened keys are kept for the session only: they must not outlive a destroyed row for long.
    opened: dict[UUID, bytes] = session.info.setdefault("data_keys", {})
    if owner_id in opened:
        return opened[owner_id]
    # The lender's key comes along: what a request is answered is sealed with it, whoever the request is about.
    found = _stored(session, owner_id)
    if owner_id not in found and create:
        fresh = AESGCM.generate_key(256)
        kek_id, wrapped = _wrap(owner_id, fresh)
        session.execute(
            insert(DataKey)
            .values(owner_id=owner_id, kek_id=kek_id, wrapped=wrapped, created_at=real_now())
            .on_conflict_do_nothing()
        )
        # Another transaction may have been first; what the table holds is the key.
        found = _stored(session, owner_id)
    for owner, (kek_id, known) in found.items():
        if known is not None and owner not in opened:
            opened[owner] = _unwrap(owner, kek_id, known)
    if owner_id not in found:
        raise SealBroken("no data key for this owner")
    if owner_id not in opened:
        raise SealBroken("the owner's data was erased")
    return opened[owner_id]


def _stored(session: Session, owner_id: UUID) -> dict[UUID, tuple[str, bytes | None]]:
    """The wrapped keys of an owner and of the lender, as far as there are any."""
    found = _KEYS.rows(session, owner_id, LENDER_ID)
    return {owner: (kek_id, wrapped) for owner, kek_id, wrapped in found}


def _wrap(owner_id: UUID, data_key: bytes) -> tuple[str, bytes]:
    kek_id, kek = key_ring().current_kek()
    nonce = os.urandom(_NONCE_BYTES)
    return kek_id, nonce + AESGCM(kek).encrypt(nonce, data_key, owner_id.bytes)


def _unwrap(owner_id: UUID, kek_id: str, wrapped: bytes) -> bytes:
    kek = key_ring().kek(kek_id)
    try:
        return AESGCM(kek).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], owner_id.bytes)
    except InvalidTag as error:
        raise SealBroken("the data key does not open with its key-encryption key") from error
