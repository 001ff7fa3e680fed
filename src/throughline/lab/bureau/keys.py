"""The Ed25519 keys of bureau and member, made at the first start for both sides."""

from __future__ import annotations

import fcntl
from pathlib import Path

from throughline.lab.bank.keys import ensure_pair

MEMBER = "THROUGHLINE"
KEY_ID = "BUREAU-1"
PRIVATE = "bureau-key.pem"


def ensure_keys(home: Path) -> Path:
    """Make what is missing and return the folder. Safe when two processes start at once.

    The platform reads client-key.pem and trusted/BUREAU-1.pem, the bureau reads bureau-key.pem and
    clients/THROUGHLINE.pem.
    """
    keys = home / "lab" / "keys" / "bureau"
    keys.mkdir(parents=True, exist_ok=True)
    with (keys / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ensure_pair(keys / "client-key.pem", keys / "clients" / f"{MEMBER}.pem")
        ensure_pair(keys / PRIVATE, keys / "trusted" / f"{KEY_ID}.pem")
    return keys
