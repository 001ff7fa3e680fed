"""Message ids, which some SMSCs write in hex in one place and in decimal in another."""

from __future__ import annotations

import re
from enum import StrEnum

MAX_ID_CHARS = 64
_HEX = re.compile(r"[0-9A-Fa-f]{1,32}")
_DECIMAL = re.compile(r"[0-9]{1,39}")


class IdDialect(StrEnum):
    """How an SMSC writes an id in the answer to submit_sm and how in the text of receipts."""

    SAME = "same"
    HEX_THEN_DECIMAL = "hex_then_decimal"  # hex in the answer, decimal in the receipt
    DECIMAL_THEN_HEX = "decimal_then_hex"


def plain(raw: str) -> str | None:
    """An id without blanks at its ends; None when it is empty, too long, or has what can't be printed."""
    found = raw.strip()
    return found if 0 < len(found) <= MAX_ID_CHARS and found.isascii() and found.isprintable() else None


def of_answer(raw: str, dialect: IdDialect) -> str | None:
    """The id of an answer (also of the parameter `receipted_message_id`) as it is stored: in decimal where the
    dialect has two forms."""
    return _stored(raw, hexadecimal=dialect is IdDialect.HEX_THEN_DECIMAL, dialect=dialect)


def of_receipt(raw: str, dialect: IdDialect) -> str | None:
    """The id in the text of a receipt as it is stored."""
    return _stored(raw, hexadecimal=dialect is IdDialect.DECIMAL_THEN_HEX, dialect=dialect)


def alternatives(raw: str) -> tuple[str, ...]:
    """Other forms of an id under which it may be stored while the dialect is set wrongly: read as hex in decimal,
    read as decimal in hex (both cases, also filled up to eight digits). Weaker than the id itself: to be tried when
    that is not found, and never when the message matched by it went to another number."""
    found = plain(raw)
    if found is None:
        return ()
    forms: list[str] = [found]
    if _HEX.fullmatch(found):
        forms.append(str(int(found, 16)))
    if _DECIMAL.fullmatch(found):
        forms += [str(int(found)), *(form % int(found) for form in ("%x", "%X", "%08x", "%08X"))]
    return tuple(dict.fromkeys(forms))


def _stored(raw: str, *, hexadecimal: bool, dialect: IdDialect) -> str | None:
    found = plain(raw)
    if found is None or dialect is IdDialect.SAME:
        return found
    if hexadecimal and _HEX.fullmatch(found):
        return str(int(found, 16))
    return str(int(found)) if not hexadecimal and _DECIMAL.fullmatch(found) else found
