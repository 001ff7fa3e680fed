"""Saved recovery codes: 10 codes of 16 Crockford base32 characters (80 bits each). Pure but for the pepper."""

from __future__ import annotations

import re
import secrets
from uuid import UUID

from throughline.kernel.crypto import pepper

CODES_IN_A_SET = 10
CHARACTERS = 16
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})
_FORM = re.compile(f"^[{_ALPHABET}]{{{CHARACTERS}}}$")


def new_codes() -> list[str]:
    """A fresh set, written in groups of four: XXXX-XXXX-XXXX-XXXX."""
    return [
        _grouped("".join(secrets.choice(_ALPHABET) for _ in range(CHARACTERS))) for _ in range(CODES_IN_A_SET)
    ]


def normalise(typed: str) -> str | None:
    """The sixteen characters of what a person typed, forgiving case, spaces and look-alikes; None if it is no code."""
    if len(typed) > 64:
        return None
    code = re.sub(r"[\s\-–—]", "", typed).upper().translate(_READ_AS)
    return code if _FORM.match(code) else None


def stored_form(borrower_id: UUID, code: str) -> bytes:
    """What is kept of a normalised code: an HMAC under a key outside the database.

    80 random bits need no slow hash; the key keeps a leaked table useless all the same.
    """
    return pepper("recovery-code", borrower_id.bytes + code.encode("ascii"))


def _grouped(code: str) -> str:
    return "-".join(code[start : start + 4] for start in range(0, CHARACTERS, 4))
