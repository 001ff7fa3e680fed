"""Keys and certificates of merchant and platform, made at the first start for both sides."""

from __future__ import annotations

import fcntl
import secrets
import string
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from throughline.kernel.clock import real_now

PUBLIC_KEY_ID = "PUB_KEY_ID_0000000000000000000000000000000001"
_LIFETIME = timedelta(days=5 * 365)


def folder(home: Path) -> Path:
    """Where the keys lie that both sides read."""
    return home / "lab" / "keys" / "wechat"


def ensure_keys(home: Path) -> Path:
    """Make what is missing and return the folder. Safe when two processes start at once.

    The merchant reads merchant-key.pem, merchant-certificate.pem, api-v3-key.txt and what is in platform/
    (a certificate, and a public key for public-key mode); the platform-*.pem keys are the provider's.
    """
    keys = folder(home)
    (keys / "platform").mkdir(parents=True, exist_ok=True)
    with (keys / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (keys / "merchant-certificate.pem").exists():
            key = write_key(keys / "merchant-key.pem")
            (keys / "merchant-certificate.pem").write_bytes(certificate(key, "Demo merchant"))
        if not (keys / "platform-certificate.pem").exists():
            key = write_key(keys / "platform-key.pem")
            pem = certificate(key, "Tenpay.com Root CA (simulated)")
            (keys / "platform" / "certificate.pem").write_bytes(pem)
            (keys / "platform-certificate.pem").write_bytes(pem)
        if not (keys / "platform" / f"{PUBLIC_KEY_ID}.pem").exists():
            key = write_key(keys / "platform-public-mode-key.pem")
            (keys / "platform" / f"{PUBLIC_KEY_ID}.pem").write_bytes(
                key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            )
        if not (keys / "api-v3-key.txt").exists():
            alphabet = string.ascii_letters + string.digits
            _private_file(
                keys / "api-v3-key.txt", "".join(secrets.choice(alphabet) for _ in range(32)).encode()
            )
    return keys


def write_key(path: Path) -> RSAPrivateKey:
    """Make an RSA key of 2048 bits and keep it in a file that only its owner reads."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    _private_file(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def certificate(key: RSAPrivateKey, name: str) -> bytes:
    """A self-signed certificate, PEM. Real time: certificates do not follow the demo's clock."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(real_now() - timedelta(days=1))
        .not_valid_after(real_now() + _LIFETIME)
        .sign(key, SHA256())
    )
    return built.public_bytes(Encoding.PEM)


def _private_file(path: Path, content: bytes) -> None:
    # Whole or not at all: a start that is killed here must not leave an empty key behind.
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)
