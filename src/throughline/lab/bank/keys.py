"""The Ed25519 keys of bank and client, made at the first start for both sides."""

from __future__ import annotations

import fcntl
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

CLIENT_ID = "THROUGHLINE"
BANK_KEY_ID = "BANK-1"


def folder(home: Path) -> Path:
    """Where the bank's keys lie."""
    return home / "lab" / "keys" / "bank"


def ensure_keys(home: Path) -> Path:
    """Make what is missing and return the folder. Safe when two processes start at once.

    The platform reads client-key.pem and trusted/BANK-1.pem, the bank reads bank-key.pem and
    clients/THROUGHLINE.pem.
    """
    keys = folder(home)
    keys.mkdir(parents=True, exist_ok=True)
    with (keys / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ensure_pair(keys / "client-key.pem", keys / "clients" / f"{CLIENT_ID}.pem")
        ensure_pair(keys / "bank-key.pem", keys / "trusted" / f"{BANK_KEY_ID}.pem")
    return keys


def ensure_pair(private: Path, public: Path) -> None:
    """Make an Ed25519 key and its public half, unless both are there. The caller holds the folder's lock."""
    if private.exists() and public.exists():
        return
    key = Ed25519PrivateKey.generate()
    public.parent.mkdir(exist_ok=True)
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    draft = private.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    draft.replace(private)  # whole or not at all, also when this start is killed
