"""The client's EC key that signs orders."""

from __future__ import annotations

from pathlib import Path

from throughline.lab.client_keys import ensure_key_pair

CLIENT_ID = "throughline"


def ensure_keys(home: Path) -> tuple[Path, Path]:
    """Make what is missing; returns the private key file and the public one, which the desk reads."""
    return ensure_key_pair(home, "joint")
