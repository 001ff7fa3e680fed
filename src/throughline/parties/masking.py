"""Masked values: enough for the owner to recognise, too little for anybody else to use.

Forms as Chinese lenders print them: 王**, 138****5678, 1****************X.
"""

from __future__ import annotations

from throughline.parties.contact import ContactKind


def mask(kind: ContactKind, value: str) -> str:
    """The masked form of a normalised address."""
    match kind:
        case ContactKind.PHONE:
            return mask_phone(value)
        case ContactKind.EMAIL:
            return mask_email(value)
        case ContactKind.WEB_PUSH:
            return "web push"


def mask_name(name: str) -> str:
    """The first character only: 王**."""
    return name[:1] + "*" * min(max(len(name) - 1, 1), 3)


def mask_phone(e164: str) -> str:
    """The last four digits; for a Chinese mobile number also the first three: 138****5678."""
    if e164.startswith("+86") and len(e164) == 14:
        return f"{e164[3:6]}****{e164[-4:]}"
    return f"{e164[:2]}****{e164[-4:]}"


def mask_email(address: str) -> str:
    """The first character and the domain: w***@example.com."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"


def mask_id_number(number: str) -> str:
    """First and last character: 1****************X (the person knows it; nobody can complete it)."""
    return number[:1] + "*" * (len(number) - 2) + number[-1:]
