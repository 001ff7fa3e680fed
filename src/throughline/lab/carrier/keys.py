"""The client's EC key for private_key_jwt."""

from __future__ import annotations

from pathlib import Path

from throughline.lab.client_keys import ensure_key_pair

CLIENT_ID = "throughline"


def ensure_keys(home: Path) -> tuple[Path, Path]:
    """Make what is missing; returns the client's private key file and its public one, which the carrier reads."""
    return ensure_key_pair(home, "carrier")
