"""WeChat Pay APIv3: signing, verifying, and opening encrypted resources. Ours, over `cryptography`.

Layout of the signed texts and of `resource`: WeChat Pay APIv3 documentation, pages on signatures and on
decrypting notifications. Signature: RSA, PKCS#1 v1.5, SHA-256, base64. A 2xx without a valid signature
counts as forged. There is no switch that turns verification off.
"""

from __future__ import annotations

import base64
import binascii
import errno
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from throughline.payments.ports import Refused

SCHEME = "WECHATPAY2-SHA256-RSA2048"
MAX_SKEW = timedelta(minutes=5)
PUBLIC_KEY_PREFIX = "PUB_KEY_ID_"
# The provider now and then sends a deliberately wrong signature to see whether we check it.
PROBE_PREFIX = "WECHATPAY/SIGNTEST/"
_NONCE_BYTES = 12
_TAG_BYTES = 16


def request_text(method: str, path: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """What we sign: five lines, each ended by LF, also the last; the path with its query."""
    return f"{method}\n{path}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"


def answer_text(timestamp: str, nonce: str, body: bytes) -> bytes:
    """What the platform signs, in answers and in notifications: three lines over the raw body."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def serial_of(certificate: x509.Certificate) -> str:
    """The serial number as the platform writes it: upper-case hex."""
    return f"{certificate.serial_number:X}"


class MerchantKey:
    """Our private key with the serial number of its certificate."""

    def __init__(self, mchid: str, serial: str, private_key: RSAPrivateKey) -> None:
        self._mchid = mchid
        self._serial = serial
        self._private_key = private_key

    @classmethod
    def read(cls, mchid: str, key: Path, certificate: Path) -> MerchantKey:
        """Read PEM files. TypeError when the key is not RSA, ValueError when it is not that of the certificate."""
        private_key = load_pem_private_key(key.read_bytes(), password=None)
        if not isinstance(private_key, RSAPrivateKey):
            raise TypeError(f"{key} is not an RSA key")
        own = x509.load_pem_x509_certificate(certificate.read_bytes())
        if own.public_key() != private_key.public_key():
            raise ValueError(f"{certificate} belongs to another key than {key}")
        return cls(mchid, serial_of(own), private_key)

    def sign(self, text: bytes) -> str:
        """Base64 of the signature over a text."""
        return base64.b64encode(self._private_key.sign(text, PKCS1v15(), SHA256())).decode("ascii")

    def authorization(self, method: str, path: str, body: bytes, *, at: datetime) -> str:
        """The Authorization header of one request, with a fresh nonce."""
        timestamp, nonce = str(int(at.timestamp())), secrets.token_hex(16).upper()
        signature = self.sign(request_text(method, path, timestamp, nonce, body))
        return (
            f'{SCHEME} mchid="{self._mchid}",nonce_str="{nonce}",signature="{signature}",'
            f'timestamp="{timestamp}",serial_no="{self._serial}"'
        )


class PlatformKeys:
    """The platform's keys by serial number or public-key id; several at once while it changes them."""

    def __init__(self, keys: Mapping[str, RSAPublicKey]) -> None:
        self._keys = dict(keys)

    @classmethod
    def read(cls, folder: Path) -> PlatformKeys:
        """All `*.pem` of a folder: certificates by serial number, public keys by file name `PUB_KEY_ID_…`."""
        keys: dict[str, RSAPublicKey] = {}
        for path in sorted(folder.glob("*.pem")):
            if path.stem.startswith(PUBLIC_KEY_PREFIX):
                key_id, key = path.stem, load_pem_public_key(path.read_bytes())
            else:
                certificate = x509.load_pem_x509_certificate(path.read_bytes())
                key_id, key = serial_of(certificate), certificate.public_key()
            if not isinstance(key, RSAPublicKey):
                raise TypeError(f"{path} holds no RSA key")
            keys[key_id] = key
        if not keys:
            raise FileNotFoundError(errno.ENOENT, "no key here", str(folder))
        return cls(keys)

    def add_certificate(self, pem: bytes) -> str:
        """Trust one more certificate, got from the platform itself; returns its serial number."""
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise TypeError("a platform certificate holds an RSA key")
        self._keys[serial_of(certificate)] = key
        return serial_of(certificate)

    def knows(self, serial: str) -> bool:
        """Whether we hold the key of that serial number or key id."""
        return serial in self._keys

    def check(self, headers: Mapping[str, str], raw_body: bytes, *, at: datetime) -> str:
        """Raise `Refused` unless the platform signed these bytes within 5 minutes of `at`; returns the serial.

        Header names are lower case. `at` is real time.
        """
        signature, serial = headers.get("wechatpay-signature", ""), headers.get("wechatpay-serial", "")
        timestamp, nonce = headers.get("wechatpay-timestamp", ""), headers.get("wechatpay-nonce", "")
        if not (signature and serial and timestamp and nonce):
            # A proxy or CDN that strips Wechatpay-* headers looks exactly like this.
            raise Refused("unsigned")
        if signature.startswith(PROBE_PREFIX):
            raise Refused("probe")
        key = self._keys.get(serial)
        if key is None:
            raise Refused("unknown_key")
        if not verify(key, answer_text(timestamp, nonce, raw_body), signature):
            raise Refused("bad_signature")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise Refused("bad_timestamp")
        if abs(at.timestamp() - int(timestamp)) > MAX_SKEW.total_seconds():
            raise Refused("stale")
        return serial


def verify(key: RSAPublicKey, text: bytes, signature: str) -> bool:
    """Whether a base64 signature over a text is of this key."""
    try:
        key.verify(base64.b64decode(signature, validate=True), text, PKCS1v15(), SHA256())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def open_resource(api_v3_key: bytes, nonce: str, associated_data: str, ciphertext: str) -> bytes:
    """Decrypt AES-256-GCM: 12-byte nonce, tag at the end, associated data may be empty. Raises `Refused`."""
    raw_nonce = nonce.encode("utf-8")
    try:
        sealed = base64.b64decode(ciphertext, validate=True)
        if len(raw_nonce) != _NONCE_BYTES or len(sealed) < _TAG_BYTES:
            raise Refused("bad_resource")
        return AESGCM(api_v3_key).decrypt(raw_nonce, sealed, associated_data.encode("utf-8"))
    except (InvalidTag, binascii.Error, ValueError):
        raise Refused("bad_resource") from None
