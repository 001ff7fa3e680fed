"""The bank's side of the signatures: written from the bank's interface description, not from our client."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from starlette.requests import Request

from throughline.kernel.clock import real_now
from throughline.lab.bank.keys import BANK_KEY_ID

MAX_SKEW_S = 300


def _lines(*parts: str) -> bytes:
    return ("\n".join(parts) + "\n").encode()


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Signer:
    """Checks clients' requests and signs answers and pushed messages."""

    def __init__(self, keys: Path, private_name: str = "bank-key.pem", key_id: str = BANK_KEY_ID) -> None:
        private = load_pem_private_key((keys / private_name).read_bytes(), password=None)
        if not isinstance(private, Ed25519PrivateKey):
            raise TypeError(f"{private_name} is not an Ed25519 key")
        self._private, self._key_id = private, key_id
        self._clients = {
            path.stem: load_pem_public_key(path.read_bytes()) for path in keys.glob("clients/*.pem")
        }

    def accepts(self, request: Request, body: bytes) -> bool:
        """Whether a known client signed this request within five minutes."""
        headers = request.headers
        key = self._clients.get(headers.get("bank-client-id", ""))
        timestamp, nonce = headers.get("bank-timestamp", ""), headers.get("bank-nonce", "")
        if not isinstance(key, Ed25519PublicKey) or not timestamp.isdigit():
            return False
        if abs(real_now().timestamp() - int(timestamp)) > MAX_SKEW_S:
            return False
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        text = _lines("request", request.method, path, timestamp, nonce, _digest(body))
        try:
            key.verify(base64.b64decode(headers.get("bank-signature", ""), validate=True), text)
        except (InvalidSignature, binascii.Error):
            return False
        return True

    def answer_headers(self, nonce: str, status: int, body: bytes) -> dict[str, str]:
        """Headers of a signed answer to the request with this nonce."""
        timestamp = str(int(real_now().timestamp()))
        return self._headers(timestamp, "", _lines("answer", nonce, str(status), timestamp, _digest(body)))

    def push_headers(self, body: bytes, *, forged: bool = False) -> dict[str, str]:
        """Headers of a pushed message; `forged`: signed by a key that is not the bank's."""
        timestamp, nonce = str(int(real_now().timestamp())), secrets.token_hex(16)
        text = _lines("notice", timestamp, nonce, _digest(body))
        return self._headers(timestamp, nonce, text, Ed25519PrivateKey.generate() if forged else None)

    def _headers(
        self, timestamp: str, nonce: str, text: bytes, key: Ed25519PrivateKey | None = None
    ) -> dict[str, str]:
        return {
            "Bank-Key-Id": self._key_id,
            "Bank-Timestamp": timestamp,
            "Bank-Nonce": nonce,
            "Bank-Signature": base64.b64encode((key or self._private).sign(text)).decode("ascii"),
        }
