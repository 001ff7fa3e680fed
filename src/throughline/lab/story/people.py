"""People of a story: pretended, each with an ID number and a phone of their own."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

NAMES = ("林晓雨", "周建国", "吴思远", "陈美玲", "何志强", "孙佳怡")
# GB 11643-1999, A.1: weights of the first 17 digits and the character for each remainder of 11.
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHARACTERS = "10X98765432"


@dataclass(frozen=True, slots=True)
class Person:
    """A borrower as the story invents one. The mail domain is reserved for examples (RFC 2606)."""

    name: str
    id_number: str
    phone: str
    email: str
    account: str


def with_check_character(digits: str) -> str:
    """An ID number from its first 17 digits."""
    remainder = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits, strict=True)) % 11
    return digits + _CHARACTERS[remainder]


def invent() -> Person:
    """A person whom nobody else is."""
    token = secrets.token_hex(4)
    digits = f"310104{secrets.choice(range(1975, 2003))}{secrets.choice(range(1, 13)):02d}"
    digits += f"{secrets.choice(range(1, 29)):02d}{secrets.randbelow(1000):03d}"
    return Person(
        name=secrets.choice(NAMES),
        id_number=with_check_character(digits),
        phone=f"+86139{secrets.randbelow(10**8):08d}",
        email=f"story-{token}@example.com",
        account=f"6222{secrets.randbelow(10**12):012d}",
    )
