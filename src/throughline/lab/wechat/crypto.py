"""The platform's side of APIv3: checks merchants' requests, signs answers, encrypts what it notifies.

Written from the provider's documentation, apart from our client's code.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import threading
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from starlette.requests import Request

from throughline.kernel.clock import real_now
from throughline.lab.wechat.keys import PUBLIC_KEY_ID, certificate, write_key

MAX_SKEW_S = 300
_PART = re.compile(r'(\w+)="([^"]*)"')


class Platform:
    """All keys of the platform. `mode`: which of them signs: certificate, public_key or new_certificate."""

    def __init__(self, keys: Path) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        merchant = x509.load_pem_x509_certificate((keys / "merchant-certificate.pem").read_bytes())
        key = merchant.public_key()
        if not isinstance(key, RSAPublicKey):
            raise TypeError("the merchant's certificate holds no RSA key")
        self._merchant_key = key
        self._merchant_serial = f"{merchant.serial_number:X}"
        self._api_v3_key = (keys / "api-v3-key.txt").read_bytes().strip()

    def merchant_of(self, request: Request, body: bytes) -> str | None:
        """The merchant number of a rightly signed request, else None."""
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        parts = dict(_PART.findall(rest))
        if scheme != "WECHATPAY2-SHA256-RSA2048" or parts.get("serial_no") != self._merchant_serial:
            return None
        timestamp = parts.get("timestamp", "")
        if not timestamp.isdigit() or abs(real_now().timestamp() - int(timestamp)) > MAX_SKEW_S:
            return None
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        text = "".join(f"{line}\n" for line in (request.method, path, timestamp, parts.get("nonce_str", "")))
        try:
            self._merchant_key.verify(
                base64.b64decode(parts.get("signature", ""), validate=True),
                text.encode() + body + b"\n",
                PKCS1v15(),
                SHA256(),
            )
        except (InvalidSignature, binascii.Error):
            return None
        return parts.get("mchid")

    def headers(self, body: bytes, mode: str, *, fault: str = "") -> dict[str, str]:
        """Signature headers for an answer or a notification; faults: forged, wrong_serial, probe, stale."""
        serial, key = self._signer(mode)
        at = real_now().timestamp() - (MAX_SKEW_S + 60 if fault == "stale" else 0)
        timestamp, nonce = str(int(at)), secrets.token_hex(16)
        text = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        if fault == "forged":
            key = generate_private_key(public_exponent=65537, key_size=2048)
        signature = base64.b64encode(key.sign(text, PKCS1v15(), SHA256())).decode("ascii")
        return {
            "Wechatpay-Serial": f"{secrets.randbits(159):X}" if fault == "wrong_serial" else serial,
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": f"WECHATPAY/SIGNTEST/{signature}" if fault == "probe" else signature,
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        }

    def resource(self, content: bytes, associated_data: str, kind: str | None = None) -> dict[str, str]:
        """Content encrypted under the merchant's API v3 key, as a `resource` or `encrypt_certificate`."""
        nonce = secrets.token_hex(6)
        sealed = AESGCM(self._api_v3_key).encrypt(nonce.encode(), content, associated_data.encode())
        named = {"original_type": kind} if kind else {}
        return {
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(sealed).decode("ascii"),
            "associated_data": associated_data,
            "nonce": nonce,
            **named,
        }

    def certificates(self) -> list[dict[str, Any]]:
        """All platform certificates, encrypted, as /v3/certificates gives them."""
        found = []
        for path in (self._keys / "platform-certificate.pem", self._keys / "platform-next-certificate.pem"):
            if path.exists():
                pem = path.read_bytes()
                cert = x509.load_pem_x509_certificate(pem)
                found.append(
                    {
                        "serial_no": f"{cert.serial_number:X}",
                        "effective_time": cert.not_valid_before_utc.isoformat(),
                        "expire_time": cert.not_valid_after_utc.isoformat(),
                        "encrypt_certificate": self.resource(pem, "certificate"),
                    }
                )
        return found

    def _signer(self, mode: str) -> tuple[str, RSAPrivateKey]:
        if mode == "public_key":
            return PUBLIC_KEY_ID, self._private("platform-public-mode-key.pem")
        if mode == "new_certificate":
            return self._serial(self._next_certificate()), self._private("platform-next-key.pem")
        return self._serial(self._keys / "platform-certificate.pem"), self._private("platform-key.pem")

    def _next_certificate(self) -> Path:
        # Only the platform's side: the merchant must fetch it.
        path = self._keys / "platform-next-certificate.pem"
        with self._lock:  # an answer and a notification may need it at the same moment
            if not path.exists():
                key = write_key(self._keys / "platform-next-key.pem")
                path.write_bytes(certificate(key, "next (simulated)"))
        return path

    def _private(self, name: str) -> RSAPrivateKey:
        key = load_pem_private_key((self._keys / name).read_bytes(), password=None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError(f"{name} is not an RSA key")
        return key

    @staticmethod
    def _serial(path: Path) -> str:
        return f"{x509.load_pem_x509_certificate(path.read_bytes()).serial_number:X}"


def dumps(document: Any) -> bytes:
    """JSON as the platform writes it."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
