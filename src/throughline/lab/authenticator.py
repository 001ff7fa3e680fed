"""A passkey in software: the part of a phone or a security key, for stories, drills and tests.

It plays the authenticator and the browser together (WebAuthn Level 3: resident ES256 credentials,
attestation "none", user verification always done) and speaks the JSON of `toJSON()`. It knows nothing
of the platform. Its file holds private keys in clear: good for pretended people only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ES256 = -7
AAGUID = bytes(16)  # zero: the authenticator does not say what it is

_USER_PRESENT = 0x01
_USER_VERIFIED = 0x04
_BACKUP_ELIGIBLE = 0x08
_BACKED_UP = 0x10
_ATTESTED = 0x40


class NotAllowed(Exception):
    """What a browser throws as NotAllowedError or SecurityError: no credential, or not this page's business."""


@dataclass
class Passkey:
    """One resident credential. Bytes are base64url, so that the file is JSON."""

    id: str
    rp_id: str
    user_handle: str
    private_key_pem: str = field(repr=False)
    sign_count: int = 0


@dataclass
class SoftwareAuthenticator:
    """An authenticator with its passkeys. `synced`: backup-eligible and backed up, and its counter stays 0.

    `user_verified` False plays a thief who holds the device and knows neither PIN nor face.
    """

    synced: bool = True
    user_verified: bool = True
    passkeys: list[Passkey] = field(default_factory=list)

    def create(self, options: dict[str, Any], origin: str) -> dict[str, Any]:
        """Answer `navigator.credentials.create()` for these options on a page of that origin."""
        rp_id = str(options["rp"].get("id") or urlsplit(origin).hostname)
        self._check_page(rp_id, origin)
        if ES256 not in [item["alg"] for item in options["pubKeyCredParams"]]:
            raise NotAllowed("no algorithm in common")
        excluded = {item["id"] for item in options.get("excludeCredentials", [])}
        if excluded & {passkey.id for passkey in self.passkeys}:
            raise NotAllowed("this authenticator is registered already")
        key = ec.generate_private_key(ec.SECP256R1())
        credential_id = secrets.token_bytes(32)
        passkey = Passkey(
            id=b64(credential_id),
            rp_id=rp_id,
            user_handle=options["user"]["id"],
            private_key_pem=key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode("ascii"),
        )
        attested = AAGUID + len(credential_id).to_bytes(2, "big") + credential_id + cose_key(key.public_key())
        authenticator_data = self._authenticator_data(passkey, attested)
        client_data = _client_data("webauthn.create", options["challenge"], origin)
        self.passkeys.append(passkey)
        return {
            "id": passkey.id,
            "rawId": passkey.id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": True}},
            "response": {
                "clientDataJSON": b64(client_data),
                "attestationObject": b64(
                    cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": authenticator_data})
                ),
                "transports": ["internal"],
            },
        }

    def get(self, options: dict[str, Any], origin: str) -> dict[str, Any]:
        """Answer `navigator.credentials.get()`; the newest fitting passkey is taken."""
        rp_id = str(options.get("rpId") or urlsplit(origin).hostname)
        self._check_page(rp_id, origin)
        allowed = {item["id"] for item in options.get("allowCredentials") or []}
        fitting = [
            passkey
            for passkey in self.passkeys
            if passkey.rp_id == rp_id and (not allowed or passkey.id in allowed)
        ]
        if not fitting:
            raise NotAllowed("no passkey for this site")
        passkey = fitting[-1]
        if not self.synced:
            passkey.sign_count += 1
        authenticator_data = self._authenticator_data(passkey, b"")
        client_data = _client_data("webauthn.get", options["challenge"], origin)
        key = serialization.load_pem_private_key(passkey.private_key_pem.encode("ascii"), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("a passkey of this authenticator is an EC key")
        signature = key.sign(
            authenticator_data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256())
        )
        return {
            "id": passkey.id,
            "rawId": passkey.id,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(client_data),
                "authenticatorData": b64(authenticator_data),
                "signature": b64(signature),
                "userHandle": passkey.user_handle,
            },
        }

    def save(self, file: Path) -> None:
        """Keep the authenticator in a file that only its owner may read; replaces it whole or not at all."""
        fresh = file.with_suffix(file.suffix + ".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            json.dump(asdict(self), stream, indent=1)
        fresh.replace(file)

    @classmethod
    def load(cls, file: Path) -> SoftwareAuthenticator:
        """The authenticator from a file that `save` wrote."""
        content = json.loads(file.read_text(encoding="ascii"))
        return cls(
            synced=content["synced"],
            user_verified=content["user_verified"],
            passkeys=[Passkey(**passkey) for passkey in content["passkeys"]],
        )

    def _authenticator_data(self, passkey: Passkey, attested: bytes) -> bytes:
        flags = _USER_PRESENT
        flags |= _USER_VERIFIED if self.user_verified else 0
        flags |= _BACKUP_ELIGIBLE | _BACKED_UP if self.synced else 0
        flags |= _ATTESTED if attested else 0
        rp_id_hash = hashlib.sha256(passkey.rp_id.encode("ascii")).digest()
        return rp_id_hash + bytes([flags]) + passkey.sign_count.to_bytes(4, "big") + attested

    @staticmethod
    def _check_page(rp_id: str, origin: str) -> None:
        # What a browser checks before it asks the authenticator: the id is the page's host or a parent of it.
        host = urlsplit(origin).hostname or ""
        if host != rp_id and not host.endswith("." + rp_id):
            raise NotAllowed("the page does not belong to this site")


def cose_key(public: ec.EllipticCurvePublicKey) -> bytes:
    """A P-256 public key as COSE_Key (RFC 9053, 7.1): kty EC2, alg ES256, crv P-256, x, y."""
    numbers = public.public_numbers()
    return cbor2.dumps(
        {1: 2, 3: ES256, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    )


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _client_data(kind: str, challenge: str, origin: str) -> bytes:
    # Members in the order of WebAuthn Level 3, 5.8.1.1; a verifier may compare bytes.
    document = {"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}
    return json.dumps(document, separators=(",", ":")).encode("utf-8")
