"""Signatures of our bank profile: Ed25519 over a short text, both ways, in HTTP headers.

The text binds method, path, time, nonce and the hash of the raw body; an answer binds the nonce of the
request that it answers, so that an old answer cannot be played again for a new question.
"""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from throughline.payments.ports import Refused

MAX_SKEW = timedelta(minutes=5)


def request_text(method: str, path: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """What the client signs."""
    return _text("request", method, path, timestamp, nonce, body)


def answer_text(nonce: str, status: int, timestamp: str, body: bytes) -> bytes:
    """What the bank signs in an answer; `nonce` is that of the request."""
    return _text("answer", nonce, str(status), timestamp, body)


def notice_text(timestamp: str, nonce: str, body: bytes) -> bytes:
    """What the bank signs in a message that it pushes."""
    return _text("notice", timestamp, nonce, body)


def _text(*parts: str | bytes) -> bytes:
    lines = [part if isinstance(part, str) else hashlib.sha256(part).hexdigest() for part in parts]
    return "".join(f"{line}\n" for line in lines).encode("utf-8")


class BankKeys:
    """Our key and the bank's keys by id; several at once while the bank changes its key."""

    def __init__(
        self, client_id: str, private_key: Ed25519PrivateKey, trusted: Mapping[str, Ed25519PublicKey]
    ):
        self._client_id = client_id
        self._private_key = private_key
        self._trusted = dict(trusted)

    @classmethod
    def read(cls, client_id: str, private_key: Path, trusted: Path) -> BankKeys:
        """Read PEM files. TypeError for another kind of key, FileNotFoundError for none."""
        own = load_pem_private_key(private_key.read_bytes(), password=None)
        if not isinstance(own, Ed25519PrivateKey):
            raise TypeError(f"{private_key} is not an Ed25519 key")
        keys: dict[str, Ed25519PublicKey] = {}
        for path in sorted(trusted.glob("*.pem")):
            key = load_pem_public_key(path.read_bytes())
            if not isinstance(key, Ed25519PublicKey):
                raise TypeError(f"{path} is not an Ed25519 public key")
            keys[path.stem] = key
        if not keys:
            raise FileNotFoundError(errno.ENOENT, "no key here", str(trusted))
        return cls(client_id, own, keys)

    def sign_request(
        self, method: str, path: str, body: bytes, *, at: datetime
    ) -> tuple[dict[str, str], str]:
        """Headers of a signed request, and its nonce."""
        timestamp, nonce = str(int(at.timestamp())), secrets.token_hex(16)
        signature = self._private_key.sign(request_text(method, path, timestamp, nonce, body))
        return {
            "Bank-Client-Id": self._client_id,
            "Bank-Timestamp": timestamp,
            "Bank-Nonce": nonce,
            "Bank-Signature": base64.b64encode(signature).decode("ascii"),
        }, nonce

    def check_answer(
        self, headers: Mapping[str, str], nonce: str, status: int, body: bytes, *, at: datetime
    ) -> None:
        """Raise `Refused` unless the bank signed this answer to the request with this nonce."""
        self._check(headers, answer_text(nonce, status, headers.get("bank-timestamp", ""), body), at)

    def check_notice(self, headers: Mapping[str, str], body: bytes, *, at: datetime) -> str:
        """Raise `Refused` unless the bank signed this pushed message; returns the id of its key."""
        text = notice_text(headers.get("bank-timestamp", ""), headers.get("bank-nonce", ""), body)
        return self._check(headers, text, at)

    def _check(self, headers: Mapping[str, str], text: bytes, at: datetime) -> str:
        key_id = headers.get("bank-key-id", "")
        key = self._trusted.get(key_id)
        if key is None:
            raise Refused("unknown_key" if key_id else "unsigned")
        try:
            key.verify(base64.b64decode(headers.get("bank-signature", ""), validate=True), text)
        except (InvalidSignature, binascii.Error, ValueError):
            raise Refused("bad_signature") from None
        refuse_stale(headers.get("bank-timestamp", ""), at)
        return key_id


def refuse_stale(timestamp: str, at: datetime) -> None:
    """Raise `Refused` when Unix seconds are more than 5 minutes away from `at`, or no number."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Refused("bad_timestamp")
    if abs(at.timestamp() - int(timestamp)) > MAX_SKEW.total_seconds():
        raise Refused("stale")
