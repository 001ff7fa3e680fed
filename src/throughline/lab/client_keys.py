"""EC keys of our client at a simulator, made at the first start for both sides."""

from __future__ import annotations

import fcntl
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def ensure_key_pair(home: Path, name: str) -> tuple[Path, Path]:
    """Make what is missing of `home`/lab/keys/<name>-client; returns the private file and the public one."""
    folder = home / "lab" / "keys"
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / f"{name}-client.pem", folder / f"{name}-client.pub.pem"
    with (folder / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (private.exists() and public.exists()):
            key = ec.generate_private_key(ec.SECP256R1())
            public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
            draft = private.with_suffix(".new")
            draft.touch(mode=0o600)
            draft.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            draft.replace(private)
    return private, public
