"""References: what a payment is called at the rail and by people.

`out_ref` names one attempt at a provider. `RF` references (ISO 11649) and their all-digits form are
what a payer copies, reads out or types: one wrong digit or two swapped neighbours are always caught.
"""

from __future__ import annotations

import re
from uuid import UUID

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: they are misread
_UUID_CHARS = 26  # 26 * 5 = 130 bits hold the 128 of a UUID
OUT_REF = re.compile(rf"^[{_CROCKFORD}]{{{_UUID_CHARS}}}[0-9]{{2}}$")
MAX_GENERATION = 99

_RF_BODY = re.compile(r"^[0-9A-Z]{1,21}$")
_RF = re.compile(r"^RF[0-9]{2}[0-9A-Z]{1,21}$")
_DIGITS = re.compile(r"^[0-9]{1,28}$")


def out_ref(order_id: UUID, generation: int) -> str:
    """The reference of one attempt: 26 Crockford base32 characters of the order's id + 2 digits of generation.

    28 letters and digits: inside WeChat Pay's 32 and ISO 20022's 35. Derived, so it can be found again
    from the order; never changed while an outcome is open.
    """
    if not 1 <= generation <= MAX_GENERATION:
        raise ValueError("a generation has two digits, from 01")
    value, chars = order_id.int, ""
    for _ in range(_UUID_CHARS):
        value, digit = divmod(value, 32)
        chars = _CROCKFORD[digit] + chars
    return f"{chars}{generation:02}"


def order_of(reference: str) -> tuple[UUID, int]:
    """The order and the generation that an `out_ref` names. ValueError for any other text."""
    if not OUT_REF.match(reference):
        raise ValueError("not a reference of ours")
    value = 0
    for char in reference[:_UUID_CHARS]:
        value = value * 32 + _CROCKFORD.index(char)
    if value >= 2**128:
        raise ValueError("not a reference of ours")
    return UUID(int=value), int(reference[_UUID_CHARS:])


def rf_reference(body: str) -> str:
    """The creditor reference of ISO 11649 for 1 to 21 digits or capital letters: `RF`, 2 check digits, body."""
    if not _RF_BODY.match(body):
        raise ValueError("a creditor reference has 1 to 21 digits or capital letters")
    return f"RF{98 - _mod97(body + 'RF00'):02}{body}"


def is_rf_reference(text: str) -> bool:
    """Whether a text, with or without spaces, is a creditor reference with right check digits (ISO 11649)."""
    reference = text.replace(" ", "").upper()
    return bool(_RF.match(reference)) and _mod97(reference[4:] + reference[:4]) == 1


def print_rf(reference: str) -> str:
    """The printed form of a creditor reference: groups of four characters."""
    return " ".join(reference[start : start + 4] for start in range(0, len(reference), 4))


def numeric_reference(digits: str) -> str:
    """The all-digits form for counters, USSD and voice: up to 28 digits + 2 check digits (ISO 7064 mod 97-10)."""
    if not _DIGITS.match(digits):
        raise ValueError("a numeric reference has 1 to 28 digits before its check digits")
    return f"{digits}{98 - int(digits + '00') % 97:02}"


def is_numeric_reference(text: str) -> bool:
    """Whether the digits of a text (spaces and hyphens left out) end in right check digits."""
    digits = text.replace(" ", "").replace("-", "")
    return len(digits) >= 3 and bool(_DIGITS.match(digits[:-2])) and digits.isascii() and _ends_right(digits)


def _ends_right(digits: str) -> bool:
    return digits.isdigit() and int(digits) % 97 == 1


def _mod97(text: str) -> int:
    # Letters count as two digits, A = 10 to Z = 35 (ISO 11649, ISO 7064 mod 97-10).
    return int("".join(str(int(char, 36)) for char in text)) % 97
